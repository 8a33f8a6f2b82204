"""What the demo prints: one line for each thing that happens, with the seconds since the start."""

import time

_began = time.monotonic()


def title(text: str) -> None:
    """A heading."""
    print(f"\n━━ {text} ━━", flush=True)


def step(text: str) -> None:
    """Something happened."""
    print(f"[{time.monotonic() - _began:5.1f} s] {text}", flush=True)


def detail(text: str) -> None:
    """A line that belongs to the step above."""
    print(f"          {text}", flush=True)


def check(good: bool, text: str) -> bool:
    """A proof and whether it holds; returns ``good``."""
    print(f"  {'✓' if good else '✗'} {text}", flush=True)
    return good


def result(good: bool, *where: str) -> None:
    """The last words: did all hops happen, and where to look next."""
    title("完成 done" if good else "未通过：见上面的 ✗ not everything held: see the ✗ above")
    for line in where:
        detail(line)
    detail("内置识别模型只认识合成的回访词汇；真实通话请设置 HUIYIN_ASR_MODEL。")
    detail("The embedded speech model knows synthetic callback vocabulary only; set HUIYIN_ASR_MODEL for real calls.")
