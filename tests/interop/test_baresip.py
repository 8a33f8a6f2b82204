"""baresip, another SIP telephone with its own TLS, digest and RTP, calls the recorder: a plain call is recorded too."""

import asyncio
from pathlib import Path

import numpy as np
import pytest
import soundfile

from core.settings import load
from telephony.entrance import Entrance
from telephony.rtp.assemble import assemble
from telephony.sip.accounts import add_account
from telephony.sip.digest import Account
from tests.certificates import Authority
from tests.recording import open_house, tone

_CONFIG = """module_path /usr/lib/baresip/modules
sip_listen 127.0.0.1:0
sip_cafile {authority}
audio_source aufile,{sound}
audio_player aubridge,nobody
module aufile.so
module aubridge.so
module g711.so
module_app account.so
module_app menu.so
"""


def configure(directory: Path, authority: Authority, transport: str) -> Path:
    """baresip's own directory."""
    directory.mkdir()
    sound = tone(directory / "tone.wav", 440, 2.0)
    (directory / "config").write_text(_CONFIG.format(authority=authority.file, sound=sound))
    account = f"<sip:gateway@127.0.0.1;transport={transport}>;auth_user=gateway;auth_pass=geheim;regint=0\n"
    (directory / "accounts").write_text(account)
    (directory / "contacts").write_text("")
    return directory


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
async def test_a_telephone_calls_with_a_password(baresip: str, tmp_path: Path, transport: str) -> None:
    authority = Authority(tmp_path / "ca")
    certificate, key = authority.issue()
    # This version aborts at a challenge of SHA-256, whatever is offered below it.
    add_account(tmp_path / "users", Account.of("gateway", "huiyin", "geheim", ["MD5"]))
    settings = load(
        {
            "HUIYIN_SIP_TLS_BIND": "127.0.0.1:0",
            "HUIYIN_SIP_TLS_CERTIFICATE": str(certificate),
            "HUIYIN_SIP_TLS_KEY": str(key),
            "HUIYIN_SIP_USERS_FILE": str(tmp_path / "users"),
        }
    )
    async with open_house(tmp_path, entrance=Entrance.from_settings(settings)) as house:
        target = house.recorder.tls_address if transport == "tls" else house.address
        directory = configure(tmp_path / "baresip", authority, transport)
        process = await asyncio.create_subprocess_exec(
            *(baresip, "-4", "-f", str(directory), "-t", "20", "-e", f"/dial sip:recorder@{target}"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            # It hangs up when its file is at an end.
            facts, spool = await house.finished()
        finally:
            process.terminate()
            output, _ = await process.communicate()
        assert "Call established" in output.decode(errors="replace")
        assert (facts.end_reason, facts.peer.split(" ")[0]) == ("bye", transport.upper())
        [stream] = facts.streams
        assert stream.received["packets"] >= 95
        assemble(spool, facts, tmp_path / "call.flac")
    samples, rate = soundfile.read(tmp_path / "call.flac", always_2d=True)
    heard = samples.sum(axis=1)
    assert int(np.argmax(np.abs(np.fft.rfft(heard)))) * rate / len(heard) == pytest.approx(440, abs=2)
