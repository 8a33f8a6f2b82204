"""The words in which pages speak of states, questions and what the ledger says: Chinese, translated like all."""

from collections.abc import Mapping

from api.models import LedgerView
from api.pages.alert_labels import ALERT_FACTS as ALERT_FACTS
from api.pages.alert_labels import ALERT_REMEDIES as ALERT_REMEDIES
from api.pages.alert_labels import ALERTS as ALERTS
from api.pages.alert_labels import PROCESSES as PROCESSES
from api.pages.failure_labels import happened as happened
from api.pages.failure_labels import what_helps as what_helps

ROLES: Mapping[str, str] = {
    "agent": "回访专员",
    "supervisor": "项目负责人",
    "auditor": "审计",
    "client": "甲方",
    "system": "系统管理员",
    "security": "安全管理员",
    "audit": "审计管理员",
}
PERMISSIONS: Mapping[str, str] = {
    "recordings.see": "查看录音列表",
    "audio.hear": "收听录音",
    "transcripts.see": "查看文字",
    "recordings.search": "检索",
    "search.export": "导出检索结果",
    "orders.see": "查看工单",
    "orders.import": "导入工单文件",
    "links.see": "查看待关联",
    "links.decide": "关联工单",
    "findings.decide": "确认回访结论",
    "reports.see": "查看报表",
    "reports.issue": "签发报表",
    "calls.see": "查看通话状态",
    "calls.pause": "暂停录音",
    "jobs.see": "查看任务",
    "jobs.retry": "重试任务",
    "ledger.see": "查看台账",
    "exports.see": "查看移交",
    "exports.make": "办理移交",
    "redactions.make": "制作遮盖副本",
    "holds.see": "查看保全",
    "holds.decide": "办理保全",
    "disposals.see": "查看处置",
    "disposals.decide": "办理处置",
    "policies.see": "查看保存期限",
    "policies.set": "设定保存期限",
    "settings.see": "查看设置",
    "webhooks.see": "查看消息推送",
    "webhooks.manage": "管理消息推送",
}
POLICIES: Mapping[str, str] = {"retention.years": "保存年限", "retention.contract": "合同期限"}
PARTIES: Mapping[str, str] = {"agent": "专员", "citizen": "市民", "unknown": "通话"}
TEXT_STATES: Mapping[str, str] = {"pending": "转写中", "done": "已转写", "failed": "转写失败"}
CALL_STATES: Mapping[str, str] = {"signalled": "通话中或待封存", "sealed": "已封存", "missing": "缺少录音"}
# How a call is heard while it lasts, and what that means.
QUALITIES: Mapping[str, tuple[str, str]] = {
    "good": ("收音正常", ""),
    "fair": ("少量丢包", "丢包超过 1%"),
    "poor": ("丢包严重", "丢包超过 5%，请检查网关到录音主机的网络"),
    "silent": ("没有声音", "至少一方 10 秒没有送来声音"),
}
JOB_STATES: Mapping[str, str] = {"queued": "排队", "running": "进行中", "done": "完成", "failed": "失败"}
JOB_KINDS: Mapping[str, str] = {
    "transcribe": "语音转写",
    "find_order": "关联工单",
    "link": "关联工单",
    "relink": "重新关联工单",
    "findings": "读取回访结论",
    "daily": "生成日报",
    "nightly": "夜间保管检查",
    "export": "制作移交包",
    "redact": "制作遮盖副本",
    "hold": "落实审计保全",
}
OBJECTS: Mapping[str, str] = {
    "audio": "声音",
    "metadata": "通话事实",
    "transcript": "文字稿",
    "link": "工单关联",
    "report": "报表",
    "remains": "受损的原始文件",
    "comment": "备注",
    "derived": "遮盖副本",
}
REDACTED_KINDS: Mapping[str, str] = {"number": "号码", "name": "姓名", "address": "住址"}
HOW_LINKED: Mapping[str, str] = {"signalled": "随话单号", "telephone": "来电号码", "person": "人工选择"}
STANDINGS: Mapping[str, str] = {"suggested": "系统建议", "accepted": "已采纳", "changed": "已更改"}
QUESTIONS: Mapping[str, str] = {
    "connected": "是否接通",
    "contacted": "承办单位是否联系",
    "solved": "诉求是否解决",
    "satisfied": "是否满意",
    "suggestion": "有无建议",
    "risk": "有无风险",
}
ANSWERS: Mapping[str, str] = {
    "yes": "是",
    "no": "否",
    "partly": "部分解决",
    "unclear": "未说清",
    "satisfied": "满意",
    "fairly": "基本满意",
    "dissatisfied": "不满意",
}
SUGGESTION_ANSWERS: Mapping[str, str] = {"yes": "有", "no": "无"}
LINK_REASONS: Mapping[str, str] = {
    "several": "同一号码有多个工单",
    "none": "没有找到可能的工单",
    "unknown number": "随话单号尚未导入",
}
WORK: Mapping[str, str] = {
    "all": "全部",
    "late": "已逾期",
    "due": "待回访",
    "returned": "未解决，再访",
    "findings": "结论待采纳",
    "text": "文字待核对",
    "link": "待关联",
}
TO_DO: Mapping[str, str] = {
    "due": "打回访电话",
    "returned": "再次回访",
    "findings": "采纳或更改结论",
    "text": "听一听，核对文字",
    "link": "选择工单",
}
WHY: Mapping[str, str] = {
    "never called": "办结后还没有回访",
    "sent back": "工单被退回",
    "not read": "已通话，还没有读出结论",
    "not reached": "没有联系上市民",
    "not answered": "市民没有明确回答是否解决",
    "unsolved": "市民说没有解决",
    "solved": "市民说已解决",
    "text": "识别把握不足，还没有人核对",
    **LINK_REASONS,
}
STAGES: Mapping[str, str] = {"due": "待回访", "returned": "未解决，再访", "done": "已解决"}
STEPS: Mapping[str, str] = {
    "created": "市民来电，工单创建",
    "imported": "导入工单",
    "updated": "重新导入，内容有更新",
    "closed": "承办单位办结",
    "call": "回访通话",
    "linked": "录音关联到工单",
    "asked": "系统请人选择工单",
    "answered": "有人作出选择",
}
LEDGER: Mapping[str, str] = {
    "sealed": "封存录音",
    "readmitted": "从隔离区收取录音",
    "discarded": "删除隔离区的文件",
    "transcribed": "封存文字稿",
    "corrected": "封存更正",
    "commented": "写下备注",
    "checked": "逐字节核对",
    "fault found": "校验发现异常",
    "redaction asked": "要求制作遮盖副本",
    "redacted": "封存遮盖副本",
    "share made": "建立分享链接",
    "share revoked": "停用分享链接",
    "share opened": "打开分享链接",
    "evidence taken": "取走证据",
    "read": "查阅",
    "exported": "导出",
    "ledger seen": "查阅审计日志",
    "linked": "关联到工单",
    "suggested": "读出回访结论建议",
    "decided": "确认回访结论",
    "locked": "延长保管期限",
    "held": "审计保全",
    "released": "解除保全",
    "disposed": "执行处置",
    "verified": "完成校验",
    "reported": "签发报表",
    "imported": "导入了工单",
    "missing": "登记缺少录音",
    "nightly": "完成夜间检查",
    "kept": "原样保存受损文件",
    "pause asked": "要求暂停录音",
    "resume asked": "要求继续录音",
    "pause answered": "录音机答复暂停或继续的要求",
    "head signed": "签署台账树头",
    "leaves sealed": "封存台账行",
    "key published": "公布台账公钥",
    "hold placed": "建立保全案件",
    "hold released": "解除保全案件",
    "hold too late": "保全到达时处置已开始",
    "release asked": "申请解除保全",
    "release withdrawn": "撤回解除保全申请",
    "disposal proposed": "提出处置",
    "disposal approved": "批准了处置",
    "disposal confirmed": "确认了处置",
    "disposal withdrawn": "撤回了处置",
    "disposal refused": "处置被拒绝",
    "disposals listed": "列入待处置清单",
    "disposals approved": "批准整批处置",
    "disposals confirmed": "确认整批处置",
    "export listed": "封存移交清单",
    "export finished": "完成移交包",
    "export removed": "清除移交包副本",
    "handed out": "发出移交包",
    "received": "登记移交回执",
    "receipt sealed": "封存移交回执",
    "setting changed": "更改设置",
    "dictionary changed": "更改字典",
    "rebuilt": "由存储重建",
    "account added": "新增了账号",
    "account switched on": "启用了账号",
    "account switched off": "停用了账号",
    "role changed": "更改角色",
    "team changed": "更改班组",
    "password changed": "更改了密码",
    "password reset": "重置了密码",
    "provider name set": "设定统一认证名称",
    "second factor set": "启用第二验证",
    "second factor removed": "取消了第二验证",
    "sessions ended": "结束了全部会话",
    "token made": "新建了令牌",
    "token revoked": "吊销令牌",
    "logged in": "登录成功",
    "login failed": "登录失败",
    "login locked": "登录锁定",
    "revealed": "查看完整信息",
    "webhook added": "新增了推送地址",
    "webhook changed": "更改推送地址",
    "webhook switched on": "启用推送",
    "webhook switched off": "停用推送",
    "webhook secret renewed": "更换推送密钥",
    "webhook removed": "删除推送地址",
    "team added": "新增班组",
    "number assigned": "分机划归班组",
}
# What a row of the ledger is about, where that is no identifier.
SUBJECTS: Mapping[str, str] = {"ledger": "审计日志", "login": "账号登录"}
EXPORT_STATES: Mapping[str, str] = {
    "listed": "已列清单",
    "recorded": "已登记",
    "writing": "正在写入",
    "done": "已完成",
}
# Of a recording in a case, and of a disposal.
HELD_STATES: Mapping[str, str] = {
    "holding": "正在保全",
    "held": "保全中",
    "letting": "正在解除",
    "let go": "已解除",
    "too late": "保全到达时删除已开始",
}
DISPOSAL_STATES: Mapping[str, str] = {
    "proposed": "待批准",
    "approved": "待另一人确认",
    "confirmed": "已确认，夜间删除",
    "executing": "正在删除",
    "done": "已删除",
    "withdrawn": "已撤回",
    "kept": "继续保存",
}
QUARANTINE_REASONS: Mapping[str, str] = {
    "the file is neither WAV nor MP3, OGG or FLAC": "不是 WAV、MP3、OGG 或 FLAC 文件",
    "the file holds no sound": "文件中没有声音",
    "the file's header cannot be read": "文件头无法识读",
    "the file does not hold exactly one sound stream": "文件应当恰好有一路声音",
    "the sound is neither mono nor stereo": "声音既非单声道也非立体声",
    "the sample rate is not one of speech": "采样率不是语音的采样率",
    "the sound cannot be decoded to its end": "声音无法完整解码",
    "the sound is longer than is allowed": "声音超过允许的时长",
    "started_at lies in the future": "通话开始时间在将来",
}
NIGHT_STEPS: Mapping[str, str] = {
    "holds": "核对保全",
    "locks": "核对锁定",
    "calls": "核对通话与录音",
    "disposals": "处置",
    "verified": "逐字节校验",
    "eligible": "到期清单",
    "exports": "清理移交副本",
}
WHAT_TO_DO: Mapping[int, str] = {
    400: "网址或表单里有一项不符合要求。请返回上一页改正后再试。",
    401: "登录可能已过期。请重新登录后再试。",
    403: "当前账号的角色不能这样做，或有规则禁止。确有需要时，请联系安全管理员。",
    404: "网址可能有误，内容可能已经移走，也可能不在您可以查看的范围内。请从导航重新进入。",
    405: "请从导航重新进入，再试一次。",
    408: "网络可能中断。请检查网络后重新上传。",
    409: "其他人可能刚刚作了处理。请返回上一页刷新，看清现状后再决定。",
    412: "声音可能已换成另一份。请刷新页面后再试。",
    413: "请把文件拆小后分次上传。",
    415: "请换成页面上写明的文件格式。",
    416: "声音的这一段不存在。请刷新页面后再听。",
    421: "这个服务用的是另一个网址。请使用管理员告知的网址。",
    422: "没有保存任何内容。请返回上一页改正后再试。",
    429: "请稍等片刻再试。",
    500: "没有完成这一步，已有的录音和文字不受影响。请稍后再试；如仍不行，请把编号告诉系统管理员。",
    507: "没有保存任何内容。请系统管理员腾出磁盘空间，然后再试一次。",
    503: "录音照常进行，不会丢失。请稍后再试；如仍不行，请把编号告诉系统管理员。",
}
FLAGS: Mapping[str, str] = {
    "metadata missing": "网关没有送来通话信息",
    "metadata unreadable": "网关送来的通话信息无法识读",
    "roles assumed": "双方身份按先后推定",
    "interrupted": "录音曾中断，已从缓存恢复",
    "facts not saved": "通话事实未能写盘",
    "spool not synced": "原始录音未能确认落盘",
    "call facts unreadable": "通话事实无法识读",
    "agent silent": "专员一方没有声音",
    "citizen silent": "市民一方没有声音",
    "party unknown": "说话人身份不明",
    "no audio": "没有声音",
    "spool missing": "缓存文件缺失",
    "spool unreadable": "缓存文件无法识读",
    "spool cut short": "缓存文件末尾不完整",
    "spool damaged": "缓存文件中间有损坏",
    "spool incomplete": "有数据未能写入缓存",
    "several sources": "同一路声音有多个来源",
    "clock restarted": "时间戳曾重新开始",
    "sender reports not believed": "对方时钟报告不可信",
    "sound not decodable": "有声音无法解码",
    "packets not authentic": "有加密数据包未通过验证，未录入",
    "foreign senders": "收到来历不明的数据包",
    "uploaded": "由网关以文件上传",
    "mono": "单声道，双方声音未分开",
}


