"""The sentences and words of a callback, as rules of the grammar.

Words were kept out whose reading by the synthesiser is wrong or whose spelling cannot be told from the sound.
"""

from __future__ import annotations


def _words(text: str) -> list[str]:
    return text.split()


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.strip().splitlines()]


RULES: dict[str, list[str]] = {
    "surname": _words("王 李 张 刘 陈 杨 赵 黄 周 吴 徐 孙 马 朱 胡 郭 何 林 高 罗 梁 宋 郑 谢 韩 唐 冯 董 田 丁"),
    "title": _words("先生 女士 师傅 阿姨 老师"),
    "district": _words("东城区 西城区 朝阳区 海淀区 丰台区 石景山区 通州区 顺义区 昌平区 大兴区"),
    "street": _words(
        "望京 双井 和平里 月坛 中关村 学院路 清河 方庄 古城 天通苑 沙河 黄村 八里庄 新街口 广安门 北苑 太阳宫 十里河"
    ),
    "place": [
        "{district}",
        "{street}街道",
        "{street}社区",
        "{district}{street}",
        "{district}{street}街道",
        "{street}小区",
        "{street}{bldg}",
    ],
    "bldg": ["{count}号楼", "{count}号楼二单元", "地铁站", "公园", "幸福小区", "医院门口", "学校门口", "市场"],
    "unit": _words(
        "街道办事处 社区居委会 区残联 市残联 城管局 住建局 供热公司 物业公司 自来水公司 供电公司 交通委 卫健委 医保局 民政局"
        " 公安局 派出所 人社局 环保局 公交集团 康复中心 辅具中心 社区医院 信访办 街道残联 热线中心 居委会"
    ),
    "barrier": _words(
        "轮椅申请 轮椅维修 盲道被占 盲道破损 无障碍坡道 无障碍厕所 无障碍电梯 残疾证办理 残疾证换证 辅具申请 助听器申请"
        " 护理补贴 生活补贴 康复训练 手语翻译 残疾人就业 家庭改造 上门评定 护理床 语音提示"
    ),
    "city": _words(
        "电梯故障 电梯停运 供暖不热 暖气漏水 路灯不亮 停水 停电 噪音扰民 垃圾清运 垃圾分类 违章停车 道路破损 物业收费"
        " 医保报销 公交线路 下水道堵塞 占道经营 油烟污染 楼道堆物 消防通道 充电桩 加装电梯 房屋漏水"
        " 违法建设 广场舞 施工噪音 快递"
    ),
    "issue": ["{barrier}", "{city}"],
    "person": [
        "{surname}{title}",
        "{surname}{title}",
        "我母亲",
        "我父亲",
        "我爱人",
        "我儿子",
        "我女儿",
        "邻居",
        "工作人员",
        "社区主任",
        "物业经理",
        "医生",
    ],
    "number": [
        "工单编号{digits}",
        "尾号{tail}",
        "电话{phone}",
        "{count}天",
        "{count}个月",
        "{count}块钱",
        "第{count}次",
        "{count}个人",
    ],
    "service": _words(
        "上门 登记 申请 审核 维修 安装 更换 检查 清理 整改 协调 报销 评定 预约 咨询 投诉 反映 回复 解释 通知 签字 验收 改造 拆除"
    ),
    "feeling": _words(
        "满意 基本满意 不满意 非常满意 很不满意 比较满意 一般 谢谢 着急 不方便 很方便 态度好 态度差 太慢了 很快 及时"
    ),
    "word": _words(
        "问题 结果 意见 建议 热线 回访 轮椅 盲道 坡道 残疾证 辅具 补贴 手语 电梯 暖气 路灯 垃圾 车辆 材料 手续 窗口 网站 手机"
        " 短信 周围 老人 孩子 盲人 聋人 安全 质量 标准 政策 流程 时间 地址 证明 身份证 银行卡 户口 政府 部门 领导 希望 需要 应该"
        " 已经 还没有 马上 尽快 现在 以前 一直 经常 有时候 可以 不能 知道 收到 打电话 没人管 推诿 关闭 打开 楼梯 厨房 门口 对面"
    ),
    "day": ["今天", "昨天", "前天", "上个星期", "{date}", "{clock}", "上个月", "这个星期", "前几天", "当天", "第二天"],
    "hello": ["您好", "喂，您好", "你好", "{surname}{title}您好", "您好，{surname}{title}"],
    "team": [
        "{unit}回访",
        "一二三四五热线回访",
        "{district}残联回访",
        "市残联热线回访",
        "残联服务热线回访",
        "接诉即办回访",
        "{street}街道回访",
    ],
    "greeting": _lines("""
        {hello}，这里是{team}中心。
        {hello}，这里是{team}，请问现在方便吗？
        {hello}，这里是{team}，想对您做一个电话回访。
        {hello}，这里是{team}，耽误您两分钟时间。
        {hello}，这里是{team}，我是{count}号话务员。
        {hello}，我是{team}的工作人员，我姓{surname}。
        {hello}，这里是{team}，请问是{surname}{title}吗？
    """),
    "identity": _lines("""
        请问您是{surname}{title}吗？
        请问是{surname}{title}本人吗？
        请问您是住在{place}的{surname}{title}吗？
        您的联系电话是{phone}，对吗？
        您的手机尾号是{tail}，对不对？
        您的工单编号是{digits}。
        是的，我就是，我姓{surname}。
        我是{person}的邻居，有什么事吗？
        我不是{surname}{title}，我是{person}。
        {surname}{title}不在家，我是{person}。
    """),
    "purpose": _lines("""
        您在{day}反映的{issue}问题，现在做一个回访。
        您{day}打电话反映了{place}的{issue}问题，对吗？
        关于您反映的{issue}问题，想了解一下处理情况。
        您反映{place}{issue}的工单，编号是{digits}。
        您{day}反映的{issue}问题，由{unit}办理。
        您的{issue}工单已经转给{unit}了。
        这次回访是关于{place}{issue}的。
        本次通话会录音，请您放心，只问您几个关于{issue}的问题。
    """),
    "asked_unit": ["{unit}", "{street}街道", "{street}社区", "办理单位", "{unit}的工作人员", "承办单位"],
    "ask_contacted": _lines("""
        请问{asked_unit}有没有跟您联系？
        {asked_unit}有没有联系您？
        请问{asked_unit}跟您联系了吗？
        {asked_unit}{day}有没有给您打电话？
        {asked_unit}的人去您家了吗？
        接到您的反映以后，{asked_unit}联系过您吗？
        关于{issue}，{asked_unit}跟您联系过没有？
        请问{day}{asked_unit}有没有上门？
        您反映问题以后，{asked_unit}有没有及时跟您联系？
    """),
    "contacted": _lines("""
        联系了，{day}{unit}给我打的电话。
        联系过，{unit}的{surname}{title}打过电话。
        有，{day}他们来过{place}。
        跟我联系了，{day}就来了。
        {unit}联系我了，说{count}天以内处理好。
        {day}{unit}的人上门看过了。
        来了，{unit}来了{count}个人，看了{issue}的情况。
        是的，{surname}{title}{day}跟我联系的。
        打过电话，也上门了，态度很好。
        联系了，{unit}很快就给我回复了。
        有的，{day}有一位姓{surname}的工作人员联系我了。
    """),
    "not_contacted": _lines("""
        没有人联系我，从{day}等到现在。
        没有联系，{unit}一个电话也没有打过。
        没有，{unit}到现在也没有人来。
        {day}到现在没有人跟我联系。
        从来没有人因为{issue}联系过我。
        没接到{unit}的电话。
        {unit}没有来过，我打了{count}次电话也没人管。
    """),
    "ask_solved": _lines("""
        请问您反映的{issue}问题解决了吗？
        {place}{issue}的问题解决了吗？
        请问{issue}的问题现在解决了没有？
        您反映的问题{unit}解决了吗？
        请问{issue}这件事处理好了吗？
        现在{issue}的情况怎么样，解决了吗？
        {unit}处理以后，问题有没有解决？
        那{issue}的问题到{day}解决了吗？
    """),
    "solved": _lines("""
        解决了，{issue}的事{day}就办好了。
        已经解决了，{unit}{day}处理的。
        {issue}的问题已经解决了，谢谢你们。
        解决了，{day}{unit}派人来修好了。
        都解决了，{unit}办得很快。
        问题解决了，现在{place}好多了。
        处理好了，{count}天就办完了。
        嗯，解决了，{day}通知我去领的。
        解决了，{surname}{title}帮我办的{issue}。
        {issue}已经办好了，{unit}的服务很及时。
    """),
    "not_solved": _lines("""
        没有解决，{issue}还是老样子。
        还没有解决，{unit}说要等{count}天。
        {issue}的问题还没有解决。
        没解决，{unit}只是打了个电话。
        没有，{place}的{issue}到现在还没有人管。
        没有解决，{unit}说不归他们管。
        {day}修了一次，过了{count}天又坏了。
        问题没有解决，我{day}又打了一次热线。
        还是没有解决，{unit}和{unit}互相推诿。
        只解决了一部分，{issue}还在处理。
    """),
    "ask_satisfied": _lines("""
        请问您对处理结果满意吗？
        请问您对{unit}的处理结果满意吗？
        那您对这次{issue}的处理结果满意吗？
        您对{unit}的服务态度满意吗？
        您对{asked_unit}的办理情况是满意，基本满意，还是不满意？
        请您评价一下，对{issue}的处理结果满意吗？
        请问您对{issue}的办理结果满意不满意？
        {surname}{title}，您对处理结果满意吗？
    """),
    "satisfied": _lines("""
        满意，{unit}的态度很好。
        非常满意，谢谢{unit}。
        我对处理结果非常满意，谢谢你们。
        满意，{day}就处理好了，很及时。
        挺满意的，{surname}{title}很负责。
        满意，{issue}的问题解决了我就放心了。
        我对{unit}的服务非常满意。
        很满意，感谢{unit}的{surname}{title}。
    """),
    "mostly_satisfied": _lines("""
        基本满意，就是{unit}来得有点慢。
        基本满意吧，{issue}的事等了{count}天。
        我对处理结果基本满意。
        基本满意，{unit}的态度还可以。
        对{unit}基本满意，就是时间长了一点。
        基本满意，{surname}{title}还是很热情的。
    """),
    "dissatisfied": _lines("""
        不满意，{unit}的态度太差了。
        不满意，{issue}的问题根本没有解决。
        我对{unit}的处理结果不满意。
        非常不满意，等了{count}天也没有人来。
        很不满意，{unit}一直推诿。
        不满意，{surname}{title}说话不算数。
        当然不满意，{issue}还是老样子。
        对{unit}不满意，打了{count}次电话都没有人接。
    """),
    "ask_suggestion": _lines("""
        请问您对{unit}还有什么意见建议吗？
        请问您还有什么意见和建议吗？
        关于{issue}，您还有什么意见建议吗？
        您对我们的工作还有什么建议吗？
        请问您对{unit}的工作有什么意见吗？
        最后请问，您对{issue}还有什么建议吗？
        {surname}{title}，您还有别的意见建议吗？
    """),
    "no_suggestion": _lines("""
        没有意见了，谢谢{unit}。
        没有建议，{issue}解决了就好。
        没有什么意见了，你们辛苦了。
        没有别的意见，希望{unit}继续努力。
        没有了，谢谢你们{surname}{title}。
        暂时没有，有问题我再打一二三四五。
    """),
    "suggestion": _lines("""
        我建议{unit}定期检查{place}的{issue}问题。
        我建议在{place}多安装几个无障碍坡道。
        我建议{unit}提前通知居民。
        建议{unit}简化{issue}的手续。
        我建议{place}的窗口配一名手语翻译。
        我建议{unit}每个月公布一次{issue}的进度。
        希望{unit}能够提前发短信通知。
        我建议把{place}的坡道改得平缓一点。
        建议{unit}把{issue}放到网上办理，老人就不用跑了。
        我建议公交车增加语音提示，方便盲人。
        希望残疾证到期以前{unit}提醒我们。
        我建议{unit}对{issue}加强管理，安排专人负责。
        我建议{issue}的时间缩短到{count}天。
        建议{place}的电梯增加语音报站。
    """),
    "complaint": _lines("""
        我要投诉{unit}，{issue}反映了{count}次都没有人管。
        {place}的盲道经常被车辆占用，盲人没有办法走。
        {place}{issue}已经{count}天了，{unit}还没有来。
        我母亲坐轮椅，{place}没有坡道，出不了门。
        {unit}的窗口让我跑了{count}次，材料一直不合格。
        {issue}的申请{day}就交了，到现在没有结果。
        {unit}的{surname}{title}态度不好，说话很难听。
        每天晚上{place}都有{issue}，老人睡不好觉。
        我的残疾证{day}到期，{unit}说要重新评定。
        我要求{unit}尽快处理{place}{issue}的问题。
        {unit}答应{day}来，结果没有来。
        家里供暖只有{count}度，{unit}说正常。
        护理补贴从{day}开始就没有收到。
        {place}的路灯坏了{count}个，晚上很不安全。
        {unit}收了{count}块钱，不给发票。
        我爱人是聋人，去{unit}没有手语翻译。
    """),
    "registration": _lines("""
        我住在{place}，我姓{surname}。
        我的电话是{phone}。
        工单编号{digits}，请您核对一下。
        我再重复一遍，编号是{digits}。
        残疾证号码最后四位是{tail}。
        {surname}{title}，住在{place}，电话{phone}。
        时间是{date}，{clock}左右。
        一共{count}户，{count}个人。
        地址是{place}{count}号楼{count}层。
        我记一下，{date}，{place}，{issue}。
        对，是{place}，不是{place}。
        身份证最后几位是{digits}。
    """),
    "later": _lines("""
        我现在不方便，请你{clock}再打过来。
        那我们{clock}再给您打电话，可以吗？
        我在{place}，听不清楚，您再说一遍。
        不好意思，我在开车，{clock}再联系。
        我正在{place}看病，{day}再说吧。
        可以，{clock}以后我在家。
        请您把{place}再说一遍。
        我们{clock}会再跟您联系，请保持电话畅通。
    """),
    "closing": _lines("""
        好的，您的意见我们已经记录了，感谢您的接听，再见。
        感谢您的接听，祝您生活愉快，再见。
        好的，{surname}{title}，感谢您对我们工作的支持，再见。
        您反映的{issue}问题，我们会转给{unit}继续处理，再见。
        您的建议我们会反映给{unit}，谢谢您，再见。
        好的，我们会督促{unit}尽快处理，请您保持电话畅通。
        好的，谢谢{surname}{title}，祝您身体健康，再见。
        感谢您的支持，祝您生活愉快，{surname}{title}再见。
        好的，{issue}的情况我们记录了，祝您生活愉快。
        那就不打扰您了，{surname}{title}再见。
        好的，已经登记，工单编号是{digits}，再见。
    """),
    "short": _words(
        "是的。 对。 好的。 嗯。 嗯，好的。 喂。 喂，你好。 您好。 可以。 没问题。 满意。 基本满意。 不满意。 非常满意。 非常不满意。"
        " 比较满意。 一般。 没有。 没有了。 有。 解决了。 没有解决。 还没有解决。 联系了。 没有联系。 联系过。 是我。 我就是。 请说。"
        " 您请讲。 谢谢。 谢谢您。 不客气。 您客气了。 请讲。 稍等一下。 祝您生活愉快。 再见。 好，再见。 不用谢。 听得见吗？ 听不清楚。 请您稍等。 不知道。 没有意见。 没有建议。"
        " 好的，谢谢。 对，是的。 已经解决了。 都解决了。 没人联系我。 请讲。 不需要。 辛苦了。"
    ),
}
