"""Protected calls over real sockets: SDES keys, other SRTP implementations, receiver reports, and no key anywhere."""

import asyncio
import base64
import logging
import re
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import av
import pytest
import soundfile

from core.errors import Refused
from telephony.call import CallFacts
from telephony.rtp.codecs import PCMA, Samples
from telephony.rtp.packet import (
    RtcpReceiverReport,
    RtcpSenderReport,
    RtpPacket,
    goodbye,
    ntp_time,
    parse_compound,
    read_cnames,
    source_description,
)
from telephony.rtp.spool import SpoolReader
from telephony.rtp.srtp import SUITES, MasterKey, Protection
from telephony.simulator import place_call
from telephony.sip.crypto import Crypto
from telephony.sip.message import Response
from telephony.sip.sdp import Media, parse_sdp
from telephony.sip.transport import Link
from tests.integration.test_recorder_signalling import MIXED, Gateway, multipart
from tests.recording import House, open_house, tone
from tests.spools import tone as speech
from tests.srtp_model import Sender as ModelSender

HOST = "127.0.0.1"
CM_80, CM_32 = "AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32"
GCM = "AEAD_AES_128_GCM"
SILENCE = b"\xd5" * 160


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path) as opened:
        yield opened


@pytest.fixture
async def gateway(house: House) -> AsyncIterator[Gateway]:
    link = await Link.open(house.address, "UDP")
    yield Gateway(link)
    link.close()


def offer(*lines: str) -> str:
    """SDP of one m-line each: profile, then attributes."""
    head = "v=0\r\no=g 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    for at, line in enumerate(lines):
        profile, *attributes = line.split("\n")
        media = [f"m=audio {40000 + 2 * at} {profile} 8", f"a=label:{at + 1}", *attributes]
        head += "".join(f"{one}\r\n" for one in media)
    return head


def secured(crypto: Crypto, profile: str = "RTP/SAVP", *attributes: str) -> str:
    return "\n".join((profile, f"a=crypto:{crypto.to_sdp()}", *attributes))


def media(response: Response) -> tuple[Media, ...]:
    assert response.status == 200
    return parse_sdp(response.body).media


def rtp(sequence: int, payload: bytes = SILENCE) -> bytes:
    return bytes(RtpPacket(8, sequence & 0xFFFF, 160 * sequence & 0xFFFF_FFFF, 7, payload))


def model(crypto: Crypto) -> ModelSender:
    return ModelSender(crypto.suite, crypto.keys[0].material, crypto.keys[0].mki)


def send(port: int, *packets: bytes) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for packet in packets:
            sock.sendto(packet, (HOST, port))


def spooled(directory: Path, label: str = "1") -> tuple[list[bytes], list[bytes]]:
    """RTP and RTCP as kept."""
    kept: tuple[list[bytes], list[bytes]] = ([], [])
    for block in SpoolReader(directory / f"{label}.rtpdump").blocks():
        for start, size, rtcp in zip(block.starts, block.sizes, block.rtcp, strict=True):
            kept[rtcp].append(block.data[start : start + size])
    return kept


async def hang_up(house: House, gateway: Gateway) -> tuple[CallFacts, Path]:
    assert (await gateway.ask("BYE")).status == 200
    return await house.finished()


@pytest.mark.parametrize("suite", SUITES)
async def test_a_protected_call_is_kept_in_the_clear(house: House, tmp_path: Path, suite: str) -> None:
    agent, citizen = tone(tmp_path / "a.wav", 440, 0.6), tone(tmp_path / "c.wav", 880, 0.4)
    await place_call(
        house.address, agent, citizen, agent_number="8001", citizen_number="13800000001", srtp=suite, speed=10, seed=3
    )
    facts, directory = await house.finished()
    assert [stream.protection for stream in facts.streams] == [suite, suite]
    assert facts.flags == ()
    for stream, file in zip(facts.streams, (agent, citizen), strict=True):
        samples, _ = soundfile.read(file, dtype="int16")
        packets, reports = spooled(directory, stream.label)
        assert b"".join(RtpPacket.parse(packet).payload for packet in packets) == PCMA.encode(samples).tobytes()
        assert [packet.packet_type for packet in parse_compound(reports[-1])] == [200, 202, 203]
        counts = stream.received
        assert (counts["unauthentic_packets"], counts["replayed_packets"]) == (0, 0)
        assert counts["rtcp_goodbyes"] == 1


