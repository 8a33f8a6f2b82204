"""What people say in callbacks, as data: patterns that recognise a question, and patterns that read an answer.

Every pattern is searched within one clause (text between punctuation marks), so none needs to stop at a comma.
Readings of one question are tried from top to bottom and the first that is found decides the clause: the order is
part of the meaning (不满意 contains 满意, 没解决 contains 解决).  Alternatives such as 吗|嘛|么|马 are characters
that a speech recogniser confuses.
"""

import re
from dataclasses import dataclass

from workorders.orders import CONTACTED, SATISFIED, SOLVED, SUGGESTION

# Answers that end the search of a reply without telling anything: the citizen said that they do not know.
UNCLEAR = "unclear"


@dataclass(frozen=True)
class Asking:
    """How an agent asks one question.  ``side`` marks a question beside the main one (the manner instead of the
    result): its answer counts only where the main question got none."""

    question: str
    pattern: re.Pattern[str]
    side: bool = False


@dataclass(frozen=True)
class Reading:
    """An answer that a clause gives.  ``asked`` readings (有, 没有, 还行 …) mean something only after the question;
    ``real`` ones do not count behind a wish, a condition or another's claim (希望尽快解决, 他们说解决了); ``weak``
    ones (嗯, 修了) give way to any other reading of the same reply."""

    answer: str
    rule: str
    pattern: re.Pattern[str]
    asked: bool = False
    real: bool = False
    weak: bool = False


def _asking(question: str, pattern: str, side: bool = False) -> Asking:
    return Asking(question, re.compile(pattern), side)


def _read(
    answer: str, rule: str, *patterns: str, asked: bool = False, real: bool = False, weak: bool = False
) -> Reading:
    return Reading(answer, rule, re.compile("|".join(patterns)), asked, real, weak)


_ASKS = "(?:吗|嘛|么|马|没有|没)"
_CONTACT = (
    "(?:联系|联络|打过?电话|打了电话|打来电话|来电话|上门|到家里|去您家|去你家|到您家|找过?您|沟通|对接|答复|回复|过来)"
)
_DONE = "(?:解决|处理好|处理完|办好|办完|办成|修好|落实|改善|整改|恢复)"

ASKING: tuple[Asking, ...] = (
    _asking(SATISFIED, r"态度.*满意|服务.*满意", side=True),
    _asking(
        SATISFIED,
        rf"(?<!不)满意(?!的地方).{{0,4}}{_ASKS}|满意不满意|满不满意|是否满意|满意还是|还是不满意|满意度|评价一下|打(?:几|多少)分",
    ),
    _asking(CONTACTED, rf"{_CONTACT}.{{0,8}}{_ASKS}|(?:有没有|是否|有无).{{0,14}}{_CONTACT}|谁.{{0,4}}联系.?您"),
    _asking(SOLVED, rf"{_DONE}.{{0,5}}{_ASKS}|(?:有没有|是否|有无).{{0,10}}{_DONE}|解决没解决"),
    _asking(SOLVED, r"(?:情况|问题|现在|事|进展).{0,4}(?:怎么样|怎样|如何)了?$"),
    _asking(
        SUGGESTION, r"(?:有什么|有啥|还有|有没有|什么|别的|其他|其它|哪些|提).{0,8}(?:意见|建议|想法|诉求|要求|补充)"
    ),
)

# An agent who says one of these after a statement asks for its confirmation: 没有解决，是吗？
CONFIRMING = re.compile(r"^(?:是|对|没错|是这样)(?:吗|嘛|么|马|吧|不对|不是)$|(?:是吗|是吧|对吗|对吧|是不是|对不对)$")
# Questions that offer their answers by name: 嗯 to one of these says nothing.
CHOICE = re.compile(r"还是")

# What the recogniser writes for words that everything hangs on.
SOUNDALIKES = {
    **dict.fromkeys(("满议", "满一", "满易", "满亿", "慢意", "漫意"), "满意"),
    **dict.fromkeys(("解绝", "解觉", "借决", "解诀"), "解决"),
    **dict.fromkeys(("连系", "联细", "联戏"), "联系"),
    **dict.fromkeys(("建意", "建一", "健议"), "建议"),
}

