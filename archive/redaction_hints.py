"""What in a text looks like personal data, by rule (pure): numbers, names after which people are called, addresses.

Rules see what is said the usual way and miss the rest (a name without a title, a number read in two breaths, a place
that only its neighbours know): these are suggestions, and a person decides.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from archive.redaction import Pick, Said, occurrences
from core.logging import numbers_in

Kind = Literal["number", "name", "address"]
NUMBER: Literal["number"] = "number"
NAME: Literal["name"] = "name"
ADDRESS: Literal["address"] = "address"
# The hundred commonest family names, and those of two characters.
_ONE = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林罗高郑梁谢宋唐许韩邓冯曹彭曾肖田董潘袁蔡蒋余于杜叶程魏苏吕丁任卢姚沈钟姜崔谭陆范汪廖石金韦"
    "贾夏付方邹熊白孟秦邱侯江尹薛闫段雷龙黎史陶贺毛郝顾龚邵万覃武钱戴严莫孔向常汤欧"
)
_TWO = "欧阳|司马|上官|诸葛|东方|皇甫|尉迟|公孙|慕容|司徒|令狐|夏侯|端木|南宫"
_FAMILY = f"(?:{_TWO}|[{_ONE}])"
_TITLES = "先生|女士|小姐|师傅|老师|同志|阿姨|大爷|大妈|大姐|大哥|主任|书记|经理|医生"
_GIVEN = "[\u4e00-\u9fff]{1,2}"
_END = "(?=[，。、；？！,.;?! ]|$|的|吧|吗|呢|啊|呀)"
_NAMES = (
    re.compile(f"(?:我叫|名叫|名字(?:是|叫)?|姓名(?:是|叫)?|我是|叫做)(?P<it>{_FAMILY}{_GIVEN}?[\u4e00-\u9fff]){_END}"),
    re.compile(f"(?P<it>{_FAMILY}(?:{_GIVEN})?)(?:{_TITLES})"),
    re.compile(f"(?:我姓|免贵姓|姓)(?P<it>{_FAMILY})"),
)
_DIGIT = "[0-9零〇一幺二两三四五六七八九]"
# Seven digits and more, as they are dictated: with pauses between groups.
_DIGITS = re.compile(f"(?P<it>{_DIGIT}(?:[\\s，、,-]?{_DIGIT}){{6,}}[XxＸ]?)")
# Bounded: a text of nothing but digits is read in one go.
_COUNT = "[0-9零一二三四五六七八九十百甲乙丙丁A-Za-z]{1,8}"
_ADDRESSES = (
    re.compile(
        f"(?P<it>{_COUNT}(?:号院|号楼|号门|栋|幢|弄)(?:{_COUNT}(?:号楼|单元|门|层|楼))*(?:{_COUNT}(?:室|号|户)?)?)"
    ),
    re.compile(f"(?P<it>{_COUNT}单元(?:{_COUNT}(?:室|号|户)?)?)"),
    re.compile(f"(?:门牌(?:号)?(?:是|为)?)(?P<it>{_COUNT}号?)"),
    re.compile(
        "(?:(?:^|[，。、；？！])[我您你他她]?家?(?:住在|住|在)?|住在|家在|位于|地址是|地址在|在|是|住|到)"
        f"(?P<it>[\u4e00-\u9fff]{{2,6}}?(?:(?:小区|家园|花园|公寓|胡同|新村|嘉园)+|[路街巷](?={_COUNT}号))(?:{_COUNT}号)?)"
    ),
)


@dataclass(frozen=True)
class Hint:
    """Characters of a turn that may be worth covering, and why."""

    kind: Kind
    pick: Pick


def hints(turns: Sequence[Said], known: Iterable[str] = ()) -> list[Hint]:
    """What the rules find, in the order of the text, each stretch once; ``known`` are names and numbers that belong to
    the call (its parties, its order's caller)."""
    found = [
        Hint(kind, Pick(place, start, end))
        for place, turn in enumerate(turns)
        for kind, start, end in _found(turn.text)
    ]
    for value in known:
        if len(value.strip()) >= 2:
            kind: Kind = NUMBER if any(each.isdigit() for each in value) else NAME
            found += [Hint(kind, pick) for pick in occurrences(turns, value)]
    return _once(found)


def _found(text: str) -> Iterator[tuple[Kind, int, int]]:
    for number in numbers_in(text):
        at = text.find(number)
        while at >= 0:
            yield NUMBER, at, at + len(number)
            at = text.find(number, at + 1)
    rules: tuple[tuple[Kind, tuple[re.Pattern[str], ...]], ...]
    rules = ((NUMBER, (_DIGITS,)), (NAME, _NAMES), (ADDRESS, _ADDRESSES))
    for kind, patterns in rules:
        for pattern in patterns:
            for match in pattern.finditer(text):
                yield kind, match.start("it"), match.end("it")


def _once(found: Iterable[Hint]) -> list[Hint]:
    """In order; what overlaps something longer that begins earlier is joined to it."""
    kept: list[Hint] = []
    for hint in sorted(found, key=lambda each: (each.pick.turn, each.pick.start, -(each.pick.end or 0))):
        last = kept[-1] if kept else None
        if last and last.pick.turn == hint.pick.turn and hint.pick.start < (last.pick.end or 0):
            end = max(last.pick.end or 0, hint.pick.end or 0)
            kept[-1] = Hint(last.kind, Pick(last.pick.turn, last.pick.start, end))
        else:
            kept.append(hint)
    return kept
