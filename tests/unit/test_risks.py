"""What in a citizen's words asks for somebody's attention at once."""

import pytest

from workorders.dialogue import SpokenTurn
from workorders.findings import read_findings
from workorders.orders import RISK


def _risk(*said: str, party: str = "citizen") -> tuple[str, str, str]:
    turns = [SpokenTurn(place, party, place * 1000, place * 1000 + 900, text) for place, text in enumerate(said)]
    found = next(finding for finding in read_findings(turns) if finding.question == RISK)
    return found.answer, found.rule, found.sentence


@pytest.mark.parametrize(
    ("said", "rule"),
    [
        ("再不解决我就去上访。", "petition"),
        ("你们不管，我找记者曝光！", "media"),
        ("我真的不想活了。", "despair"),
        ("逼急了我跟他们同归于尽。", "violence"),
        ("电线都露出来了，要出人命的。", "danger"),
        ("我们整栋楼联名去找。", "crowd"),
        ("那我只能起诉了。", "court"),
        ("再拖下去我继续投诉。", "complaint"),
        ("发到抖音上让大家看看。", "media"),
    ],
)
def test_a_risk_is_found_with_its_sentence(said: str, rule: str) -> None:
    assert _risk("喂，你好。", said) == ("yes", rule, said)


@pytest.mark.parametrize(
    "said",
    [
        "解决了，谢谢。",
        "我不会去上访的。",
        "没有投诉你们的意思。",
        "我不投诉他们了。",
        "也没想过起诉。",
        "路灯修好了，很满意。",
    ],
)
def test_what_is_denied_is_none(said: str) -> None:
    assert _risk(said)[0] == "no"


def test_the_gravest_is_shown() -> None:
    assert _risk("我要投诉到底。", "再这样我就不想活了。")[1] == "despair"


def test_what_the_agent_says_is_none() -> None:
    assert _risk("如果您要上访，请走正常渠道。", party="agent")[0] == "no"
