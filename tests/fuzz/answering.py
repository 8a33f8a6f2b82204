"""A recorder without sockets: real signalling, real calls on disk, ports that receive nothing."""

import itertools
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from core.settings import Address
from telephony.call import CallFacts
from telephony.recorder import Recorder
from telephony.sip.answer import answer
from telephony.sip.crypto import agree
from telephony.sip.message import Headers, Message, canonical
from telephony.sip.sdp import Description


class Ports:
    """Gives numbers out; the media never comes."""

    def __init__(self) -> None:
        self._numbers = itertools.count(20000, 2)

    def open(self, file: Path, **_: object) -> int:
        return next(self._numbers)

    def close(self, port: int) -> Mapping[str, object]:
        return {}

    def quiet_seconds(self, port: int) -> float:
        return 0.0

    def protect(self, port: int, protection: object) -> None:
        """Nothing to decrypt."""

    def pause(self, port: int) -> None:
        """Nothing to hold back."""

    def resume(self, port: int) -> None:
        """Nothing to let go on."""


class Observer:
    """Sees calls and keeps nothing."""

    def started(self, facts: CallFacts) -> None:
        CallFacts.from_json(facts.to_json())

    def finished(self, facts: CallFacts, directory: Path) -> None:
        CallFacts.from_json(facts.to_json())


class Answering:
    """One recorder in a directory that is removed behind it."""

    def __enter__(self) -> Recorder:
        self._directory = Path(tempfile.mkdtemp(prefix="fuzz-"))
        return Recorder(
            bind=Address("127.0.0.1", 5060),
            media_host="127.0.0.1",
            spool_dir=self._directory,
            capture=Ports(),
            observer=Observer(),
            agent_numbers=(re.compile(r"^\d{3,6}$"),),
        )

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._directory)


def answer_all(offer: Description) -> None:
    """Answer every m-line that can be recorded, with a key where one was offered."""
    ports = {index: 20000 + 2 * index for index, media in enumerate(offer.media) if media.recordable()}
    agreed = {index: agree(offer.media[index].cryptos, offer.media[index].place) for index in ports}
    answer(offer, ports, "127.0.0.1", session_id=1, version=1, agreed=agreed)


def without_length(message: Message) -> Headers:
    """The headers but for Content-Length, which printing counts anew."""
    return tuple(pair for pair in message.headers if canonical(pair[0]) != "content-length")