@pytest.mark.parametrize("suite", [CM_80, CM_32])
async def test_ffmpeg_as_the_sender(house: House, gateway: Gateway, suite: str) -> None:
    key = Crypto.fresh(suite)
    (line,) = media(await gateway.call(body=offer(secured(key))))
    samples = speech(1000)
    await asyncio.to_thread(_ffmpeg, line.port, key, samples)
    facts, directory = await hang_up(house, gateway)
    packets, reports = spooled(directory)
    payload = b"".join(RtpPacket.parse(packet).payload for packet in packets)
    assert payload == PCMA.encode(samples).tobytes()
    assert RtcpSenderReport.parse(parse_compound(reports[0])[0]).ssrc == RtpPacket.parse(packets[0]).ssrc
    assert facts.streams[0].received["unauthentic_packets"] == 0


def _ffmpeg(port: int, key: Crypto, samples: Samples) -> None:
    # The muxer "tee" hands options on to the protocol, which PyAV itself does not.
    material = base64.b64encode(key.keys[0].material).decode()
    # Under the suite's SDES name FFmpeg shortens the tags of SRTCP as well, against RFC 4568 §6.2; not under this one.
    suite = key.suite.replace("AES_CM_128", "SRTP_AES128_CM")
    target = f"[f=rtp:srtp_out_suite={suite}:srtp_out_params={material}]srtp://{HOST}:{port}"
    with av.open(target, "w", format="tee") as output:
        stream = output.add_stream("pcm_alaw", rate=8000)
        assert isinstance(stream, av.AudioStream)
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = 8000
        for packet in (*stream.encode(frame), *stream.encode(None)):
            output.mux(packet)


async def test_one_line_in_the_clear_and_one_protected(house: House, gateway: Gateway) -> None:
    key = Crypto.fresh(GCM)
    first, second = media(await gateway.call(body=offer("RTP/AVP", secured(key, "RTP/SAVPF"))))
    assert (first.profile, first.cryptos, second.profile) == ("RTP/AVP", (), "RTP/SAVPF")
    send(first.port, *map(rtp, range(5)))
    send(second.port, *(model(key).protect(rtp(sequence)) for sequence in range(10)))
    facts, directory = await hang_up(house, gateway)
    assert [stream.protection for stream in facts.streams] == ["", GCM]
    assert spooled(directory, "1")[0] == [rtp(sequence) for sequence in range(5)]
    assert spooled(directory, "2")[0] == [rtp(sequence) for sequence in range(10)]


async def test_an_open_profile_with_a_key_is_protected(house: House, gateway: Gateway) -> None:
    key = Crypto(7, CM_80, (MasterKey(bytes(range(30)), b"\0\0\0\1"),))
    weak = Crypto.fresh(CM_32)
    body = offer(f"RTP/AVP\na=crypto:{weak.to_sdp()}\na=crypto:{key.to_sdp()}")
    (line,) = media(await gateway.call(body=body))
    assert (line.profile, [one.tag for one in line.cryptos]) == ("RTP/AVP", [7])
    send(line.port, model(key).protect(rtp(1)))
    _, directory = await hang_up(house, gateway)
    assert spooled(directory)[0] == [rtp(1)]


async def test_an_open_profile_whose_key_the_gateway_ignores(house: House, gateway: Gateway) -> None:
    """A call that can be recorded is; once a packet was authentic, nothing in the clear is taken any more."""
    key = Crypto.fresh(CM_80)
    (line,) = media(await gateway.call(body=offer(secured(key, "RTP/AVP"))))
    send(line.port, rtp(1), rtp(2))
    send(line.port + 1, goodbye(7))
    house.capture.drain()
    send(line.port, model(key).protect(rtp(3)), rtp(4))
    facts, directory = await hang_up(house, gateway)
    assert spooled(directory) == ([rtp(1), rtp(2), rtp(3)], [goodbye(7)])
    counts = facts.streams[0].received
    assert (counts["packets"], counts["clear_packets"], counts["unauthentic_packets"]) == (3, 2, 1)


async def test_what_is_not_authentic_is_counted_and_not_kept(house: House, gateway: Gateway) -> None:
    key = Crypto.fresh(CM_80)
    (line,) = media(await gateway.call(body=offer(secured(key))))
    sound = model(key).protect(rtp(1))
    send(line.port, sound, sound, rtp(2), model(Crypto.fresh(CM_80)).protect(rtp(3)), sound[:-1] + b"?", b"\x80")
    send(line.port + 1, goodbye(7), model(key).protect_rtcp(goodbye(7), 1))
    facts, directory = await hang_up(house, gateway)
    assert spooled(directory) == ([rtp(1)], [goodbye(7)])
    counts = facts.streams[0].received
    assert (counts["packets"], counts["rtcp_packets"], counts["rtcp_goodbyes"]) == (1, 1, 1)
    # The damaged one has a number that came before.
    assert (counts["replayed_packets"], counts["unauthentic_packets"]) == (2, 4)


