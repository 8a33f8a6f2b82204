"""Recording metadata documents (RFC 7865, its drafts, vendors' dialects) → participants, streams, group.

Elements are matched by local name, whatever the namespace.  Dialects differ in where an id stands (``stream_id``,
``id``, a child element), and in whether ``send`` stands in the participant or in an association beside it; all are
read.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from xml.etree.ElementTree import Element

from telephony.sip.header import user_of
from telephony.siprec.snapshot import Metadata, Participant
from telephony.siprec.xml import read_xml

MEDIA_TYPES = frozenset(("application/rs-metadata+xml", "application/rs-metadata"))
DAMAGED, CLOCK_NOT_SET, NO_ZONE = "metadata damaged", "gateway clock not set", "metadata times without zone"
TOO_MANY = "metadata names too much"
_ASSOCIATIONS = ("participant", "participantsessionassoc", "participantstreamassoc", "participantstream")
# Elements stand at most this deep in any dialect; a document nested deeper is walked no further.
_DEPTH = 8
# No call has so many people, streams, or streams of one person.
_MOST = 100
_MAX_VALUE = 120
# A clock that says otherwise was never set.
_PLAUSIBLE = range(2000, 2100)


def parse_metadata(body: bytes) -> Metadata:
    """Read a metadata document.  ``ValueError`` when it is not XML, has a DTD, or names nothing of a call."""
    root, repaired = read_xml(body)
    reader = _Reader()
    for element in _within(root):
        reader.read(element)
    partial = _text_of(root, "datamode").lower() == "partial"
    if not (reader.people or reader.labels or reader.named):
        raise ValueError("the recording metadata names nothing of a call")
    if repaired:
        reader.flags.append(DAMAGED)
    return Metadata(
        reader.participants(partial=partial),
        reader.labels,
        _extensions(root),
        partial,
        group=reader.group,
        session=reader.sip_session or reader.session,
        released=frozenset(reader.released),
        flags=tuple(dict.fromkeys(reader.flags)),
    )


class _Reader:
    """Collects what a document says, element by element."""

    def __init__(self) -> None:
        self.people: dict[str, Participant] = {}
        self.labels: dict[str, str] = {}
        self.flags: list[str] = []
        self.released: set[tuple[str, str]] = set()
        self.group = self.session = self.sip_session = ""
        self._sends: dict[str, list[str]] = {}
        self._times: dict[str, list[tuple[str, datetime]]] = {}

    def read(self, element: Element) -> None:
        name, key = _local(element.tag), _identity(element)
        if name == "participant":
            # A participant without an id is one all the same.
            key = key or f"#{len(self.people) + 1}"
            self._add(_participant(element, key))
        elif name == "stream" and (label := _text_of(element, "label") or element.get("label", "").strip()):
            self._add_label(key or f"#{len(self.labels) + 1}", label)
        elif name in ("group", "group-ref", "group_id"):
            self.group = self.group or (key or ("" if len(element) else _text(element)))[:_MAX_VALUE]
        elif name == "session":
            self.session = self.session or key[:_MAX_VALUE]
        elif name == "sipsessionid":
            self.sip_session = self.sip_session or _text(element)[:_MAX_VALUE]
        if name in _ASSOCIATIONS:
            self._associate(name, key, element)

    def _add(self, one: Participant) -> None:
        if len(self.people) >= _MOST and one.id not in self.people:
            self.flags.append(TOO_MANY)
            return
        self.people[one.id] = one.after(self.people[one.id]) if one.id in self.people else one

    def _add_label(self, stream: str, label: str) -> None:
        if len(self.labels) >= _MOST and stream not in self.labels:
            self.flags.append(TOO_MANY)
            return
        self.labels[stream] = label

    def _associate(self, name: str, key: str, element: Element) -> None:
        sent, ended = _sent(element), False
        for child in element:
            mark = _local(child.tag)
            if mark in ("associate-time", "disassociate-time") and (moment := self._moment(_text(child))):
                ended = ended or mark == "disassociate-time"
                # When a stream begins or ends, its sender is in the call and stays.
                if not name.startswith("participantstream"):
                    self._times.setdefault(key, []).append((mark, moment))
        if ended and name.startswith("participantstream"):
            self.released |= {(key, stream) for stream in sent}
        else:
            self._sends.setdefault(key, []).extend(sent)

    def _moment(self, text: str) -> datetime | None:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            return None
        if moment.year not in _PLAUSIBLE:
            self.flags.append(CLOCK_NOT_SET)
            return None
        if moment.tzinfo is None:
            self.flags.append(NO_ZONE)
            return moment.replace(tzinfo=UTC)
        return moment.astimezone(UTC)

    @property
    def named(self) -> bool:
        """Whether the document names a call, or associations of people named before."""
        return bool(self.group or self.session or self.sip_session or self._sends or self._times or self.released)

    def participants(self, *, partial: bool) -> tuple[Participant, ...]:
        """In document order; a partial document may go on about people of whom an earlier one told."""
        if partial:
            for key in (*self._sends, *self._times, *(key for key, _ in sorted(self.released))):
                if key and key not in self.people:
                    self._add(Participant(key))
        return tuple(self._complete(one) for one in self.people.values())

    def _complete(self, one: Participant) -> Participant:
        joined = [at for mark, at in self._times.get(one.id, ()) if mark == "associate-time"]
        left = [at for mark, at in self._times.get(one.id, ()) if mark == "disassociate-time"]
        gone = bool(left) and max(left) >= max(joined, default=max(left))
        return replace(
            one,
            sends=tuple(dict.fromkeys(self._sends.get(one.id, ())))[:_MOST],
            joined_at=min(joined, default=None),
            left_at=max(left) if gone else None,
        )


def _within(element: Element, depth: int = _DEPTH) -> Iterator[Element]:
    yield element
    if depth:
        for child in element:
            yield from _within(child, depth - 1)


def _local(tag: object) -> str:
    return tag.rpartition("}")[2].lower() if isinstance(tag, str) else ""


def _identity(element: Element) -> str:
    """``participant_id``, ``stream_id`` … of the RFC, ``id`` of the drafts as attribute or child element."""
    given = {_plain(_local(name)): value.strip() for name, value in element.attrib.items()}
    own = f"{_plain(_local(element.tag))}id"
    found = given.get(own) or given.get("participantid") or given.get("participant") or given.get("id")
    return found or next((_text(child) for child in element if _plain(_local(child.tag)) in (own, "id")), "")


def _plain(name: str) -> str:
    """``participant_id``, ``participant-id`` and ``participantID`` are one name."""
    return name.replace("_", "").replace("-", "")


def _participant(element: Element, key: str) -> Participant:
    named = next((one for one in _within(element) if _local(one.tag) == "nameid"), None)
    aor = (named.get("aor", "") if named is not None else "") or _text_of(element, "aor") or element.get("aor", "")
    name = _text_of(element, "name") or _text_of(element, "displayname") or element.get("name", "")[:_MAX_VALUE]
    return Participant(key, aor.strip()[: 4 * _MAX_VALUE], user_of(aor)[:_MAX_VALUE], name)


def _sent(element: Element) -> list[str]:
    """Stream ids in ``send`` elements: text of the RFC, ``id`` attributes and nested references of the drafts."""
    found: list[str] = []
    for send in (one for one in _within(element) if _local(one.tag) == "send"):
        found += [text for one in _within(send) if (text := (one.text or "").strip() or _identity(one))]
    return found


def _text(element: Element) -> str:
    return " ".join("".join(element.itertext()).split())


def _text_of(element: Element, name: str) -> str:
    found = next((one for one in _within(element) if _local(one.tag) == name), None)
    return _text(found)[:_MAX_VALUE] if found is not None else ""


def _extensions(root: Element) -> dict[str, str]:
    """Text by local name, and by a ``label`` or ``name`` attribute (vendors' call data); the last of a name wins.

    Only of elements at most one level above the text, where every vendor has it.
    """
    found: dict[str, str] = {}
    for element in _within(root):
        if any(len(child) for child in element):
            continue
        text = _text(element)
        if not text or len(text) > _MAX_VALUE:
            continue
        found[_local(element.tag)] = text
        for attribute in ("label", "name"):
            if key := element.get(attribute, "").strip().lower():
                found[key] = text
    return found
