"""What verification finds: each fault names the thing, what was expected and what was found."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

MISSING, EXTRA, ALTERED, UNREADABLE = "missing", "extra version", "altered", "unreadable"
UNLOCKED, TOO_SHORT = "unlocked", "lock too short"
NOT_HELD, HELD_ALONE = "not held", "held without a case"
HIDDEN, LEFT_OVER = "hidden by a delete marker", "left over after disposal"
NOT_IN_CATALOGUE, NOT_IN_LEDGER = "not in the catalogue", "not in the ledger"
DISAGREE, SHORTENED = "catalogue and ledger disagree", "kept for less than the ledger says"
OTHERS = "belongs to another recording"
OTHER_AUDIO = "names another audio"
OTHER_FACTS = "the catalogue says something else"
OTHER_TEXT = "the catalogue's text is another"
OTHER_VERSION = "the catalogue shows another version of the text"
OTHER_LIFE, UNDECIDED = "the catalogue tells another life", "disposed of without two decisions"
OTHER_HOLD, OTHER_CASE = "the catalogue tells another hold", "the case is not as it was sealed"
LET_GO_ALONE = "let go without a decision"
OTHER_LINK, UNSEALED_LINK = "the catalogue links to another order", "a link that was never sealed"
OTHER_FINDING, UNTOLD_FINDING = "the answer is another", "an answer that the ledger does not tell of"
UNSPOKEN = "a sentence that was not spoken"
NO_RECORDING = "no such recording"

# Beside ours, what `core.ledger` and `core.note` call theirs.
IN_CHINESE: Mapping[str, str] = {
    MISSING: "缺失",
    EXTRA: "来历不明的版本",
    ALTERED: "内容被改动",
    UNREADABLE: "无法读取",
    UNLOCKED: "没有锁定",
    TOO_SHORT: "锁定期不足",
    NOT_HELD: "没有保全",
    HELD_ALONE: "没有案件却被保全",
    HIDDEN: "被删除标记遮蔽",
    LEFT_OVER: "处置后仍有残留",
    NOT_IN_CATALOGUE: "目录中没有",
    NOT_IN_LEDGER: "台账中没有",
    DISAGREE: "目录与台账不一致",
    SHORTENED: "保存期限比台账所载的短",
    OTHERS: "属于另一条录音",
    OTHER_AUDIO: "所载音频不符",
    OTHER_FACTS: "目录所示与封存不符",
    OTHER_TEXT: "目录所示文字与封存不符",
    OTHER_VERSION: "目录所示文字版本与台账不符",
    OTHER_LIFE: "目录所示存废与台账不符",
    UNDECIDED: "未经两人决定的处置",
    OTHER_HOLD: "目录所示保全与台账不符",
    OTHER_CASE: "保全案件与封存不符",
    LET_GO_ALONE: "未经决定解除保全",
    OTHER_LINK: "目录关联的工单与封存不符",
    UNSEALED_LINK: "从未封存的工单关联",
    OTHER_FINDING: "回访结论与台账不符",
    UNTOLD_FINDING: "台账中没有的回访结论",
    UNSPOKEN: "录音中没有说过的话",
    NO_RECORDING: "没有这条录音",
    "the ledger is shorter than its signed head": "台账比签名树头短",
    "the ledger was rewritten": "台账被改写",
    "another leaf than was sealed": "台账行与封存的不同",
    "a key that is not trusted here": "不受信任的密钥",
    "signed by an unknown key": "由未知密钥签署",
    "the signature does not fit the text": "签名与内容不符",
    "not a signed note": "不是签名文件",
    "not a checkpoint": "不是树头",
    "a ledger row is missing": "台账缺行",
    "a ledger row was altered": "台账行被改动",
    "a ledger row's columns disagree with its leaf": "台账行各栏与原文不符",
    "a ledger row cannot be read": "台账行无法读取",
    "the ledger was cut short": "台账被截短",
    "the ledger's inner hashes do not fit its rows": "台账内部散列与各行不符",
}
# What is expected and found is mostly a hash, a date or a number; these are the words among them.
WORDS: Mapping[str, str] = {
    "a legal hold": "保全",
    "no legal hold": "不保全",
    "an entry": "一行台账",
    "no marker": "没有删除标记",
    "no lock": "没有锁定",
    "a lock": "锁定",
    "none": "没有",
    "nothing": "没有",
    "no row": "没有这一行",
    "no audio": "没有音频",
    "a recording": "一条录音",
    "a signed head": "签名树头",
    "a document of ours": "本系统的文件",
    "nothing, neither in the store nor in the catalogue": "存储与目录中均没有",
    "audio and facts": "音频与元数据",
    "a row of the catalogue only": "只有目录中的一行",
    "the sealed values": "封存的内容",
    "as written": "原样",
    "otherwise": "已变",
    "a sealed link": "封存的关联",
    "a row of the catalogue": "目录中的一行",
    "words of the sealed text": "封存文字中的话",
    "turns": "有文字",
    "others": "别的话",
    "two decisions by two people": "两人各一次决定",
    "a decision in the ledger": "台账中的决定",
}


_FORMS: Mapping[re.Pattern[str], str] = {
    re.compile(form): said
    for form, said in {
        r"(\d+) turns as sealed": r"封存的 \1 句",
        r"turn (\d+) differs": r"第 \1 句不同（从 0 数起）",
        r"(\d+) turns": r"\1 句",
        r"(\d+) rows": r"\1 行",
        r"others in (.+)": r"\1 不同",
        r"another (.+)": r"\1 不同",
        r"held, by case (.+)": r"由案件 \1 保全",
        r"held, by no case": "标为保全而没有案件",
        r"not held, by no case": "没有保全",
        r"not held, by case (.+)": r"在案件 \1 中而没有保全",
        r"version (\w+)": r"版本 \1",
        r"version (\w+), ledger row (\d+)": r"版本 \1（台账第 \2 行）",
        r"ledger row (\d+)": r"台账第 \1 行",
        r"(.+), ledger row (\d+)": r"\1（台账第 \2 行）",
        r"a leaf of SHA-256 (.+)": r"散列为 \1 的一行",
    }.items()
}


@dataclass(frozen=True)
class Fault:
    """One thing that is not as it should be.  ``subject`` is a key of the store, a ledger row or a recording."""

    subject: str
    kind: str
    expected: str
    found: str

    @property
    def what(self) -> str:
        """The thing and what is wrong with it."""
        return f"{self.subject}: {self.kind}"

    @property
    def said(self) -> str:
        """The same for people, in Chinese and in English."""
        kind = f"{IN_CHINESE[self.kind]} {self.kind}" if self.kind in IN_CHINESE else self.kind
        return f"{self.subject}：{kind}；应为 expected {_both(self.expected)}，实为 found {_both(self.found)}"

    def __str__(self) -> str:
        return f"{self.what}: expected {self.expected}, found {self.found}"


def in_both(fault: Fault) -> str:
    """What was expected and found, ``中文 / English``; a kind that is not ours goes by its own name."""
    expected, found = _chinese(fault.expected), _chinese(fault.found)
    chinese = f"{IN_CHINESE.get(fault.kind, fault.kind)}：应为 {expected}，实为 {found}"
    return f"{chinese} / {fault.kind}: expected {fault.expected}, found {fault.found}"


def _both(phrase: str) -> str:
    chinese = _chinese(phrase)
    return phrase if chinese == phrase else f"{chinese} {phrase}"


def _chinese(phrase: str) -> str:
    if phrase in WORDS:
        return WORDS[phrase]
    return next((match.expand(said) for form, said in _FORMS.items() if (match := form.fullmatch(phrase))), phrase)
