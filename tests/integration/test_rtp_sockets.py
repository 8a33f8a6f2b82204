"""What the machine grants: receive buffers and open files, asked for in processes that may not have more."""

import ctypes
import resource
import subprocess
import sys

import pytest

from telephony.rtp.sockets import RECEIVE_BUFFER, bind, granted_buffer, kernel_dropped

_PR_CAPBSET_DROP, _CAP_NET_ADMIN = 24, 12
_ASK = """
import logging, sys
from core.settings import PortRange
from telephony.rtp.sockets import check_limits

class Told(logging.Handler):
    def emit(self, record):
        print(record.getMessage(), record.facts)

logging.getLogger().addHandler(Told())
check_limits("127.0.0.1", PortRange(20000, 29999), wanted=int(sys.argv[1]))
import resource
print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


def told(*, files: int = 0, wanted: int = 4096) -> list[str]:
    """What a process says that may open so many files and is no administrator of the network."""

    def restrict() -> None:
        ctypes.CDLL(None).prctl(_PR_CAPBSET_DROP, _CAP_NET_ADMIN)
        if files:
            resource.setrlimit(resource.RLIMIT_NOFILE, (files // 2, files))

    asked = subprocess.run(
        [sys.executable, "-c", _ASK, str(wanted)], preexec_fn=restrict, capture_output=True, text=True, check=True
    )
    return asked.stdout.splitlines()


def test_enough_is_said_nothing_about() -> None:
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < 15_200:
        pytest.skip("this machine does not allow so many files")
    assert len(told()) == 1


def test_the_limit_of_files_is_raised_and_its_lack_is_named() -> None:
    warning, limit = told(files=3200)
    assert limit == "3200"
    assert warning.startswith("too few open files are allowed for all RTP ports")
    assert "'streams': 1000, 'ports_for': 5000" in warning
    assert "LimitNOFILE=" in warning


@pytest.mark.skipif(sys.platform != "linux", reason="sysctl of Linux")
def test_a_smaller_buffer_than_asked_for_names_the_sysctl() -> None:
    warning, _ = told(wanted=1 << 30)
    assert warning.startswith("the kernel grants smaller receive buffers than asked for")
    assert "sysctl -w net.core.rmem_max=1073741824" in warning


def test_a_socket_has_the_buffer_that_is_granted() -> None:
    with bind("127.0.0.1", 0) as sock:
        assert 0 < granted_buffer("127.0.0.1") <= RECEIVE_BUFFER
        assert kernel_dropped(sock) == 0
        with pytest.raises(OSError, match="in use"):
            bind("127.0.0.1", sock.getsockname()[1])
