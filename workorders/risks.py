"""What in a citizen's words asks for somebody's attention at once: danger, despair, and announcements of escalation.

A rule that finds too much costs a glance, one that finds too little may cost more; so only plain denials (不投诉,
没有上访) and other people's doing are taken out.  A person decides, as about every finding.
"""

import re
from collections.abc import Sequence
from datetime import date

from sqlalchemy.ext.asyncio import AsyncSession

from core.dictionaries import RISKS as RISK_WORDS
from core.dictionaries import words_on
from workorders.dialogue import Clause

# In the order of what is gravest: the first that is found is the one that is shown.
RISKS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("despair", re.compile(r"不想活|活不下去|活不了了|没法活|自杀|跳楼|喝农药|寻短见|死给你们看")),
    ("violence", re.compile(r"同归于尽|拼命|打死|砍死|砍人|杀人|弄死|放火|烧了你们|砸了你们|动刀|报复")),
    (
        "danger",
        re.compile(
            r"(?:要|会|快|得|闹)出人命|煤气泄漏|燃气泄漏|漏煤气|漏燃气|漏电|触电|着火|起火|爆炸"
            r"|(?:要|快|会)(?:塌|倒塌)|塌了|坍塌|掉下来.{0,4}砸"
        ),
    ),
    ("crowd", re.compile(r"联名|集体(?:上访|去|找|抗议|投诉)|拉横幅|堵(?:路|门|大门)|聚众|静坐|游行|一起去闹")),
    (
        "petition",
        re.compile(
            r"上访|信访(?!办|局|部门|件|科|中心|单)|去(?:北京|省里|市里|中央|区里)(?:告|反映|找)|越级|找(?:市长|书记|纪委)|纪委"
        ),
    ),
    ("media", re.compile(r"找(?:媒体|记者|电视台)|曝光|发(?:到)?(?:抖音|网上|微博|快手|朋友圈)|上(?:新闻|电视)")),
    ("court", re.compile(r"起诉|打官司|法院(?:见|告|起)|[到去上]法院|[找请]律师|告你们|告他们")),
    ("complaint", re.compile(r"投诉(?:你们|他们|到底|你)|举报|一直投诉|接着投诉|继续投诉|还要投诉|再投诉")),
)
# The rule's name where a word of the team's dictionary was heard.
OWN = "own word"
_DENIED = re.compile(
    r"(?:不|没|没有|不会|不用|不想|不要|不打算|没想|不至于|从没|从来没)(?:再|去|要|有|过|想|是|到)*(?:去|说)?$"
)


async def risk_words(session: AsyncSession, day: date) -> list[str]:
    """The words that a team asks to be told of, as they were on a local day."""
    return [word.value for word in await words_on(session, RISK_WORDS, day)]


def find_risk(clauses: Sequence[Clause], words: Sequence[str] = ()) -> tuple[str, Clause] | None:
    """The gravest risk that a citizen's clauses name, and the first clause that does; ``None`` for none.  ``words``
    are a team's own, behind all others."""
    own = ((OWN, re.compile("|".join(map(re.escape, words)))),) if words else ()
    for name, pattern in (*RISKS, *own):
        for clause in clauses:
            found = pattern.search(clause.text)
            if found and not _DENIED.search(clause.text[: found.start()]):
                return name, clause
    return None
