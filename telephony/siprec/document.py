"""Writing recording metadata: the complete RFC 7865 document of a call with two parties."""

import secrets
from datetime import datetime
from uuid import UUID
from xml.sax.saxutils import escape, quoteattr

LABELS = ("1", "2")
_NAMESPACE = "urn:ietf:params:xml:ns:recording:1"


def document(numbers: tuple[str, str], names: tuple[str, str], at: datetime) -> bytes:
    """One session, two participants, each sending the stream of one label."""
    session = UUID(bytes=secrets.token_bytes(16), version=4).hex
    now = at.isoformat(timespec="seconds")
    people, streams, links = [], [], []
    for label, number, name in zip(LABELS, numbers, names, strict=True):
        aor = quoteattr(f"sip:{number}@gateway.invalid")
        people.append(
            f'<participant participant_id="p{label}-{session}"><nameID aor={aor}>'
            f'<name xml:lang="zh">{escape(name)}</name></nameID></participant>'
        )
        streams.append(f'<stream stream_id="s{label}-{session}" session_id="{session}"><label>{label}</label></stream>')
        other = LABELS[1] if label == LABELS[0] else LABELS[0]
        links.append(
            f'<participantsessionassoc participant_id="p{label}-{session}" session_id="{session}">'
            f"<associate-time>{now}</associate-time></participantsessionassoc>"
            f'<participantstreamassoc participant_id="p{label}-{session}"><send>s{label}-{session}</send>'
            f"<recv>s{other}-{session}</recv></participantstreamassoc>"
        )
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<recording xmlns="{_NAMESPACE}"><datamode>complete</datamode>'
        f'<session session_id="{session}"><start-time>{now}</start-time></session>'
        f"{''.join(people)}{''.join(streams)}{''.join(links)}</recording>\n"
    ).encode()
