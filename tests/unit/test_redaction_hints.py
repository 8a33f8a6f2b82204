"""What rules take for personal data, and the characters of the shown text that stand for it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.masking import mask_text
from api.models_redaction import PickBody
from api.redacting import carried, picks_of, suggestion
from archive.redaction import Pick
from archive.redaction_hints import hints
from core.errors import Refused
from tests.unit.test_redaction import turn


def found(text: str, *known: str) -> list[tuple[str, str]]:
    return [(hint.kind, text[hint.pick.start : hint.pick.end]) for hint in hints([turn(text)], known)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("我叫赵测试，电话是13800000321。", [("name", "赵测试"), ("number", "13800000321")]),
        ("您好，请问是张先生吗？", [("name", "张")]),
        ("陈小明女士反映", [("name", "陈小明")]),
        ("免贵姓欧阳", [("name", "欧阳")]),
        ("号码是一三八零零零零零三二一。", [("number", "一三八零零零零零三二一")]),
        ("号码是138 0000 0321", [("number", "138 0000 0321")]),
        ("身份证号110101199001011234", [("number", "110101199001011234")]),
        ("我住在幸福家园小区3号楼2单元501室", [("address", "幸福家园小区3号楼2单元501室")]),
        ("门牌号是十二号", [("address", "十二号")]),
        ("我在南大街12号", [("address", "南大街12号")]),
        ("这里是一二三四五热线回访，请问您反映的路灯不亮的问题解决了吗？", []),
        ("好的，谢谢，三天后再来", []),
        ("", []),
    ],
)
def test_the_usual_ways_of_saying_are_found(text: str, expected: list[tuple[str, str]]) -> None:
    assert found(text) == expected


def test_names_and_numbers_of_the_call_are_found_without_any_context() -> None:
    assert found("小测试说路灯坏了", "小测试", "", " ", "测") == [("name", "小测试")]
    assert found("分机12345", "12345") == [("number", "12345")]


def test_overlapping_finds_are_one() -> None:
    assert found("我叫赵测试", "测试路") == [("name", "赵测试")]
    assert found("电话13800000321", "13800000321") == [("number", "13800000321")]


def test_a_suggestion_comes_back_as_what_it_stood_for() -> None:
    for text in ("电话+8613800000321，我叫赵测试。", "我叫赵测试，身份证110101199001011234"):
        turns = [turn("好"), turn(text)]
        for hint in hints(turns):
            shown = suggestion(turns, hint)
            assert mask_text(text)[shown.start : shown.end] == shown.words
            body = PickBody(turn=shown.turn, start=shown.start, end=shown.end)
            assert picks_of(turns, [body], []) == [hint.pick]


def test_part_of_a_number_is_the_number() -> None:
    turns = [turn("电话13800000321吧")]
    assert picks_of(turns, [PickBody(turn=0, start=3, end=6)], []) == [Pick(0, 2, 13)]
    assert picks_of(turns, [PickBody(turn=0, start=7, end=8)], []) == [Pick(0, 2, 13)]
    assert picks_of(turns, [], ["0321"]) == [Pick(0, 2, 13)]


def test_what_is_not_there_is_refused_without_saying_it() -> None:
    turns = [turn("我叫赵测试")]
    with pytest.raises(Refused) as refused:
        picks_of(turns, [], ["赵测试", "钱测试"])
    assert refused.value.facts == {"phrase": 2}
    assert "钱测试" not in str(refused.value)
    with pytest.raises(Refused):
        picks_of(turns, [PickBody(turn=0, start=2, end=9)], [])


@given(old=st.text(max_size=40), new=st.text(max_size=40), data=st.data())
def test_carried_characters_are_inside_the_other_text(old: str, new: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(old)))
    end = data.draw(st.integers(start, len(old)))
    first, last = carried(old, new, start, end)
    assert 0 <= first <= last <= len(new)
    assert carried(old, old, start, end) == (start, end)
