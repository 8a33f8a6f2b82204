"""The parsers under fire, each as a function of bytes that raises ``ValueError`` or nothing.

A target also does with the result what the recorder does next, so that a value that parses but cannot be used is found
as well.  Imports happen in here, so that a fuzzer can instrument them.
"""

import json
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

Target = Callable[[bytes], None]
_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
_IDENTIFIER = UUID("01890000-0000-7000-8000-000000000000")


def sip(data: bytes) -> None:
    """A datagram: parsed, printed and parsed again; every header that the server looks at is read."""
    from telephony.sip.message import Request, parse
    from tests.fuzz.answering import without_length

    message = parse(data)
    again = parse(bytes(message))
    if (without_length(again), again.body) != (without_length(message), message.body):
        raise AssertionError("a printed message reads differently")
    if isinstance(message, Request):
        message.require_complete()


def sip_stream(data: bytes) -> None:
    """A TCP stream in chunks of two sizes: the same messages come out."""
    from telephony.sip.message import StreamParser

    whole = list(StreamParser().feed(data))
    slow, parser = [], StreamParser()
    for place in range(0, len(data), 7):
        slow += list(parser.feed(data[place : place + 7]))
    if [bytes(one) for one in whole] != [bytes(one) for one in slow]:
        raise AssertionError("the cut of the stream changes its messages")


def server(data: bytes) -> None:
    """A datagram into a recorder, twice; nothing at all may be raised behind the parser."""
    from telephony.sip.dialog import Flow
    from telephony.sip.message import parse
    from tests.fuzz.answering import Answering

    message = parse(data)
    with Answering() as recorder:
        try:
            for now in (0.0, 0.1):
                for one in recorder._server.receive(message, Flow("UDP", "192.0.2.1", 5060), now):
                    parse(one.data)
            recorder._server.fire(40.0)
        except ValueError as error:
            raise AssertionError("the server raised for what a peer sent") from error


def sdp(data: bytes) -> None:
    """A description, the answer to it with keys, and what of it is kept; what parses prints and parses to the same."""
    from telephony.sip.crypto import redacted
    from telephony.sip.sdp import parse_sdp
    from tests.fuzz.answering import answer_all

    redacted(data)
    read = parse_sdp(data)
    answer_all(read)
    again = parse_sdp(bytes(read))
    if [bytes(one.label, "utf-8", "surrogateescape") for one in read.media] != [
        bytes(one.label, "utf-8", "surrogateescape") for one in again.media
    ]:
        raise AssertionError("a printed description reads differently")


def metadata(data: bytes) -> None:
    """A recording metadata document, bound to two streams."""
    from telephony.siprec.binding import bind
    from telephony.siprec.metadata import parse_metadata

    found = parse_metadata(data)
    bind({0: "1", 1: "2"}, found, ())
    found.updated(found)


def multipart(data: bytes) -> None:
    """A body: its first line is the Content-Type."""
    from telephony.sip.message import decode
    from telephony.sip.multipart import read_parts

    content_type, _, body = data.partition(b"\n")
    read_parts(decode(content_type), body)


def rtp(data: bytes) -> None:
    """One RTP packet; what parses prints and parses to the same."""
    from telephony.rtp.packet import RtpPacket

    packet = RtpPacket.parse(data)
    if RtpPacket.parse(bytes(packet)) != packet:
        raise AssertionError("a printed packet reads differently")


def payload(data: bytes) -> None:
    """Payloads of one source: the first octet chooses the codec, the second how long they are.  Nothing is raised."""
    from telephony.rtp.codecs import CODECS

    codec, size = CODECS[data[0] % len(CODECS)] if data else CODECS[0], max(1, data[1] if len(data) > 1 else 1)
    decoder = codec.decoder(8000 if size % 2 else 16000)
    payloads = [data[at : at + size] for at in range(2, len(data), size)]
    try:
        lengths = [len(samples) for samples in decoder.decode(payloads)]
        decoder.gap()
        if lengths != [decoder.samples(one) for one in payloads]:
            raise AssertionError("a payload became more or fewer samples than it said")
    except ValueError as error:
        raise AssertionError("a payload stops the decoder") from error


def keys(data: bytes) -> None:
    """Telephone events, nine octets a packet: timestamp, marker, report.  Nothing is raised."""
    from telephony.rtp.events import Events

    events = Events()
    for at in range(0, len(data), 9):
        packet = data[at : at + 9]
        events.feed(int.from_bytes(packet[:4], "big"), packet[5:], bool(packet[4:5] > b"\x7f"))
    if any(event.duration < 0 for event in events.events()):
        raise AssertionError("a key ends before it begins")


def srtp(data: bytes) -> None:
    """A packet for a protected port; its last octet chooses the suite, and whether keys have identifiers."""
    from telephony.rtp.srtp import SUITES, MasterKey, Protection

    choice = data[-1] if data else 0
    suite, known = list(SUITES.items())[choice % len(SUITES)]
    key = MasterKey(bytes(known.material), b"\x01" if choice & 0x80 else b"")
    protection = Protection(suite, [key], bytes(known.material))
    for undo in (protection.unprotect, protection.unprotect_rtcp):
        try:
            undo(data)
        except ValueError:
            continue


def rtcp(data: bytes) -> None:
    """An RTCP compound with all that is read of it, and the report that answers it."""
    from telephony.rtp.packet import RtcpReceiverReport, RtcpSenderReport, parse_compound, read_cnames, read_goodbye
    from telephony.rtp.reports import Reports

    reports = Reports(1, "fuzz", lambda: 0.5, 0.0)
    reports.heard(data, 1.0)
    reports.look([(0.0, data), (20.0, data[1:])], 2)
    parse_compound(reports.report(5.0))
    for packet in parse_compound(data):
        for read in (RtcpSenderReport.parse, RtcpReceiverReport.parse, read_cnames, read_goodbye):
            try:
                read(packet)
            except ValueError:
                continue


def spool(data: bytes) -> None:
    """A spool file of any content becomes sound, or silence and a flag; assembling raises nothing."""
    from telephony.call import CallFacts, Stream
    from telephony.rtp.assemble import assemble

    agreed = {"0": "PCMU/8000", "8": "PCMA/8000", "9": "G722/8000", "101": "TELEPHONE-EVENT/8000"}
    facts = CallFacts(
        _IDENTIFIER, "fuzz", _EPOCH, ended_at=_EPOCH, streams=(Stream("1", 0, "agent", "1.rtpdump", 0, agreed),)
    )
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        (directory / "1.rtpdump").write_bytes(data)
        try:
            assemble(directory, facts, directory / "audio.flac")
        except ValueError as error:
            raise AssertionError("a broken spool stops the assembly") from error


def facts(data: bytes) -> None:
    """``call.json``; what reads writes the same again."""
    from telephony.call import CallFacts

    found = CallFacts.from_json(json.loads(data))
    if CallFacts.from_json(found.to_json()) != found:
        raise AssertionError("written facts read differently")


TARGETS: dict[str, Target] = {
    target.__name__: target
    for target in (sip, sip_stream, server, sdp, metadata, multipart, rtp, rtcp, srtp, payload, keys, spool, facts)
}


def survives(target: Target, data: bytes) -> None:
    """Run a target; ``ValueError`` is its way to say no."""
    try:
        target(data)
    except ValueError:
        return
