"""What docs/webhooks.md tells receivers is true: its example verifies, and its lists are complete."""

import re
import time
from pathlib import Path
from typing import Any

from api.models_webhooks import Event
from api.webhooks.describing import described
from api.webhooks.events import EVENTS
from api.webhooks.retrying import TRIES
from api.webhooks.signing import headers, new_secret, shown
from service.webhooks import TRY_SECONDS

TEXT = (Path(__file__).parents[2] / "docs" / "webhooks.md").read_text(encoding="utf-8")


def test_the_example_in_the_documents_verifies_what_we_sign() -> None:
    found = re.search(r"```python\n(.*?)```", TEXT, re.S)
    assert found
    names: dict[str, Any] = {}
    exec(found[1], names)  # noqa: S102 - the example is ours
    is_genuine = names["is_genuine"]
    old, new, body, now = new_secret(), new_secret(), b'{"id":"1"}', int(time.time())
    signed = headers([new, old], "1", now, body)
    assert is_genuine(shown(new), signed, body)
    assert is_genuine(shown(old), signed, body)
    assert not is_genuine(shown(new_secret()), signed, body)
    assert not is_genuine(shown(new), signed, body + b" ")
    assert not is_genuine(shown(new), {**signed, "webhook-id": "2"}, body)
    assert not is_genuine(shown(new), headers([new], "1", now - 3600, body), body), "a replay of an hour ago"


def test_the_documents_name_every_event_and_the_right_numbers() -> None:
    assert re.findall(r"^\| `([a-z.]+)` \|", TEXT, re.M) == [*EVENTS, "test"]
    assert Event.__args__ == EVENTS  # type: ignore[attr-defined]
    assert tuple(described()) == (*EVENTS, "test")
    assert TRIES == 12
    assert "twelve times" in TEXT
    assert f"within {TRY_SECONDS:.0f} seconds" in TEXT