def answer_word(question: str, answer: str) -> str:
    """The word for one answer of one question."""
    return (SUGGESTION_ANSWERS if question in ("suggestion", "risk") else ANSWERS).get(answer, answer)


_BROWSERS = (
    ("Edg/", "Edge"),
    ("MicroMessenger", "WeChat"),
    ("Firefox/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
_MACHINES = (
    ("Windows", "Windows"),
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)


def browser_word(agent: str) -> str:
    """A browser as its owner knows it, from what it says of itself; empty for what is none."""
    found = [next((name for sign, name in each if sign in agent), "") for each in (_BROWSERS, _MACHINES)]
    return " · ".join(name for name in found if name)


def actor_word(actor: str) -> str:
    """Who did it: the program's own acts are told from people's."""
    if actor.startswith("share "):
        return "分享链接的访客"
    return {"system": "系统", "rules": "系统"}.get(actor, actor)


def flag_parts(flag: str) -> tuple[str, str]:
    """The stream that a flag of the recorder is about (or nothing) and what it means; a new one is shown as it is."""
    stream, colon, what = flag.rpartition(": ")
    return stream + colon, FLAGS.get(what, what)


def ledger_word(row: LedgerView) -> str:
    """What happened, in a few words."""
    return LEDGER.get(row.kind, row.kind)


def what_to_do(status: int) -> str:
    """What someone does whose request ended in this status."""
    return WHAT_TO_DO.get(status, WHAT_TO_DO[500])
