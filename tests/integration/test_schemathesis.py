"""What the OpenAPI document says is what the application answers, whatever is sent: schemathesis makes the requests.

Half of the requests carry identifiers of the seeded house, so that handlers are reached and not only their 404.
"""

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed
from hypothesis import settings as bounded
from hypothesis import strategies as st
from jsonschema_rs import validator_for
from schemathesis import Case, Response

from api.app import ENDPOINTS
from api.openapi import document
from api.permissions import ROLES
from api.problems import TITLES
from archive.house import Archive
from archive.ledger_key import ensure_ledger_key
from core.settings import Settings
from tests.told import WEBHOOK, tell
from tests.web import ORDER, Web, serving

EXAMPLES = 5
# These end the session of whoever asks: last.
ENDING = ("/api/v1/logout", "/api/v1/account/sessions/{id}/end")
PROBLEM = "application/problem+json"


class Judge:
    """Compares answers with the document; ``faults`` are the distinct ways in which they differ."""

    def __init__(self, described: dict[str, Any]) -> None:
        self._described = described
        self.faults: dict[str, str] = {}
        self.statuses: dict[str, set[int]] = {}

    def hear(self, name: str, operation: dict[str, Any], case: Case[Any], answer: Response) -> None:
        self.statuses.setdefault(name, set()).add(answer.status_code)
        fault = self._fault(operation, answer)
        if fault:
            self.faults.setdefault(f"{name}: {fault}", case.as_curl_command()[:600])

    def _fault(self, operation: dict[str, Any], answer: Response) -> str:
        media = (answer.headers.get("content-type") or [""])[0].partition(";")[0]
        declared = operation["responses"].get(str(answer.status_code))
        if declared is None:
            if answer.status_code not in TITLES or answer.status_code >= 500:
                return f"answered {answer.status_code}, which is not documented"
            declared = operation["responses"]["default"]
        if media not in declared.get("content", {"": {}}):
            return f"answered {media} with {answer.status_code}"
        schema = declared["content"][media].get("schema")
        if schema is None or not media.endswith("json"):
            return ""
        whole = {**schema, "components": self._described["components"]}
        wrong = next(iter(validator_for(whole).iter_errors(answer.json())), None)
        return f"{answer.status_code} does not fit its schema: {wrong.message[:200]}" if wrong else ""


def _operations(described: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    found = [(path, method, each) for path, methods in described["paths"].items() for method, each in methods.items()]
    yield from sorted(found, key=lambda each: each[0] in ENDING)


def _ask_all(described: dict[str, Any], base: str, tokens: dict[str, str], known: Sequence[str]) -> Judge:
    schema, judge = schemathesis.openapi.from_dict(described), Judge(described)
    with requests.Session() as client:
        for path, method, operation in _operations(described):
            roles = operation.get("x-roles", ["agent"])
            headers = {"Authorization": f"Bearer {tokens[roles[0]]}"}
            _ask(schema[path][method], f"{method.upper()} {path}", operation, base, headers, known, client, judge)
    return judge


def _ask(
    described: Any,
    name: str,
    operation: dict[str, Any],
    base: str,
    headers: dict[str, str],
    known: Sequence[str],
    client: requests.Session,
    judge: Judge,
) -> None:
    @seed(20261122)
    @bounded(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=described.as_strategy(), real=st.booleans(), which=st.sampled_from(known))
    def ask(case: Case[Any], real: bool, which: str) -> None:
        if real and case.path_parameters:
            case.path_parameters = dict.fromkeys(case.path_parameters, which)
        answer = case.call(base_url=base, headers=headers, session=client, allow_redirects=False, timeout=240)
        judge.hear(name, operation, case, answer)

    ask()


async def test_every_answer_is_documented(archive: Archive, tmp_path: Path) -> None:
    described = document(ENDPOINTS, "1")
    settings = Settings(data_dir=tmp_path, requests_per_minute=0)
    ensure_ledger_key(settings)
    async with serving(archive, tmp_path, settings) as web:
        judge = await _judged(web, described)
    assert not judge.faults, "\n".join(f"{fault}\n    {how}" for fault, how in judge.faults.items())
    assert len(judge.statuses) == sum(len(methods) for methods in described["paths"].values())
    reached = [name for name, statuses in judge.statuses.items() if min(statuses) < 300]
    assert len(reached) > len(judge.statuses) / 4, "most requests end before a handler"


@pytest.mark.parametrize("text", [r"\u0000", r"a\u0000b"])
async def test_what_no_database_keeps_is_refused(archive: Archive, tmp_path: Path, text: str) -> None:
    async with serving(archive, tmp_path) as web:
        headers = {**await web.bearer("supervisor"), "Content-Type": "application/json"}
        body = f'{{"purpose": "x y z", "filters": {{"order": "{text}", "q": "x"}}}}'
        answer = await web.client().post("/api/v1/search/export", data=body, headers=headers)
        assert answer.status == 422
        assert (await web.get("/api/v1/search?q=a%00b")).status == 400
        assert (await web.get("/api/v1/work-orders/a%00b")).status == 400


async def _judged(web: Web, described: dict[str, Any]) -> Judge:
    for role in ROLES:
        await web.bearer(role)
    seeded = web.seeded
    await tell(web)
    known = [str(seeded.full), str(seeded.pending), str(seeded.failed), str(seeded.failed_job), ORDER, str(WEBHOOK)]
    return await asyncio.to_thread(_ask_all, described, str(web.server.make_url("")).rstrip("/"), web.tokens, known)
