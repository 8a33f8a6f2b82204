"""A sample export of work orders for the demonstration: made-up people, telephones and cases, dated around one day.

The sheet looks as exports do: a title row above the headers, numbers as text, real Excel dates, one column that
nobody asked for.  The first five orders are those of the sample calls in ``service/sample_calls``.
"""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path

from openpyxl import Workbook
from openpyxl.styles import Font

TITLE = "12345 热线工单导出（演示数据：人名、电话、事项均为虚构）"
HEADERS = (
    *("工单编号", "工单类型", "问题分类", "标签", "标题", "主要内容", "工单状态", "来电人", "来电人电话"),
    *("被反映区", "被反映街乡镇", "办理结果", "回复内容", "处理受理方式", "创建时间", "办结时间"),
    *("是否解决", "是否满意", "工单性质", "承办单位", "办理时限"),
)
CLOSED, OPEN = "已办结", "办理中"
FIRST_NUMBER = 20261101000101
FIRST_TELEPHONE = 55500101


@dataclass(frozen=True)
class Case:
    """What an order is about."""

    category: str
    title: str
    caller: str
    district: str
    street: str
    unit: str
    result: str = ""


CALLED: tuple[Case, ...] = (
    Case(
        "残疾人权益→辅助器具→轮椅维修", "轮椅车轮损坏申请维修", "王试一", "西城区", "月坛街道", "区残联", "已上门维修"
    ),
    Case(
        "城市管理→无障碍设施→盲道被占", "清河街道盲道被车辆占用", "赵试二", "海淀区", "清河街道", "城管局", "已现场清理"
    ),
    Case(
        *("城市管理→无障碍设施→无障碍坡道", "社区门口无障碍坡道破损", "陈试三", "东城区", "和平里街道"),
        *("和平里街道办事处", "已修补坡道"),
    ),
    Case("住房→老旧小区→加装电梯", "咨询楼门加装电梯进度", "孙试四", "朝阳区", "双井街道", "住建局", "已答复进度"),
    Case("公用事业→供暖→供暖不热", "方庄小区供暖不热", "刘试五", "丰台区", "方庄街道", "供热公司", "已检修管道"),
)
OTHERS: tuple[Case, ...] = (
    Case("残疾人权益→证件→残疾证换证", "残疾证到期换证", "李试六", "通州区", "新华街道", "区残联", "已换证"),
    Case("残疾人权益→补贴→护理补贴", "护理补贴未到账", "周试七", "昌平区", "天通苑街道", "民政局", "已补发"),
    Case("残疾人权益→辅助器具→助听器申请", "申请助听器适配", "吴试八", "朝阳区", "望京街道", "辅具中心", "已适配"),
    Case(
        "城市管理→无障碍设施→无障碍电梯",
        "地铁口无障碍电梯停运",
        "郑试九",
        "海淀区",
        "中关村街道",
        "交通委",
        "已恢复运行",
    ),
    Case("城市管理→市容→路灯不亮", "小区外路灯不亮", "冯试十", "石景山区", "古城街道", "城管局", "已更换灯具"),
    Case("城市管理→噪声→施工噪音", "夜间施工噪音扰民", "韩十一", "朝阳区", "太阳宫街道", "环保局", "已责令整改"),
    Case("公用事业→供水→停水", "楼内停水两天", "唐十二", "丰台区", "古城街道", "自来水公司", "已恢复供水"),
    Case("公用事业→供电→停电", "单元频繁停电", "董十三", "大兴区", "黄村镇", "供电公司", "已检修线路"),
    Case("住房→物业→垃圾清运", "垃圾清运不及时", "田十四", "西城区", "广安门街道", "物业公司", "已增加清运"),
    Case("住房→物业→楼道堆物", "楼道堆物占消防通道", "丁十五", "东城区", "新街口街道", "社区居委会", "已清理"),
    Case("残疾人权益→就业→残疾人就业", "咨询就业帮扶", "何十六", "顺义区", "沙河镇", "人社局", "已登记推荐"),
    Case("社会保障→医疗保险→医保报销", "异地医保报销", "高十七", "海淀区", "学院路街道", "医保局", "已报销"),
    Case("残疾人权益→康复→康复训练", "儿童康复训练名额", "林十八", "朝阳区", "八里庄街道", "康复中心", "已安排"),
)
NUMBER_OF_ORDERS = 30


def write_orders(target: Path, today: date) -> list[str]:
    """Write the export as XLSX and return the orders' numbers.  Most were closed in the week before ``today`` (they
    are due for a callback), the last ones are still open."""
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "工单"
    sheet.append([TITLE])
    sheet.append(list(HEADERS))
    for cell in sheet[2]:
        cell.font = Font(bold=True)
    rows = [_row(index, today) for index in range(NUMBER_OF_ORDERS)]
    for row in rows:
        sheet.append(row)
    sheet.freeze_panes = "A3"
    target.parent.mkdir(parents=True, exist_ok=True)
    book.save(target)
    return [str(row[0]) for row in rows]


def _row(index: int, today: date) -> list[str | datetime | None]:
    case = (*CALLED, *OTHERS)[index] if index < len(CALLED) else OTHERS[(index - len(CALLED)) % len(OTHERS)]
    telephone = FIRST_TELEPHONE + index
    is_open = index >= NUMBER_OF_ORDERS - 6
    closed = None if is_open else _moment(today, days=1 + index % 6, index=index)
    created = _moment(today, days=3 + index % 6 + index % 4, index=index + 3)
    status, result = (OPEN, "") if is_open else (CLOSED, case.result)
    reply = "" if is_open else f"经{case.unit}办理，{case.result}，已告知来电人。"
    return [
        *(str(FIRST_NUMBER + index), "诉求", case.category, case.category.split("→")[0], case.title),
        *(f"来电人反映：{case.title}，希望相关单位处理。", status, case.caller, f"010-{telephone}"),
        *(case.district, case.street, result, reply, "电话", created, closed),
        *("", "", "市民诉求", case.unit, "7天"),
    ]


def _moment(today: date, *, days: int, index: int) -> datetime:
    """A local moment in office hours some days before ``today``."""
    minutes = 9 * 60 + (index * 37) % (8 * 60)
    return datetime.combine(today - timedelta(days=days), time(minutes // 60, minutes % 60))