# Words before an answer that carry nothing.
FILLERS = re.compile(
    r"^(?:嗯+|啊+|哦+|噢|唉|哎呀?|喂|诶|呃+|额|那个|这个|怎么说呢|说实话|反正|其实|我觉得吧?|我看|就是说|呵呵|哈哈)+"
)
# Questions that a citizen repeats while thinking (解决没解决啊，我想想), and asides; they hold no answer.
REPEATED = re.compile(
    r"(?:满意不满意|满不满意|解决没解决|解决了?没有?解决|联系没联系|有没有联系|有没有解决|是不是|有没有|^(?:解决|联系|满意)了?(?:吗|嘛)|(?:解决|联系|满意)了?没有?$)"
)
HAVE = re.compile(r"^(?:有的?|有啊|有呀|有过|当然)(?:了|呢|啊|吧|呀|哦)?$")
NOD = re.compile(r"^(?:是+的?|对+的?|对呀|对啊|是呀|是啊|是这样的?|没错|嗯+|恩|确实|好的?)(?:了|呢|啊|吧|呀|哦)?$")
NO = re.compile(
    r"^(?:没|没有|没有没有|没呢|还没|还没有|都没有|真没有|也没有|并没有|从来没有|从没有|一直没有|目前没有|暂时没有|到现在没有|不是|没有吧|未)"
    r"(?:了|呢|啊|吧|呀|哦|的)?$"
)

# In a clause, before a hopeful word: the thing has not happened, or somebody else says that it has.
UNREAL = re.compile(
    r"(?<![主重])要是|如果|假如|假设|只要|除非|倘若|希望|盼|尽快|赶紧|赶快|抓紧|早日|早点|快点|能不能|能否|可不可以|请你们|请您|麻烦你"
    r"|要求|应该|什么时候|何时|等.{0,8}(?:再|才)|建议|答应|保证|承诺|争取|(?<!我)说|[跟给和对向]我说|告诉我|准备|打算|让我等"
    r"|等(?!了|过).{0,6}$|了(?:我|我们)?(?:就|才|再)(?:能|会|算|是)?$"
)
# A condition carries over to the clauses that follow it in the sentence: 要是解决了，我就满意。
CONDITION = re.compile(r"(?<![主重])要是|如果|假如|只要|除非|倘若|^等.{0,10}(?:了|好|以后|之后)$")
# The citizen went to the unit, not the unit to the citizen: 是我给他们打的电话。
SELF = re.compile(
    r"(?<![跟和给与同向找对为])我们?(?:自己|主动|又|还|先|就|都|一直|天天|每天|昨天|今天)*(?:给|跟|找|和|向|打|联系|去找|催)(?!我)"
)
# Names what satisfaction is asked about, where a reply is satisfied with one thing and not with another.
MATTER = re.compile(r"结果|处理|办理|解决")
# Behind one of these the speaker takes back what was said before.
TURNING = re.compile(r"^(?:但是?|可是?|不过|只不过|然而|结果|后来|就是|只是|可惜|问题是|其实)|又")
# Said without being asked, a clause counts only when it names what it speaks of.
TOPIC = {
    CONTACTED: re.compile(r"联系|电话|上门|沟通|没人[管来理]|没有人[管来理]|来[过了看修查]"),
    SOLVED: re.compile(r"解决|处理|[办修弄]好|老样子|没人管|没有人管|又坏|问题"),
    SATISFIED: re.compile(r"满意"),
    SUGGESTION: re.compile(r""),
}

_NEG_CONTACT = r"(?:没|没有|未|不曾|从未|没见|没接到?|没收到)"
_WORK = "(?:解决|处理|办|修|弄|搞|装|安装|换|整改|清理|落实|改|维修|恢复|拆|更换|清走|运走|疏通|报销|协调)"
_SLOW = (
    "(?:还没|还未|还没有|还是没|还是没有|一直没|一直没有|都没|都没有|也没|也没有|根本没|压根没|没|没有|未|未能|没能)"
)

