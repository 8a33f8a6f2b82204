"""Outcomes read from dialogue: tables of phrasings, whole calls, and everything that the sentence grammar can say."""

import json
from pathlib import Path
from random import Random

import pytest

from tests.unit.callback_phrases import QUESTIONS, SAID
from tools.sample_model.grammar import expand
from workorders.findings import NewFinding, SpokenTurn, read_findings
from workorders.orders import ANSWERS, CONNECTED, CONTACTED, RISK, SATISFIED, SOLVED, SUGGESTION

SAMPLE_CALLS = Path(__file__).parents[2] / "service" / "sample_calls"
PARTIES = {"问": "agent", "答": "citizen", "某": "unknown"}

CASES = [
    (question, answer, said)
    for question, answers in SAID.items()
    for answer, all_said in answers.items()
    for said in all_said.split()
]


def call(*lines: str) -> list[SpokenTurn]:
    """Turns a second apart; the first character of a line tells who speaks."""
    return [
        SpokenTurn(place, PARTIES[line[0]], place * 1000, place * 1000 + 900, line[1:])
        for place, line in enumerate(lines)
    ]


def read(*lines: str) -> dict[str, NewFinding]:
    return {finding.question: finding for finding in read_findings(call(*lines))}


def answers(*lines: str) -> dict[str, str]:
    return {question: finding.answer for question, finding in read(*lines).items()}


@pytest.mark.parametrize(("question", "answer", "said"), CASES)
@pytest.mark.parametrize("ending", ["", "。"])
def test_answer_after_its_question(question: str, answer: str, said: str, ending: str) -> None:
    found = read("问您好，这里是热线回访。", "答喂，你好。", f"问{QUESTIONS[question]}", f"答{said}{ending}")[question]
    assert found.answer == answer
    assert found.ordinal in ((3,) if answer not in ("unclear", "no") else (3, -1))


@pytest.mark.parametrize(
    ("ask", "reply", "question", "allowed"),
    [
        ("ask_contacted", "contacted", CONTACTED, {"yes"}),
        ("ask_contacted", "not_contacted", CONTACTED, {"no"}),
        ("ask_solved", "solved", SOLVED, {"yes"}),
        ("ask_solved", "not_solved", SOLVED, {"no", "partly"}),
        ("ask_satisfied", "satisfied", SATISFIED, {"satisfied"}),
        ("ask_satisfied", "mostly_satisfied", SATISFIED, {"fairly"}),
        ("ask_satisfied", "dissatisfied", SATISFIED, {"dissatisfied"}),
        ("ask_suggestion", "no_suggestion", SUGGESTION, {"no"}),
        ("ask_suggestion", "suggestion", SUGGESTION, {"yes"}),
    ],
)
def test_every_sentence_of_the_grammar(ask: str, reply: str, question: str, allowed: set[str]) -> None:
    """A thousand questions and replies of the grammar that also speaks the sample calls."""
    rng = Random(20261101)
    for _ in range(1000):
        asked, said = expand(ask, rng), expand(reply, rng)
        found = read(f"问{expand('greeting', rng)}", "答是的。", f"问{asked}", f"答{said}")[question]
        assert found.answer in allowed, (asked, said, found)
        assert found.ordinal == 3, (asked, said, found)


def test_whole_generated_callbacks() -> None:
    """Five questions in one call do not disturb each other."""
    rng = Random(12345)
    replies = {
        CONTACTED: {"contacted": "yes", "not_contacted": "no"},
        SOLVED: {"solved": "yes"},
        SATISFIED: {"satisfied": "satisfied", "mostly_satisfied": "fairly", "dissatisfied": "dissatisfied"},
        SUGGESTION: {"no_suggestion": "no", "suggestion": "yes"},
    }
    for _ in range(300):
        lines, expected = [f"问{expand('greeting', rng)}", "答是的。", f"问{expand('purpose', rng)}", "答对。"], {}
        for question, choices in replies.items():
            rule, expected[question] = rng.choice(list(choices.items()))
            lines += [f"问{expand('ask_' + question, rng)}", f"答{expand(rule, rng)}"]
        lines += [f"问{expand('closing', rng)}", "答再见。"]
        assert answers(*lines) == {CONNECTED: "yes", **expected, RISK: "no"}, lines