async def test_a_new_key_a_moved_port_and_a_refresh(house: House, gateway: Gateway) -> None:
    first, second = Crypto.fresh(CM_80), Crypto.fresh(GCM)
    (line,) = media(await gateway.call(body=offer(secured(first))))
    send(line.port, model(first).protect(rtp(65534)), model(first).protect(rtp(65535)))
    # A refresh with the same key: ours stays, and so does the packet index.
    (refreshed,) = media(await gateway.call(body=offer(secured(first))))
    assert (refreshed.port, refreshed.cryptos) == (line.port, line.cryptos)
    send(line.port, model(first).protect(rtp(65536), 1))
    (held,) = media(
        await gateway.call(body=offer(secured(first)).replace("IN IP4 127.0.0.1\r\nt=", "IN IP4 0.0.0.0\r\nt="))
    )
    assert held.cryptos == line.cryptos
    (changed,) = media(await gateway.call(body=offer(secured(second))))
    assert changed.port == line.port
    assert changed.cryptos[0].keys != line.cryptos[0].keys
    # One was on its way with the former key, the counter of the new one goes on.
    send(line.port, model(first).protect(rtp(65537), 1), model(second).protect(rtp(65538), 1))
    moved = offer(secured(second)).replace("m=audio 40000", "m=audio 41000")
    (again,) = media(await gateway.call(body=moved))
    assert again.cryptos[0].keys != changed.cryptos[0].keys
    # The same sender goes on, or another begins.
    send(line.port, model(second).protect(rtp(65539), 1), model(second).protect(rtp(1), 0))
    (opened,) = media(await gateway.call(body=offer("RTP/AVP")))
    assert (opened.port, opened.cryptos) == (line.port, ())
    send(line.port, rtp(65540))
    facts, directory = await hang_up(house, gateway)
    expected = [65534, 65535, 65536, 65537, 65538, 65539, 1, 65540]
    assert spooled(directory)[0] == [rtp(sequence) for sequence in expected]
    assert facts.streams[0].received["unauthentic_packets"] == 0


async def test_a_pause_longer_than_the_numbers_last(house: House, gateway: Gateway) -> None:
    key = Crypto.fresh(CM_80)
    (line,) = media(await gateway.call(body=offer(secured(key))))
    send(line.port, model(key).protect(rtp(1)))
    house.capture.pause(line.port)
    # Eleven minutes and more go by between two of these.
    for sequence in range(30_000, 200_000, 30_000):
        send(line.port, model(key).protect(rtp(sequence), sequence >> 16))
    house.capture.resume(line.port)
    send(line.port, model(key).protect(rtp(200_000), 200_000 >> 16))
    facts, directory = await hang_up(house, gateway)
    assert spooled(directory)[0] == [rtp(1), rtp(200_000)]
    counts = facts.streams[0].received
    assert (counts["paused_packets"], counts["unauthentic_packets"]) == (6, 0)


async def test_our_own_offer_in_the_middle_of_a_call(house: House, gateway: Gateway) -> None:
    first, second = Crypto.fresh(CM_80, 4), Crypto.fresh(CM_80, 4)
    held = offer(secured(first, "RTP/SAVP", "a=rtcp-mux", "a=inactive"), "RTP/AVP", "x")
    line, open_line, refused = media(await gateway.call(body=held))
    gateway.number += 1
    gateway.send("INVITE")
    response = await gateway.hear()
    assert isinstance(response, Response)
    ours, open_ours, refused_ours = media(response)
    # The same places, payload types and suite; a key of ours that was never used; the hold may end.
    assert (ours.port, ours.profile, ours.label, ours.mux, ours.direction) == (
        line.port,
        "RTP/SAVP",
        "1",
        True,
        "recvonly",
    )
    assert (open_ours.port, open_ours.cryptos, open_ours.label) == (open_line.port, (), "2")
    assert (refused.port, refused_ours.port, refused_ours.profile) == (0, 0, "x")
    (key,) = ours.cryptos
    assert (key.tag, key.suite) == (4, CM_80)
    assert key.keys != line.cryptos[0].keys
    # The answer has a new key and no label.
    answer = offer(secured(second, "RTP/SAVP", "a=rtcp-mux"), "RTP/AVP", "x")
    gateway.send("ACK", body="".join(f"{one}\r\n" for one in answer.splitlines() if "label" not in one))
    await gateway.ask("OPTIONS")
    send(line.port, model(second).protect(rtp(1)), model(first).protect(rtp(2)))
    send(open_line.port, rtp(3))
    facts, directory = await hang_up(house, gateway)
    assert (spooled(directory, "1")[0], spooled(directory, "2")[0]) == ([rtp(1), rtp(2)], [rtp(3)])
    assert [(one.label, one.protection) for one in facts.streams] == [("1", CM_80), ("2", "")]


