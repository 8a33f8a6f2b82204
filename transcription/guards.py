"""Against text that nobody spoke.  Pure; everything taken out is kept as ``Dropped`` with its reason.

Whisper invents on silence, ringback tone and music, and can fall into loops.  Voice activity detection comes first and
removes most of the occasion; here follows what the engine's own scores and the text itself give away.  Low confidence
alone is no reason: it is shown to the reader, not hidden.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from transcription.engine import Dropped, Word

NO_SPEECH = "no speech"
REPETITION = "repetition"
OUTSIDE = "outside detected speech"
TOO_FAST = "more text than the time can hold"
IMPROBABLE = "improbable"
PHANTOM = "known phantom sentence"
PROMPT = "the engine's prompt"

SENTENCE_ENDS = "。！？!?…"
_PUNCTUATION = re.compile(r"[\W_]+")

# What Whisper is known to write over silence and music in Chinese (subtitle credits and channel advertising in its
# training data).  None of it is ever said in a callback as a whole sentence.
PHANTOM_PARTS = (
    "请不吝点赞", "点赞订阅转发", "打赏支持明镜", "明镜与点点", "字幕由amara", "amaraorg", "字幕by索兰娅",
    "中文字幕志愿者", "中文字幕提供", "字幕志愿者", "优优独播剧场", "yoyotelevisionseries", "独播剧场", "订阅我的频道",
    "订阅我们的频道", "记得订阅", "点赞关注", "下期视频再见", "下个视频再见", "本期视频", "本集完", "字幕组",
    "字幕制作", "词曲李宗盛", "作词作曲",
)  # fmt: skip
PHANTOM_SENTENCES = frozenset(
    (
        "感谢观看",
        "谢谢观看",
        "谢谢大家观看",
        "感谢您的观看",
        "谢谢收看",
        "感谢收看",
        "谢谢大家收看",
        "未完待续",
        "字幕",
        "完",
    )
)


@dataclass(frozen=True)
class Thresholds:
    """Limits of the guards.  Log probabilities are per token, natural logarithm."""

    no_speech_probability: float = 0.6
    log_probability: float = -1.0
    lowest_log_probability: float = -2.0
    compression_ratio: float = 2.4
    # Mandarin is spoken at 4 to 8 characters a second.
    characters_per_second: float = 15.0
    fewest_characters_to_judge: int = 8


@dataclass(frozen=True)
class Heard:
    """What the engine wrote for one window of one party's speech, times in seconds of the recording.

    ``speech`` is how many seconds of speech the window held; ``outside`` are words that the engine put behind its end.
    """

    party: str
    start: float
    end: float
    speech: float
    words: tuple[Word, ...]
    scores: Mapping[str, float] = field(default_factory=dict)
    outside: tuple[Word, ...] = ()

    @property
    def text(self) -> str:
        return "".join(word.text for word in self.words).strip()


def guard(
    heard: Iterable[Heard], thresholds: Thresholds, prompt: str = ""
) -> tuple[tuple[Heard, ...], tuple[Dropped, ...]]:
    """Keep what was spoken; the rest comes back with reasons, in the order of its time."""
    checks = (_outside, _loops, _scores(thresholds), _phantoms(prompt))
    kept: list[Heard] = []
    dropped: list[Dropped] = []
    for piece in heard:
        for check in checks:
            piece, out = check(piece)
            dropped += out
        if piece.text:
            kept.append(piece)
    return tuple(kept), tuple(sorted(dropped, key=lambda item: (item.start, item.party)))


Verdict = tuple[Heard, list[Dropped]]
"""What remains of a window, and what was taken out of it."""


def bare(text: str) -> str:
    """Only letters and digits, lower case: the form in which sentences are compared."""
    return _PUNCTUATION.sub("", text).lower()


def find_loop(text: str) -> tuple[int, int] | None:
    """Where a text repeats itself as nobody speaks: from the second occurrence to the end of the loop.

    One character ten times, two or three six times (「是的是的是的」 is said), longer units four times.
    """
    for pattern in (r"(.)\1{9,}", r"(.{2,3}?)\1{5,}", r"(.{4,40}?)\1{3,}"):
        found = re.search(pattern, text, re.DOTALL)
        if found and bare(found[1]):
            return found.start() + len(found[1]), found.end()
    return None


def reason_to_drop(heard: Heard, thresholds: Thresholds) -> str:
    """Why a whole window cannot be speech by the engine's scores and the clock, or an empty text."""
    probability = heard.scores.get("avg_logprob", 0.0)
    if (
        heard.scores.get("no_speech_prob", 0.0) > thresholds.no_speech_probability
        and probability < thresholds.log_probability
    ):
        return NO_SPEECH
    if heard.scores.get("compression_ratio", 1.0) > thresholds.compression_ratio and not heard.scores.get("loop_cut"):
        return REPETITION
    count = len(bare(heard.text))
    if count > max(thresholds.fewest_characters_to_judge, heard.speech * thresholds.characters_per_second):
        return TOO_FAST
    if probability < thresholds.lowest_log_probability:
        return IMPROBABLE
    return ""


