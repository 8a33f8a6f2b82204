"""Recording metadata (RFC 7865 and the drafts that gateways still send) → participants and streams.

Elements are matched by local name, whatever the namespace.  Draft dialects differ in where an attribute is called
``id`` or ``participant_id``, and in whether ``send`` stands in the participant or in an association beside it; both
are read.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from xml.etree.ElementTree import Element, ParseError

from defusedxml.ElementTree import fromstring

from telephony.sip.header import user_of

MEDIA_TYPES = frozenset(("application/rs-metadata+xml", "application/rs-metadata"))
_DECLARATION = re.compile(r"\A\ufeff?\s*<\?xml[^>]*\?>")
_MAX_VALUE = 120


@dataclass(frozen=True)
class Participant:
    """One person: address of record, its user part as ``number``, the name as told."""

    id: str
    aor: str = ""
    number: str = ""
    name: str = ""
    sends: tuple[str, ...] = ()


@dataclass(frozen=True)
class Metadata:
    """Participants in document order, stream id → label, and whatever extension elements hold (name → text)."""

    participants: tuple[Participant, ...] = ()
    labels: dict[str, str] = field(default_factory=dict)
    extensions: dict[str, str] = field(default_factory=dict)
    partial: bool = False

    def speakers(self, label: str) -> tuple[Participant, ...]:
        """Who sends the stream of a label."""
        streams = {stream for stream, its_label in self.labels.items() if its_label == label}
        return tuple(one for one in self.participants if streams.intersection(one.sends))

    def extension(self, name: str) -> str:
        """The text of an extension element or labelled field, by local name in any case; empty if there is none."""
        return self.extensions.get(name.lower(), "")

    def updated(self, newer: "Metadata") -> "Metadata":
        """After a later document: a partial one (RFC 7865 §6.1.1) changes what it names, a complete one replaces."""
        if not newer.partial:
            return newer
        known = {one.id: one for one in self.participants}
        for one in newer.participants:
            known[one.id] = _updated(known.get(one.id), one)
        return Metadata(tuple(known.values()), {**self.labels, **newer.labels}, {**self.extensions, **newer.extensions})


def _updated(old: Participant | None, new: Participant) -> Participant:
    if old is None:
        return new
    return replace(
        old,
        aor=new.aor or old.aor,
        number=new.number or old.number,
        name=new.name or old.name,
        sends=new.sends or old.sends,
    )


def parse_metadata(body: bytes) -> Metadata:
    """Read a metadata document.  ``ValueError`` when it is not XML, is dangerous XML, or names nothing of a call."""
    root = _read(body)
    sends: dict[str, list[str]] = {}
    people: dict[str, Participant] = {}
    labels: dict[str, str] = {}
    for element in root.iter():
        name, key = _local(element.tag), _identity(element)
        if name == "participant" and key:
            people[key] = _participant(element, key, people.get(key))
        elif name == "stream" and key and (label := _text_of(element, "label") or element.get("label", "")):
            labels[key] = label
        if name in ("participant", "participantstreamassoc", "participantstream"):
            sends.setdefault(key, []).extend(_sent(element))
    if not people and not labels:
        raise ValueError("the recording metadata names neither participant nor stream")
    participants = tuple(replace(one, sends=tuple(dict.fromkeys(sends.get(key, ())))) for key, one in people.items())
    return Metadata(participants, labels, _extensions(root), _text_of(root, "datamode").lower() == "partial")


def _read(body: bytes) -> Element:
    for text in _readings(body):
        try:
            root: Element = fromstring(text)
        except (ParseError, ValueError, LookupError):
            # Not well-formed, forbidden (entities, a DTD), or in an encoding that expat does not know.
            continue
        return root
    raise ValueError("the recording metadata is not well-formed XML")


def _readings(body: bytes) -> Iterator[bytes | str]:
    yield body
    # Chinese gateways send GBK, declared (which expat cannot read) or not.
    for encoding in ("utf-8", "gb18030"):
        try:
            yield _DECLARATION.sub("", body.decode(encoding))
        except UnicodeDecodeError:
            continue


def _local(tag: object) -> str:
    return tag.rpartition("}")[2].lower() if isinstance(tag, str) else ""


def _identity(element: Element) -> str:
    """``participant_id``, ``stream_id`` … of the RFC, ``id`` of the drafts."""
    attributes = {_local(name): value.strip() for name, value in element.attrib.items()}
    own = f"{_local(element.tag)}_id"
    return attributes.get(own) or attributes.get("participant_id") or attributes.get("id") or ""


def _participant(element: Element, key: str, known: Participant | None) -> Participant:
    named = next((one for one in element.iter() if _local(one.tag) == "nameid"), None)
    aor = (named.get("aor", "") if named is not None else "") or _text_of(element, "aor") or element.get("aor", "")
    name = _text_of(element, "name") or _text_of(element, "displayname")
    found = Participant(key, aor.strip(), user_of(aor), name)
    return _updated(known, found)


def _sent(element: Element) -> list[str]:
    """Stream ids in ``send`` elements: text of the RFC, ``id`` attributes and nested references of the drafts."""
    found: list[str] = []
    for send in (one for one in element.iter() if _local(one.tag) == "send"):
        found += [text for one in send.iter() if (text := (one.text or "").strip() or _identity(one))]
    return found


def _text_of(element: Element, name: str) -> str:
    found = next((one for one in element.iter() if _local(one.tag) == name), None)
    return " ".join("".join(found.itertext()).split())[:_MAX_VALUE] if found is not None else ""


def _extensions(root: Element) -> dict[str, str]:
    """Every element's text by local name, and by its ``label`` or ``name`` attribute (vendors' call data); the last
    of a name wins."""
    found: dict[str, str] = {}
    for element in root.iter():
        text = " ".join("".join(element.itertext()).split())
        if not text or len(text) > _MAX_VALUE:
            continue
        found[_local(element.tag)] = text
        for attribute in ("label", "name"):
            if key := element.get(attribute, "").strip().lower():
                found[key] = text
    return found