async def test_what_is_authenticated_and_not_encrypted(house: House, gateway: Gateway) -> None:
    key = Crypto.fresh(CM_80)
    bare = Crypto(key.tag, key.suite, key.keys, ("UNENCRYPTED_SRTP", "UNENCRYPTED_SRTCP"))
    (line,) = media(await gateway.call(body=offer(secured(bare, "RTP/SAVP", "a=rtcp-mux"))))
    assert line.cryptos[0].parameters == bare.parameters
    sender = ModelSender(key.suite, key.keys[0].material, b"", True, True)
    send(line.port, sender.protect(rtp(1)), rtp(2), sender.protect_rtcp(goodbye(7), 1), goodbye(8) + bytes(14))
    facts, directory = await hang_up(house, gateway)
    assert spooled(directory) == ([rtp(1)], [goodbye(7)])
    assert facts.streams[0].received["unauthentic_packets"] == 2


@pytest.mark.parametrize(
    "line",
    [
        "RTP/SAVP",
        f"RTP/SAVP\na=crypto:1 {CM_80} inline:short",
        f"RTP/SAVP\na=crypto:1 AES_192_CM_HMAC_SHA1_80 inline:{'A' * 51}",
        "UDP/TLS/RTP/SAVPF\na=fingerprint:sha-256 AB:CD\na=setup:actpass",
    ],
)
async def test_a_line_without_a_usable_key_is_refused_alone(house: House, gateway: Gateway, line: str) -> None:
    assert (await gateway.call(body=offer(line))).status == 488
    gateway.number, gateway.to_tag, gateway.call_id = 10, "", "another@gw"
    refused, taken = media(await gateway.call(body=offer(line, "RTP/AVP")))
    assert (refused.port, refused.label, taken.port > 0) == (0, "1", True)
    facts, _ = await hang_up(house, gateway)
    assert "audio line 1 refused: no usable key" in facts.flags


async def test_the_simulator_asks_for_a_suite_that_there_is(house: House, tmp_path: Path) -> None:
    voice = tone(tmp_path / "v.wav", 440, 0.1)
    with pytest.raises(Refused, match="no such SRTP suite"):
        await place_call(
            house.address, voice, voice, agent_number="8001", citizen_number="13800000001", srtp="AES_CM_1"
        )


