"""What is said in the demonstration's calls.

The sentences were picked from the sample model's grammar among those held out of its training; only fixed phrases of a
few characters (好的, 再见) were trained on.  ``make_calls.py`` refuses anything else.
"""

from __future__ import annotations

from dataclasses import dataclass

from tools.sample_model.grammar import SHORTEST_HELD_OUT, is_held_out, spoken

AGENT, CITIZEN = "agent", "citizen"
PARTIES = {"问": AGENT, "答": CITIZEN}


@dataclass(frozen=True)
class Line:
    """One turn: who speaks and what."""

    party: str
    text: str


@dataclass(frozen=True)
class Script:
    """A call about one work order; ``signalled`` says whether the telephone system names the order."""

    name: str
    title: str
    work_order: str
    citizen_telephone: str
    citizen_voice: str
    dialogue: str = ""
    signalled: bool = True

    def lines(self) -> list[Line]:
        """The turns; ValueError for a sentence that the sample model was trained on."""
        turns = [Line(PARTIES[line[0]], line[2:]) for line in self.dialogue.split()]
        for turn in turns:
            if len(spoken(turn.text)) >= SHORTEST_HELD_OUT and not is_held_out(turn.text):
                raise ValueError(f"{turn.text!r} in call {self.name} is a training sentence")
        return turns


SOLVED = """
    问：您好，王先生，这里是残联服务热线回访，想对您做一个电话回访。
    答：好的。
    问：请问区残联的工作人员跟您联系了吗？
    答：前天区残联的人上门看过了。
    问：那轮椅维修的问题到这个星期解决了吗？
    答：解决了，今天区残联派人来修好了。
    问：请问您对轮椅维修的办理结果满意不满意？
    答：满意，这个星期就处理好了，很及时。
    问：请问您还有什么意见和建议吗？
    答：没有意见。
    问：感谢您的接听，祝您生活愉快，再见。
    答：再见。
"""
UNSOLVED = """
    问：您好，赵女士，这里是接诉即办回访，耽误您两分钟时间。
    问：请问城管局的工作人员跟您联系了吗？
    答：没有联系，城管局一个电话也没有打过。
    问：请问盲道被占的问题现在解决了没有？
    答：问题没有解决，我前几天又打了一次热线。
    问：那您对这次盲道被占的处理结果满意吗？
    答：我对城管局的处理结果不满意。
    问：请问您还有什么意见和建议吗？
    答：我要求街道办事处尽快处理清河街道盲道被占的问题。
    问：感谢您的接听，祝您生活愉快，再见。
"""
SUGGESTION = """
    问：陈先生您好，这里是朝阳区残联回访，想对您做一个电话回访。
    答：可以。
    问：请问街道办事处有没有跟您联系？
    答：联系了，上个月街道办事处给我打的电话。
    问：街道办事处处理以后，问题有没有解决？
    答：解决了，昨天街道办事处派人来修好了。
    问：您对办理单位的办理情况是满意，基本满意，还是不满意？
    答：基本满意，就是街道办事处来得有点慢。
    问：请问您还有什么意见和建议吗？
    答：我建议街道办事处定期检查和平里街道的无障碍坡道问题。
    问：好的，陈先生，感谢您对我们工作的支持，再见。
    答：再见。
"""
NO_NUMBER = """
    问：刘阿姨您好，这里是残联服务热线回访，想对您做一个电话回访。
    答：好的。
    问：请问供热公司有没有跟您联系？
    答：有，前天他们来过方庄社区。
    问：方庄小区供暖不热的问题解决了吗？
    答：解决了，昨天供热公司派人来修好了。
    问：您对办理单位的办理情况是满意，基本满意，还是不满意？
    答：满意，供热公司的态度很好。
    问：最后请问，您对供暖不热还有什么建议吗？
    答：没有意见了，谢谢供热公司。
    问：好的，供暖不热的情况我们记录了，祝您生活愉快。
    答：再见。
"""

SCRIPTS = (
    Script("solved", "轮椅维修：已联系，已解决，满意", "20261101000101", "01055500101", "m1", SOLVED),
    Script("unsolved", "盲道被占：未联系，未解决，不满意", "20261101000102", "01055500102", "f5", UNSOLVED),
    Script("suggestion", "无障碍坡道：已解决，基本满意，提出建议", "20261101000103", "01055500103", "adam", SUGGESTION),
    Script("unanswered", "加装电梯：无人接听", "20261101000104", "01055500104", "m1"),
    Script(
        "no_number",
        "供暖不热：已解决，满意，通话未带工单编号",
        "20261101000105",
        "01055500105",
        "edward",
        NO_NUMBER,
        False,
    ),
)