EXPECTED_OF_SAMPLES = {
    "solved": ("yes", "yes", "yes", "satisfied", "no", "no"),
    "unsolved": ("yes", "no", "no", "dissatisfied", "yes", "no"),
    "suggestion": ("yes", "yes", "yes", "fairly", "yes", "no"),
    "unanswered": ("no", "unclear", "unclear", "unclear", "no", "no"),
    "no_number": ("yes", "yes", "yes", "satisfied", "no", "no"),
}


@pytest.mark.parametrize("name", EXPECTED_OF_SAMPLES)
def test_sample_calls(name: str) -> None:
    truth = json.loads((SAMPLE_CALLS / name / "truth.json").read_text(encoding="utf-8"))
    turns = [
        SpokenTurn(place, turn["party"], round(turn["start"] * 1000), round(turn["end"] * 1000), turn["text"])
        for place, turn in enumerate(truth["turns"])
    ]
    assert tuple(finding.answer for finding in read_findings(turns)) == EXPECTED_OF_SAMPLES[name]


def test_findings_point_at_what_supports_them() -> None:
    found = read(
        "问请问社区联系您了吗？",
        "答联系了。昨天来的。",
        "问还有什么意见建议吗？",
        "答我姓王。我建议多装路灯。希望早点办。",
    )
    assert (found[CONTACTED].ordinal, found[CONTACTED].start_ms, found[CONTACTED].sentence) == (1, 1000, "联系了。")
    assert (found[SUGGESTION].ordinal, found[SUGGESTION].start_ms) == (3, 3000)
    assert found[SUGGESTION].sentence == "我建议多装路灯。希望早点办。"
    assert found[SOLVED] == NewFinding(SOLVED, "unclear", -1, 0, "", "nothing said")


def test_each_question_is_answered_once_in_order_whatever_the_order_of_turns() -> None:
    turns = call("问请问问题解决了吗？", "答解决了。", "问满意吗？", "答不满意。")
    assert [finding.question for finding in read_findings(turns)] == list(ANSWERS)
    assert read_findings(turns[::-1]) == read_findings(turns)
    assert all(finding.answer in ANSWERS[finding.question] for finding in read_findings([]))


@pytest.mark.parametrize(
    ("said", "connected"),
    [
        (("问喂，您好？", "问听得见吗？"), "no"),
        (("问喂？", "答您拨打的用户暂时无法接通，请稍后再拨。"), "no"),
        (("问喂？", "答您好，我是机主的智能助理，请问有什么可以转达？"), "no"),
        (("问喂？", "答  "), "no"),
        (("问喂？", "答打错了。"), "yes"),
        (("答喂。",), "yes"),
    ],
)
def test_connected_means_that_the_citizen_spoke(said: tuple[str, ...], connected: str) -> None:
    assert answers(*said)[CONNECTED] == connected


def test_an_announcement_is_no_answer() -> None:
    found = answers(
        "问请问问题解决了吗？", "答您拨打的电话已关机。", "问请问问题解决了吗？", "答没有留言，请在提示声后留言。"
    )
    unclear = dict.fromkeys((CONTACTED, SOLVED, SATISFIED), "unclear")
    assert found == {CONNECTED: "no", **unclear, SUGGESTION: "no", RISK: "no"}