def phantom(sentence: str, prompt: str = "") -> str:
    """Why a sentence is known to be the engine's own, or an empty text.  Compared without punctuation."""
    plain = bare(sentence)
    if plain in PHANTOM_SENTENCES or any(part in plain for part in PHANTOM_PARTS):
        return PHANTOM
    if len(plain) >= 6 and plain in (bare(part) for part in sentences_of_text(prompt)):
        return PROMPT
    return ""


def sentences_of_text(text: str) -> list[str]:
    """Text cut after each sentence end."""
    return [part for part in re.split(rf"(?<=[{SENTENCE_ENDS}])", text) if part]


def sentences(words: Sequence[Word]) -> list[tuple[Word, ...]]:
    """Words grouped into sentences by their punctuation."""
    groups: list[list[Word]] = [[]]
    for word in words:
        groups[-1].append(word)
        if word.text.strip().endswith(tuple(SENTENCE_ENDS)):
            groups.append([])
    return [tuple(group) for group in groups if group]


def _drop(heard: Heard, words: Sequence[Word], reason: str) -> list[Dropped]:
    text = "".join(word.text for word in words).strip()
    return [Dropped(heard.party, words[0].start, words[-1].end, text, reason)] if text else []


def _outside(heard: Heard) -> Verdict:
    return replace(heard, outside=()), _drop(heard, heard.outside, OUTSIDE)


def _loops(heard: Heard) -> Verdict:
    """Keep the first of the repeated units: something was said, though surely not that often."""
    found = find_loop("".join(word.text for word in heard.words))
    if found is None:
        return heard, []
    kept: list[Word] = []
    out: list[Word] = []
    position = 0
    for word in heard.words:
        inside = position >= found[0] and position + len(word.text) <= found[1]
        (out if inside else kept).append(word)
        position += len(word.text)
    if not out:
        return heard, []
    rest = replace(heard, words=tuple(kept), scores={**heard.scores, "loop_cut": 1.0})
    again, more = _loops(rest)
    return again, _drop(heard, out, REPETITION) + more


def _scores(thresholds: Thresholds) -> Callable[[Heard], Verdict]:
    def check(heard: Heard) -> Verdict:
        reason = reason_to_drop(heard, thresholds)
        return (replace(heard, words=()), _drop(heard, heard.words, reason)) if reason else (heard, [])

    return check


def _phantoms(prompt: str) -> Callable[[Heard], Verdict]:
    def check(heard: Heard) -> Verdict:
        kept: list[Word] = []
        out: list[Dropped] = []
        for sentence in sentences(heard.words):
            reason = phantom("".join(word.text for word in sentence), prompt)
            if reason:
                out += _drop(heard, sentence, reason)
            else:
                kept += sentence
        return replace(heard, words=tuple(kept)), out

    return check
