"""The words in which pages speak of alerts, what to do about each, and the processes that raise them."""

from collections.abc import Mapping

ALERTS: Mapping[str, str] = {
    "spool_full": "录音缓存空间不足",
    "spool_damaged": "有缓存文件受损",
    "two_recorders": "有第二个录音进程试图启动",
    "backlog": "已结束的通话积压，迟迟未封存",
    "call_stuck": "有通话多次封存失败",
    "store_away": "对象存储没有应答",
    "database_away": "数据库没有应答",
    "packets_dropped": "系统内核丢弃了语音数据包",
    "ports_exhausted": "录音端口已用尽",
    "evidence_faults": "夜间校验发现证据异常",
    "store_expires": "对象存储设有过期规则",
    "webhooks_failing": "有推送地址收不到消息",
    "watch_away": "监视的文件夹无法读取",
    "intake_stuck": "有文件迟迟不能收取",
    "quarantined": "隔离区有未能收取的文件",
}
# What to do about each.
ALERT_REMEDIES: Mapping[str, str] = {
    "spool_full": "正在进行的通话继续录音，新的来话会被拒绝（503）。请腾出录音主机的磁盘空间，之后自动恢复。",
    "spool_damaged": "能读出的声音已保存，原始文件已随录音封存。请检查录音主机的磁盘。",
    "two_recorders": "一个缓存目录只能有一个录音进程。请停止多余的一个，或另设 HUIYIN_DATA_DIR。",
    "backlog": "录音完好，保存在录音主机的缓存中。请查看对象存储、数据库和录音主机的负载。",
    "call_stuck": "录音完好，保存在缓存中。用 huiyin spool list 查看原因，解决后用 huiyin spool retry 立即重试。",
    "store_away": "通话照常录音并留在缓存中，存储恢复后自动封存。请检查对象存储及网络。",
    "database_away": "通话照常录音并留在缓存中，数据库恢复后自动封存。请检查数据库及网络。",
    "packets_dropped": "有通话缺少声音，缺口已在录音上标明。请减轻录音主机的负载，或增加录音主机。",
    "ports_exhausted": "新的来话会被拒绝（503）。请扩大 HUIYIN_RTP_PORTS，或增加录音主机。",
    "evidence_faults": "请打开夜间检查页查看每一项，并运行 huiyin verify。未查明前不要覆盖或恢复任何数据。",
    "webhooks_failing": "多次重试后已放弃。请在系统管理的消息推送页查看原因，对方恢复后可重新推送。",
    "store_expires": "过期规则会把锁定的版本遮在删除标记之后。请在对象存储中停用这些规则。",
    "watch_away": "网关的文件留在原处，恢复后自动收取。请检查 HUIYIN_WATCH_DIR 所在的磁盘、挂载和权限。",
    "intake_stuck": "文件留在文件夹中，没有丢失，会继续重试。请按“原因”处理；缺少通话信息的，补上同名 .json 文件即可。",
    "quarantined": "原件完好，没有收取。请打开“隔离区”查看原因，处理后重试，或写明原因删除。",
}
ALERT_FACTS: Mapping[str, str] = {
    "calls": "通话数",
    "error": "错误",
    "faults": "异常",
    "files": "文件数",
    "directory": "文件夹",
    "night": "夜间",
    "rules": "规则",
    "free_mb": "剩余空间（MB）",
    "minutes": "最久等待（分钟）",
    "open": "占用的端口",
    "packets": "数据包",
    "recording": "通话编号",
    "spool": "缓存目录",
    "why": "原因",
    "webhooks": "推送地址",
}
PROCESSES: Mapping[str, str] = {
    "recorder": "录音",
    "sealer": "封存",
    "worker": "转写与作业",
    "web": "页面",
    "scheduler": "定时",
    "intake": "文件收取",
    "nightly": "夜间检查",
    "refused": "被拒绝的录音进程",
}