async def test_keys_are_nowhere(
    house: House, gateway: Gateway, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    keys = [Crypto.fresh(CM_80) for _ in range(4)]
    texts = [base64.b64encode(key.keys[0].material).decode() for key in keys]
    metadata = f'<recording xmlns="urn:ietf:params:xml:ns:recording:1"><x>a=crypto:{keys[0].to_sdp()}</x></recording>'
    body = offer(secured(keys[0], "RTP/SAVP", f"k=base64:{texts[1]}", f"a=crypto:broken {texts[2]}"))
    parts = multipart(
        ("application/sdp", body), ("application/rs-metadata+xml", metadata), ("text/plain", f"inline:{texts[3]}")
    )
    (line,) = media(await gateway.ask("INVITE", body=parts, kind=MIXED))
    send(line.port, model(keys[0]).protect(rtp(1)), b"\x80" * 40)
    await gateway.call(body=offer(secured(keys[1])))
    # Bodies that cannot be followed must not be quoted either.
    await gateway.ask("UPDATE", body=f"v=9\r\na=crypto:{keys[2].to_sdp()}\r\n")
    await gateway.ask("UPDATE", body=multipart(("application/sdp", offer(secured(keys[3])))), kind="multipart/mixed")
    encoded = base64.b64encode(offer(secured(keys[2])).encode()).decode()
    head = "--b\r\nContent-Type: application/sdp\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    # Its last boundary is missing, so that the body counts as damaged.
    await gateway.ask("UPDATE", body=f"{head}{encoded}\r\n--c\r\n", kind="multipart/mixed; boundary=x")
    assert media(await gateway.ask("UPDATE", body=f"{head}{encoded}\r\n--b--", kind=MIXED))[0].cryptos
    facts, directory = await hang_up(house, gateway)
    assert "a=crypto:1" in (directory / "signalling" / "001.sdp").read_text()
    logged = caplog.text + repr([record.__dict__ for record in caplog.records]) + "".join(capfd.readouterr())
    found = {path: path.read_bytes() for path in house.spool.rglob("*") if path.is_file()}
    assert len(found) >= 4
    materials = [*keys, *line.cryptos]
    for key in materials:
        material = key.keys[0].material
        text = base64.b64encode(material)
        # Encoded once more, it shows in one of three shapes.
        twice = (base64.b64encode(bytes(shift) + text)[4:36] for shift in range(3))
        for form in (material, text, *twice, material.hex().encode(), repr(material).encode()):
            assert [path for path, content in found.items() if form in content] == []
            assert form.decode("latin-1") not in logged
            assert form.decode("latin-1") not in repr(facts)


async def _reports(sock: socket.socket, protection: Protection | None = None) -> tuple[RtcpReceiverReport, str]:
    data = await asyncio.wait_for(asyncio.get_running_loop().sock_recv(sock, 2048), 240)
    compound = parse_compound(protection.unprotect_rtcp(data) if protection else data)
    report = RtcpReceiverReport.parse(compound[0])
    (cname,) = read_cnames(compound[1]).values()
    assert list(read_cnames(compound[1])) == [report.ssrc]
    return report, cname


@pytest.mark.parametrize("mux", [False, True])
@pytest.mark.parametrize("suite", ["", CM_80])
async def test_receiver_reports(house: House, gateway: Gateway, mux: bool, suite: str) -> None:
    key = Crypto.fresh(suite) if suite else None
    attributes = ("a=rtcp-mux",) if mux else ("a=rtcp:40001 IN IP4 127.0.0.1",)
    line = secured(key, "RTP/SAVP", *attributes) if key else "\n".join(("RTP/AVP", *attributes))
    (answered,) = media(await gateway.call(body=offer(line)))
    assert answered.mux is mux
    ours = Protection(suite, answered.cryptos[0].keys, key.keys[0].material) if key else None
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sound, socket.socket(type=socket.SOCK_DGRAM) as control:
        for sock in (sound, control):
            sock.setblocking(False)
            sock.bind((HOST, 0))
        # Nine of ten: one is missing, before the numbers wrap.
        for sequence in (65531, 65532, 65533, 65535, 65536, 65537, 65538, 65539, 65540):
            sound.sendto(ours.protect(rtp(sequence)) if ours else rtp(sequence), (HOST, answered.port))
        report = RtcpSenderReport(7, ntp_time(1_772_415_000.25), 160, 9, 1440)
        compound = bytes(report) + source_description(7, "gw@gateway.invalid") + goodbye(8)
        used, port = (sound, answered.port) if mux else (control, answered.port + 1)
        used.sendto(ours.protect_rtcp(compound) if ours else compound, (HOST, port))
        told, cname = await _reports(used, ours)
    (block,) = told.blocks
    assert (block.ssrc, block.lost, block.fraction, block.highest) == (7, 1, 25, 65540)
    assert block.last_report == report.ntp >> 16 & 0xFFFF_FFFF
    # Between half a second and as long as it takes; in 1/65,536 s.
    assert 0x8000 < block.delay < 20 << 16
    assert told.ssrc != 7
    assert "@" not in cname
    facts, directory = await hang_up(house, gateway)
    assert spooled(directory)[1] == [compound]
    counts = facts.streams[0].received
    assert counts["receiver_reports"] >= 1
    assert (counts["rtcp_goodbyes"], counts["rtcp_packets"], counts["packets"]) == (1, 1, 9)


async def test_on_a_multiplexed_port_reports_need_no_rtcp_to_answer(house: House, gateway: Gateway) -> None:
    (answered,) = media(await gateway.call(body=offer("RTP/AVP\na=rtcp-mux")))
    with socket.socket(type=socket.SOCK_DGRAM) as sound:
        sound.setblocking(False)
        sound.bind((HOST, 0))
        for sequence in (1, 2, 4):
            sound.sendto(rtp(sequence), (HOST, answered.port))
        told, _ = await _reports(sound)
    assert [(block.lost, block.last_report, block.delay) for block in told.blocks] == [(1, 0, 0)]


def test_the_page_names_tests_that_there_are() -> None:
    page = (Path(__file__).parents[2] / "docs" / "gateways.md").read_text(encoding="utf-8")
    section = page.partition("## Protected media")[2].partition("\n## ")[0]
    named = set(re.findall(r"`(test_\w+)`", section))
    assert len(named) >= 9
    assert named <= set(globals())
    assert all(suite.removesuffix("_32").removesuffix("_80") in section for suite in SUITES if "CM_256" not in suite)