READINGS: dict[str, tuple[Reading, ...]] = {
    CONTACTED: (
        _read(UNCLEAR, "does not know", r"不(?:知道|清楚|记得)|记不(?:清|得|住)|忘了|想不起来|没印象|没注意"),
        _read(
            "yes",
            "denies not being contacted",
            r"不是没(?:有)?(?:人)?联系|没少(?:联系|打|来)",
        ),
        _read(
            "no",
            "nobody came or called",
            r"(?:没|没有|无)(?:任何|什么|一个)?(?:人|谁|单位|部门)(?:来|管|理|联系|找|给|跟|和|打|搭理|过问|问|上门|通知|答复|回复|因为|接|到)",
            rf"(?<!谁说)(?<!我){_NEG_CONTACT}(?:跟|给|和|同|与|向|来|主动|及时|再|怎么)*(?:我|我们|家里)?(?:联系|联络|打|来|上门|沟通|对接|回复|答复|回电|通知|找|见|露面|动静|消息|音信)",
            r"没(?:有)?(?:接到|收到|见到|看到|等到|见过|接过|看见)",
            r"(?:电话|短信|人影|影子|人|消息)(?:也|都|都也)?(?:没|没有|没见|不)",
            r"一个电话(?:也|都)(?:没|没有)|(?:没|没有)(?:一个|任何|过)?(?:电话|消息|动静|音信|音讯)",
            r"从来(?:没|没有|不|.?有人)|没.?人联系|没.{1,2}联系我|从没|压根(?:儿)?(?:没|就没)|根本(?:没|就没|不)(?:有)?(?:人|联系|来|打|管|理)",
            r"谁(?:也|都)(?:没|没有|不)|哪有人|哪(?:里|儿)?有(?:人)?(?:联系|打|来)|谁(?:来)?(?:联系|管|理)(?:过)?我|联系(?:什么|个)",
            r"(?:没|没有|不)(?:人)?(?:管|理)(?:过)?(?:我|我们)?",
            r"杳无音信|石沉大海|不闻不问|不接电话|打不通|联系不到(?:他们|人)",
        ),
        _read(
            "yes",
            "contact is told",
            r"(?:联系|联络|沟通|对接|答复|回复|通知)(?:了|过|上|到|好)",
            r"(?:跟|和|与|同|向)我们?(?:联系|联络|沟通|说|解释|讲|对接|见)",
            r"(?:联系|找|通知|答复|回复)(?:的|过|了)?我",
            r"(?<!我)(?<!我又)给我们?(?:家)?(?:打|来|回|发|联系|答复|回复|解释|说)",
            r"(?<!我)(?<!我又)(?<!我们)打(?:过|了|来|的)(?:一次|两次|几次|好几次|一个|两个|几个|好几个)?(?:电话|招呼)",
            r"(?:接|收)到(?:了|过)?.{0,8}(?:电话|短信|回复|答复|通知)|来(?:过|了)?电话",
            r"(?:^|都|也|就|已经|人|他们|有|的)(?:来|去)(?:了|过)(?!.{0,2}电话费)",
            r"上(?:过|了)门|上门(?:了|过|看|来|处理|修|维修|检查|评定)|来(?:我)?(?:家|现场)|到(?:我)?(?:家|现场)|(?:来|去)(?:看|修|检查|查)(?:过|了)",
            r"(?:来|派)了?人|亲自(?:来|上门)|电话打(?:过|了|来)|有(?:人|一位|一个|个|位|工作人员|专人).{0,14}(?:联系|打|来|找|上门|沟通)",
            real=True,
        ),
        _read("no", "no, after the question", rf"^(?:没|没有)(?:人|过|来|打|呀)+$|{NO.pattern}", asked=True),
        _read("yes", "yes, after the question", rf"^(?:打了|打过|来了|来过|找过|找了)|{HAVE.pattern}", asked=True),
        _read("yes", "nods after the question", NOD.pattern, asked=True, weak=True),
    ),
    SOLVED: (
        _read(
            UNCLEAR,
            "does not know",
            r"不(?:知道|清楚|好说|确定)|说不(?:好|清|准)|没(?:去)?(?:看|试|注意|留意)|再看看|再观察|过(?:两|几)天(?:再|才)",
        ),
        _read(
            "yes",
            "no trouble is left",
            r"(?:没|没有|没什么|没啥)(?:什么|啥|大|任何|别的)?问题了?$|(?:没|没有)(?:再)?(?:漏|坏|堵|停|吵|响|占|出现|发生|犯)(?:过|了)",
            r"不(?:漏|堵|停|吵|响|占|闹|臭|黑|冷)了",
            real=True,
        ),
        _read(
            "partly",
            "some of it",
            rf"{_WORK}(?:好|完|掉)?了?(?:一?(?:部分|半|点|些|小部分|大部分|多半|个大概)|差不多)",
            rf"(?:部分|大部分|一半|基本上?|差不多|大体上?|算是)(?:都|已经|也|是|算|得到)*{_WORK}",
            rf"{_SLOW}(?:完全|全部?|彻底|全都|都|根治){_WORK}|(?:没|没有)(?:完全|彻底|全部|全)(?:好|{_WORK})|不(?:完全|彻底|算完全)",
            r"了(?:一部分|一半)|有(?:的|些|一部分).{0,6}(?:没|还)|还(?:差|剩)(?:一|点|几|两|了)|(?:临时|暂时)(?:解决|处理|修|弄)|治标不治本",
        ),
        _read(
            "no",
            "not done",
            rf"{_SLOW}(?:有|给|帮|把|被|得到|怎么|真正|根本|人|去|来|我|我们|及时|实际|实质|任何|什么|一点|很好|地|的|妥善|正式)*{_WORK}",
            r"不(?:能|会|给|肯|愿意?|想)?(?:帮我|给我)?(?:解决|处理|办|修)(?!满意)|(?:解决|处理|办|修|弄|搞)不(?:了|好|成|完)|没(?:有)?(?:办)?法(?:解决|处理|办)",
            r"(?:没|没有|无)人(?:管|理|来|处理|解决|修|过问)|(?:没|没有)(?:人|谁)(?:管|来)|不管|不归|管不了",
            r"老样子|原样|照旧|照样|依旧|依然|仍然|仍旧|还那样|还是那样|还是(?:不行|不好|没|坏|漏|堵|黑|冷|吵|原来|以前|那么|这样|有)|还(?:漏|堵|坏|吵|停|占)着?",
            r"又(?:坏|漏|堵|停|不行|犯|开始|出现|占|黑|冷|反复|不)|反复|白(?:跑|修|弄)|没(?:有)?(?:用|效果|下文|结果|进展|动静|变化|改变|改善|好转|着落|消息|管)",
            r"(?:哪|哪里|哪儿|怎么)(?:能|就|里|儿)?(?:算)?(?:是)?(?:解决|处理|办)|(?:解决|处理)(?:什么|啥|个|屁|毛)|谁(?:给|来|帮)?(?:我)?(?:解决|处理|管)",
            r"还在(?:处理|等|办|走|弄|协调|修|审|施工|研究)|正在(?:处理|办|修|协调|走|审核|施工)|(?:让|叫|要)(?:我|我们)?(?:再|继续|慢慢)?等(?!级)|还(?:要|得)等|推诿|踢皮球|扯皮|敷衍",
            r"(?:到现在|至今|现在)(?:也|都|还)?(?:没|没有|不)(?!.{0,3}问题)|^不行(?:啊|呀|的)?$|仍未|尚未|还早(?:着)?呢?|差得?远",
        ),
        _read(
            "yes",
            "done",
            rf"解决(?:好|完|掉|得)*(?:了|啦|的|完毕)|{_WORK}(?:好|完|妥|成|妥当|到位|利索|掉|干净|清楚|下来)+(?:了|啦|的|完毕)",
            rf"(?:已经|都|全|全都|全部|彻底|完全|顺利|得到|给我?|帮我?)(?:都|给|得到|帮我|已经)*{_WORK}(?!吗)",
            r"得到了?(?:妥善|圆满|及时)?解决|(?:搞定|完事|妥了|通了|亮了|好了|好多了|好用了|能用了|可以用了|正常了|恢复正常|修复了|到位了)|(?:拿|领|收|办|批|发|补|换)(?:到|下来)了",
            real=True,
        ),
        _read("no", "not done, heard badly", r"没.?有?.决|没有?解", asked=True),
        _read("no", "no, after the question", NO.pattern, asked=True),
        _read("yes", "done, heard badly", r"^已?经?(?:解.?|.决)了", asked=True, weak=True),
        _read("yes", "work was done", rf"{_WORK}(?:过|了|啦|的)", real=True, weak=True),
        _read(
            "yes",
            "yes, after the question",
            rf"^(?:可以了?|行了|没问题|挺好的?|很好)(?:啊|吧|呀)?$|{HAVE.pattern}",
            asked=True,
        ),
        _read("yes", "nods after the question", NOD.pattern, asked=True, weak=True),
    ),
    SATISFIED: (
        _read(
            "satisfied",
            "nothing to complain of",
            r"(?:没有|没|没什么|没啥|没有什么|没有任何|无)(?:什么|啥|任何)?(?:可|好)?不满意?的?(?:地方)?$|(?:没|没有)(?:什么|啥)?(?:可)?(?:挑|说)的|没[得的](?:说|挑)|无可挑剔",
        ),
        _read(
            "fairly",
            "not exactly dissatisfied",
            r"(?:不是|不能说|说不上|谈不上|算不上|也不|不算|倒不)(?:是|很|太)?不满意?",
        ),
        _read(
            UNCLEAR,
            "does not judge",
            r"不(?:好说|好评价|评价|清楚|知道|发表|便评价|想说|置可否)|说不(?:好|清|准|上来)|没法(?:说|评价)|没(?:什么)?感觉|无所谓|随便|再看看|(?:也)?就那样|一般"
            r"|怎么说(?:呢|吧)?$|看(?:结果|情况)吧?",
        ),
        _read(
            "dissatisfied",
            "not satisfied",
            r"不(?:是|太|很|怎么|大|够|算|会|能|那么|是很|是太|是特别|咋|可能|怎么太|敢)*(?:满意|满)(?!分)",
            r"(?:没|没有|没法|没办法|无法|难以|难)(?:什么|啥|法|办法|觉得|感到|感觉)*满意|(?:谈不上|说不上|算不上|称不上|配不上)(?:有?什么|很|太|多)*满意",
            r"(?:也|能)(?:叫|算)满意|还叫满意|满意(?:什么|啥|个|才怪|不了|不起来)|(?:哪|哪里|哪儿|怎么|咋|能|还能|凭什么|让我怎么|拿什么)(?:能|可能|有|来|就|会|里|儿|的)*满意",
            r"(?:太|很|真|特别|非常|十分|极其|实在)(?:是)?(?:差|烂|慢|糟|失望|气|生气|不好|恶劣|敷衍|不负责|不像话|过分)|差劲|糟糕|差评|失望|气死|零分|不及格|不合格"
            r"|不像话|不作为|糊弄|敷衍|推诿|应付|不行|不怎么样|不咋(?:样|地)|(?:意见|火)(?:很|太)?大|(?:你|您)(?:说|觉得|看)呢",
        ),
        _read(
            "fairly",
            "satisfied with a reserve",
            r"基.满意|.本满意|(?:基本|基本上|还算|比较|大体|大致|差不多|勉强|凑合|相对|算是|部分|马马虎虎|还|将就)(?:上|都|也|是|来说|还是|算|比较|挺)*满意",
            r"满意(?:一半|一部分|一点)|(?:七|八)(?:八|成|十分)",
        ),
        _read(
            "satisfied",
            "satisfied",
            r"满意|(?:很|非常|挺|特别|十分|相当|蛮|真)(?:不错|好|棒|及时|负责|到位|周到|热情|感谢|感激|高兴|认可)|好评|点赞|满分|五星|一百分|不错",
            real=True,
        ),
        _read(
            "fairly",
            "lukewarm, after the question",
            r"还(?:行|可以|成|凑合|好|过得去)|凑合|过得去|马马虎虎|将就|差不多|^(?:可以|行|成|还成)(?:吧|啊|的|了)?$",
            asked=True,
        ),
        _read(
            "dissatisfied",
            "no, after the question",
            rf"^不(?:啊|是|了)?$|{NO.pattern}|(?:没|没有)(?:解决|处理|人管|办)|没(?:有)?人(?:管|来|理)",
            asked=True,
        ),
        _read(
            "satisfied", "yes, after the question", r"^(?:挺好|好|好着呢|挺好的)(?:啊|吧|呀)?$|^当然了?$", asked=True
        ),
        _read("satisfied", "nods after the question", NOD.pattern, asked=True, weak=True),
    ),
    SUGGESTION: (
        _read(
            "no",
            "nothing to suggest",
            r"(?:没|没有|没什么|没啥|没有什么|没有别的|没有其他|没别的|无|提不出|暂时没|不提)(?:什么|啥|任何|太多|特别|别的|其他|其它|更好|好|新|大)*(?:的)?(?:意见|建议|想法|要求|诉求|说的|补充|好说|需要)",
            r"希望.{0,12}(?:努力|继续|再接再厉|保持|坚持|越来越|越办越|越做越|加油|工作顺利|身体健康|一切顺利|再创)",
        ),
        _read(
            "yes",
            "suggests or asks",
            r"(?<!没)(?<!没有)(?<!不)(?<!您的)建议|(?<!没)(?<!没有)希望(?!不大)|(?<!是)(?<!是你们)最好(?!的|了|不过|用|吃|看)",
            r"应该(?!是|没|有吧|有的|有过|已经|解决|好|可以|不|会|没问题|就|差不多|还|联系|吧|的|满意|算|处理|办|知道|对|来过|打过)|(?<!不)应当",
            r"(?<!没)(?<!没有)(?<!按)(?<!照)(?<!符合)(?<!达到)(?<!他们)(?<!什么)(?<!有)要求(?!我|高|的材料)|(?:提|说)(?:一|两|几|个|点|条)+(?:个|点|条)?(?:意见|建议)|(?:意见|建议)(?:是|就是)",
        ),
        _read(
            "yes",
            "wishes, after the question",
            r"能不能|可不可以|能否|可以(?:考虑|再|多|增加)|(?:请|让|叫)(?:你们|他们|物业|社区|单位)|(?:你们|他们|得|要|还要|再)(?:多|加|增|改|派|管|抓|修|装|提前|注意|加强|早)"
            r"|加强|改进|加快|提高|增加|完善|提前|早点|快点|尽快|尽量|赶紧|抓紧|多(?:派|装|安排|检查|关心|宣传|来|听|走)|别(?:再|总|老)|不要(?:再|总|老)|(?:意见|建议)(?:多|大)",
            asked=True,
        ),
        _read("yes", "suggests, heard badly", r"^我?建[^筑设材]|^我.?议(?!论)", asked=True, weak=True),
        _read("yes", "has one, after the question", r"^有(?:的|啊|呀|一个|几个|几条|一点|点|一条)*$", asked=True),
        _read(
            "no",
            "no, after the question",
            rf"^(?:没|没有|没什么|没啥|不用|不需要|不了|没别的|没其他的|挺好|都挺好|都好|很好|满意|都满意|非常满意|暂时没有?)(?:了|的|吧|呢|啊)*$|{NO.pattern}",
            asked=True,
        ),
    ),
}

# What networks and telephone assistants say instead of the citizen.
ANNOUNCEMENTS = re.compile(
    r"拨打的(?:电话|用户|号码)|暂时(?:无法|无人|不能)(?:接通|接听|应答)|无人接听|已关机|已停机|不在服务区|正在通话中|稍后再拨|是空号|号码不存在"
    r"|语音信箱|语音留言|请在.{0,4}声后留言|(?:智能|通话|电话|来电|语音)(?:助理|秘书|助手)|机主(?:现在|暂时|正在)|转告机主"
    r"|subscriber|not.available|powered.off",
    re.IGNORECASE,
)
