"""Sentences quoted in a report say what was heard, never who said it."""

import re
from collections.abc import Iterable

# Seven or more digits in a row, also as a speech engine writes them: 幺三八〇…
_NUMBER = re.compile(r"[0-9０-９〇零一二两三四五六七八九幺](?:[ -]?[0-9０-９〇零一二两三四五六七八九幺]){6,}")
# 张先生, 李女士: a common surname before a form of address.
_SURNAMES = (
    "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎余潘杜戴夏钟"
    "汪田任姜范方石姚谭廖邹熊金陆郝孔白崔康毛邱秦江史顾侯邵孟龙万段雷钱汤尹黎易常武乔贺赖龚文"
)
_ADDRESSED = re.compile(f"[{_SURNAMES}](?=(?:先生|女士|大爷|大妈|阿姨))")


def mask(sentence: str, names: Iterable[str] = ()) -> str:
    """The sentence without long numbers, without the given names and without surnames before a form of address."""
    for name in names:
        if len(name.strip()) >= 2:
            sentence = sentence.replace(name.strip(), "某某")
    return _ADDRESSED.sub("某", _NUMBER.sub("（号码略）", sentence))
