"""How calls end when their signalling fails, with and without sound."""

from itertools import count
from pathlib import Path

import pytest

from core.clock import utc_now
from telephony.call import CallFacts
from telephony.calls import Calls
from telephony.sip.dialog import Flow
from telephony.sip.message import Message, Request, Response, parse
from telephony.sip.server import Server
from tests.fuzz.answering import Ports
from tests.torture.vector import SDP, request

FLOW = Flow("UDP", "192.0.2.1", 5060)


class Sound(Ports):
    """Ports that heard something so many seconds ago."""

    def __init__(self, quiet: float) -> None:
        super().__init__()
        self.quiet = quiet

    def quiet_seconds(self, port: int) -> float:
        return self.quiet


class Line:
    """Calls, the server before them, and a gateway that says what the test says."""

    def __init__(self, directory: Path, quiet: float) -> None:
        self.ended: list[CallFacts] = []
        self.calls = Calls(
            spool_dir=directory,
            ports=Sound(quiet),
            media_host=lambda flow: "192.0.2.9",
            started=lambda facts: None,
            closed=lambda facts, place: self.ended.append(facts),
            agent_numbers=(),
            work_order_header="X-Work-Order",
            room=lambda: "",
            clock=utc_now,
        )
        tags = count()
        self.server = Server(self.calls, contact=lambda flow: "192.0.2.9:5060", new_tag=lambda: f"ours{next(tags)}")

    def send(self, data: bytes, now: float = 0.0) -> list[Message]:
        return [parse(one.data) for one in self.server.receive(parse(data), FLOW, now)]

    def until(self, now: float) -> list[str]:
        """The methods of what we asked meanwhile, repetitions left out."""
        methods = list[str]()
        while (deadline := self.server.deadline()) is not None and deadline <= now:
            messages = [parse(one.data) for one in self.server.fire(deadline)]
            methods += [message.method for message in messages if isinstance(message, Request)]
        return list(dict.fromkeys(methods))


@pytest.fixture(params=[0.5, 1000.0], ids=["sounding", "silent"])
def line(request: pytest.FixtureRequest, tmp_path: Path) -> Line:
    return Line(tmp_path, request.param)


def sounds(line: Line) -> bool:
    return line.calls.quiet_seconds(line.calls.dialogs[0]) < 1


def invite(line: Line, extra: str) -> None:
    (response,) = line.send(request("INVITE", name="i", body=SDP, extra=extra))
    assert isinstance(response, Response)
    assert response.status == 200
    line.send(request("ACK", name="a", To=response.get("To"), Call_ID=response.call_id, From=response.get("From")))


def test_a_call_without_an_ack_ends_unless_it_sounds(line: Line) -> None:
    line.send(request("INVITE", name="i", body=SDP))
    kept = sounds(line)
    asked = line.until(32.0)
    assert (asked, [facts.end_reason for facts in line.ended]) == (
        ([], []) if kept else (["BYE"], ["not acknowledged"])
    )
    if kept:
        assert "not acknowledged" in line.calls.recordings[0].facts.flags


@pytest.mark.parametrize("refresher", ["uac", "uas"])
def test_a_session_that_nobody_refreshes_ends_unless_it_sounds(line: Line, refresher: str) -> None:
    invite(line, f"Supported: timer\nSession-Expires: 90;refresher={refresher}\nAllow: UPDATE")
    kept = sounds(line)
    asked = [method for method in line.until(200.0) if method != "UPDATE"]
    assert (asked, [facts.end_reason for facts in line.ended]) == (([], []) if kept else (["BYE"], ["session timer"]))
    if kept:
        assert "session timer expired" in line.calls.recordings[0].facts.flags
        assert not line.server.session_lives(line.calls.dialogs[0])


def test_what_is_flagged_is_kept(tmp_path: Path) -> None:
    line = Line(tmp_path, 1000.0)
    invite(line, "Supported: timer\nSession-Expires: 90;refresher=uac")
    line.until(200.0)
    (facts,) = line.ended
    assert (facts.state, "session timer expired" in facts.flags) == ("closed", True)
    assert line.server.remembered == 0


def test_an_ended_call_leaves_nothing_behind(tmp_path: Path) -> None:
    line = Line(tmp_path, 0.0)
    (response,) = line.send(request("INVITE", name="i", Content_Length="0"))
    to, caller = response.get("To"), response.get("From")
    line.send(request("BYE", name="b", To=to, From=caller, Call_ID=response.call_id, CSeq="9 BYE"))
    assert ([facts.end_reason for facts in line.ended], line.calls.recordings, line.calls.dialogs) == (["bye"], (), ())
    assert [len(table) for table in (line.calls._heard, line.calls._offering, line.calls._tied)] == [0, 0, 0]
