"""Callback calls of twenty turns, made from a grammar: what everybody says, and words that hardly anybody says.

The same number gives the same call.  Places and matters follow Zipf's law over thousands of made-up words, as words of
a city do: the commonest are in a tenth of all calls, most in a few.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

TURNS = 20
# Characters that words of places and matters are made of; what they give is no real name.
SYLLABLES = (
    "安宝北长成春大德东方丰福高光桂国海和红华惠佳建江金景静开康兰乐丽利林龙民明南宁平"
    "清荣瑞山胜双泰天万文西祥新兴秀学阳怡永玉园源云泽正中竹庄"
)
THINGS = (
    *(
        "路灯不亮",
        "井盖破损",
        "噪音扰民",
        "垃圾清运",
        "占道经营",
        "暖气不热",
        "水管漏水",
        "电梯故障",
        "违章停车",
        "树枝遮挡",
    ),
    *(
        "道路积水",
        "油烟扰民",
        "物业收费",
        "公交改线",
        "护栏损坏",
        "网络中断",
        "施工扬尘",
        "燃气检修",
        "残疾人证",
        "轮椅坡道",
    ),
)
UNITS = ("街道办事处", "城管委", "住建委", "水务局", "供热公司", "物业公司", "社区居委会", "交通委", "残联", "电力公司")
TIMES = ("昨天", "前天", "上周", "上个月", "今天上午", "周末", "刚才", "第二天", "两三天以后", "节前")
# One tuple for each turn: what is said there.  {p} is a place, {x} a matter of this call alone, the rest plain.
SCRIPT: tuple[tuple[str, ...], ...] = (
    ("您好，这里是一二三四五热线回访，请问是您本人吗？", "您好，我是热线回访员，工号八千，打扰您了。"),
    ("是我，您说。", "对，是我。", "嗯，你好。", "喂，哪位？"),
    ("您{t}反映的{p}{m}的问题，想跟您核实一下办理情况。", "关于{p}{m}的诉求，承办单位是{u}，向您做个回访。"),
    ("好的，没问题。", "行，你问吧。", "嗯，是有这么回事，就在{p}那边。"),
    ("请问{u}的工作人员联系您了吗？", "请问承办单位和您联系过没有？"),
    ("联系了，{t}打的电话。", "联系过，态度挺好的。", "没有人联系我。", "来了一个人，看了看{x}就走了。"),
    ("请问这个问题现在解决了吗？", "那问题目前处理得怎么样了？"),
    ("解决了，{t}就修好了。", "还没有解决，{x}还是老样子。", "部分解决了，还差一点。", "修是修了，可是{m}又犯了。"),
    ("您能具体说说现场的情况吗？", "好的，我记录一下，请您慢慢说。"),
    ("就是{p}路口往东，{x}旁边。", "他们说{t}再来，结果拖到现在。", "现在晚上能看见了，老人出门也放心。"),
    ("明白了，还有没有别的地方有同样的情况？", "嗯嗯，我这边都记下来了。"),
    ("{x}那边也有，你们顺便看看。", "没有了。", "别的地方倒还好。", "听邻居说{q}也这样。"),
    ("请问您对办理结果满意吗？", "您对这次的办理结果和工作态度是否满意？"),
    ("满意，谢谢你们。", "比较满意吧。", "不满意，太慢了。", "非常满意。", "基本满意，希望能保持。"),
    ("感谢您的理解。", "很抱歉给您带来不便，我会如实反馈。"),
    ("嗯。", "好。", "没事没事。", "应该的。"),
    ("您还有什么意见或者建议吗？", "请问您还有其他诉求需要登记吗？"),
    ("没有了。", "建议以后{m}这种事早点派人看看。", "希望{u}能提前通知，别总是{t}才说。", "建议把{x}也一起修了。"),
    ("好的，感谢您对我们工作的支持，再见。", "您的建议已经记录，祝您生活愉快，再见。"),
    ("再见。", "好，再见啊。", "谢谢，再见。"),
)


@dataclass(frozen=True)
class Talk:
    """The calls' words; ``words`` is how many different places there are."""

    words: int = 40_000

    @cached_property
    def places(self) -> list[str]:
        """Two characters, then three, in the order of how often they are said."""
        chosen = random.Random(7)
        pairs = [first + second for first in SYLLABLES for second in SYLLABLES if first != second]
        chosen.shuffle(pairs)
        longer = (pair + chosen.choice(SYLLABLES) for _ in range(self.words) for pair in chosen.choices(pairs))
        return list(dict.fromkeys([*pairs, *longer]))[: self.words]

    @cached_property
    def _weights(self) -> list[float]:
        return list(accumulate(1 / (rank + 5) for rank in range(len(self.places))))

    def call(self, number: int) -> list[str]:
        """The twenty turns of one call."""
        chosen = random.Random(number)
        p, q, x = chosen.choices(self.places, cum_weights=self._weights, k=3)
        said = {
            "p": p,
            "q": q,
            "x": x,
            "m": chosen.choice(THINGS),
            "u": chosen.choice(UNITS),
            "t": chosen.choice(TIMES),
        }
        return [chosen.choice(variants).format_map(said) for variants in SCRIPT]

    def rare(self) -> Iterator[str]:
        """Places that hardly anybody names, without end."""
        chosen = random.Random(11)
        pairs = [place for place in self.places if len(place) == 2]
        while True:
            yield pairs[-1 - chosen.randrange(len(pairs) // 4)]