@pytest.mark.parametrize(
    ("question", "answer", "lines"),
    [
        # the agent asks for confirmation
        (SOLVED, "no", ("问问题解决了吗？", "答唉，别提了。", "问那就是还没有解决，是吗？", "答对。")),
        (SATISFIED, "dissatisfied", ("问那您对结果是不满意是吧？", "答是的。")),
        (SOLVED, "no", ("问问题已经解决了，对吗？", "答不对，没解决。")),
        (SOLVED, "unclear", ("问问题已经解决了，对吗？", "答不对。")),
        # asked again, or corrected later
        (SATISFIED, "fairly", ("问您对处理结果满意吗？", "答嗯？", "问您对处理结果满意吗？", "答哦，基本满意吧。")),
        (SOLVED, "no", ("问问题解决了吗？", "答解决了。", "问那到底解决没有呢？", "答其实没有解决。")),
        # a nod first, the answer after it
        (SOLVED, "no", ("问请问问题解决了吗？", "答嗯。", "答没有解决，还是老样子。")),
        # a nod to something else that the agent said
        (SOLVED, "unclear", ("问问题解决了吗？", "答说来话长。", "问您慢慢说。", "答嗯。")),
        # a nod to a choice
        (SATISFIED, "unclear", ("问您是满意，基本满意，还是不满意？", "答嗯。")),
        # two questions in one breath
        (SOLVED, "no", ("问社区联系您了吗，问题解决了吗？", "答没有。")),
        (CONTACTED, "unclear", ("问社区联系您了吗，问题解决了吗？", "答没有。")),
        (CONTACTED, "yes", ("问社区联系您了吗，问题解决了吗？", "答联系了，但是没解决。")),
        (SOLVED, "no", ("问社区联系您了吗，问题解决了吗？", "答联系了，但是没解决。")),
        (SOLVED, "yes", ("问请问社区联系您以后问题解决了吗？", "答有。")),
        # the manner beside the result
        (SATISFIED, "dissatisfied", ("问您对处理结果满意吗？", "答不满意。", "问对服务态度满意吗？", "答满意。")),
        (SATISFIED, "satisfied", ("问您对工作人员的服务态度满意吗？", "答态度挺好，满意。")),
        # said without being asked
        (CONTACTED, "no", ("问这里是热线回访。", "答从来没有人联系过我，问题根本没解决，我非常不满意。")),
        (SOLVED, "no", ("问这里是热线回访。", "答从来没有人联系过我，问题根本没解决，我非常不满意。")),
        (SATISFIED, "dissatisfied", ("问这里是热线回访。", "答从来没有人联系过我，问题根本没解决，我非常不满意。")),
        (SUGGESTION, "yes", ("问问题解决了吗？", "答没有，我要求尽快处理。", "问好的，再见。", "答再见。")),
        (CONTACTED, "yes", ("问问题解决了吗？", "答没有。他们来看了一次，后来就没人管了。")),
        # what only sounds like one of the questions
        (CONTACTED, "unclear", ("问那我们下午再给您打电话，可以吗？", "答可以。")),
        (CONTACTED, "unclear", ("问您的联系电话是一三八，对吗？", "答对。")),
        (SATISFIED, "unclear", ("问您有什么不满意的地方吗？", "答没有。")),
        (CONTACTED, "unclear", ("问这里是热线回访。", "答我在开车，下午再联系。")),
        # claims of others, wishes and conditions
        (SOLVED, "unclear", ("问问题解决了吗？", "答物业说已经解决了。")),
        (SOLVED, "no", ("问问题解决了吗？", "答物业说已经解决了，其实没有解决。")),
        (SATISFIED, "unclear", ("问您对结果满意吗？", "答你们要是给我解决了，我就满意。")),
        (CONTACTED, "unclear", ("问社区联系您了吗？", "答希望他们早点联系我。")),
        # slips of the recogniser
        (SATISFIED, "unclear", ("问您对结果满意吗？", "答满意，城管局的态度太差了。")),
        (SATISFIED, "fairly", ("问您对结果满意吗？", "答基停满意，就是有点慢。")),
        (CONTACTED, "no", ("问社区联系您了吗？", "答没态人联系我，从上个月等到现在。")),
        (SOLVED, "no", ("问问题解决了吗？", "答还没有较决。")),
        (SUGGESTION, "yes", ("问还有什么意见建议吗？", "答我议每个月公布一次进度。")),
        # hostile
        (SATISFIED, "dissatisfied", ("问您对结果满意吗？", "答满意？你说呢？我满意什么呀？")),
        (SOLVED, "no", ("问请问问题解决了吗？", "答你还问我解决了没有？解决什么了？")),
        (CONTACTED, "no", ("问请问社区跟您联系了吗？", "答联系？谁联系过我？")),
    ],
)
def test_conversations(question: str, answer: str, lines: tuple[str, ...]) -> None:
    assert answers(*lines)[question] == answer


def test_a_mono_recording_is_told_apart_by_what_is_said() -> None:
    found = answers(
        "某您好，这里是热线回访。",
        "某你好。",
        "某请问社区跟您联系了吗？",
        "某联系了。",
        "某请问问题解决了吗？",
        "某没有。",
    )
    assert (found[CONNECTED], found[CONTACTED], found[SOLVED]) == ("yes", "yes", "no")
