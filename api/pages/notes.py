"""What programs note in English (how a call ended, why something was read), in words of the catalogue."""

from collections.abc import Mapping, Sequence

# How a call ended, as the recorder says, and why no recording came of it, as the night says.
CALLS: Mapping[str, str] = {
    "bye": "通话正常结束",
    "session timer": "网关不再更新会话",
    "not acknowledged": "网关没有确认应答",
    "media timeout": "长时间没有声音",
    "shutdown": "录音进程停止",
    "interrupted": "录音进程中断",
    "通话开始已超过24小时，未收到结束信令，也没有录音": "通话开始已超过24小时，未收到结束信令，也没有录音",
    "通话结束已超过1小时，没有录音": "通话结束已超过1小时，没有录音",
}
# What the program itself gives as the purpose of reading.
PURPOSES: Mapping[str, str] = {
    "nightly result": "查看夜间检查结果",
    "certificate of disposal": "查看处置证明",
    "compare versions": "比对文字版本",
    "download": "下载",
    "view": "查看",
    "waveform": "绘制波形",
    "demonstration": "演示",
}


def of_call(note: str) -> Sequence[str]:
    """The phrases of a call's note; what is unknown stays as it was noted."""
    return [CALLS.get(part, part) for part in note.split("；") if part]


def purpose(text: str) -> str:
    """A purpose as people say it; theirs stays as they wrote it."""
    return PURPOSES.get(text, text)
