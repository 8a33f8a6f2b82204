"""What a failed piece of work tells people: what happened, and what to do, for each kind of failure."""

from collections.abc import Mapping

from core.failures import INTERNAL

FAILURES: Mapping[str, tuple[str, str]] = {
    "no engine": (
        "语音识别引擎或模型不可用。",
        "录音不受影响。请系统管理员检查语音模型的设置和文件，然后重试。",
    ),
    "unavailable": (
        "需要的存储或服务暂时连接不上。",
        "已有的录音和文字不受影响。请系统管理员确认存储和网络正常，然后重试。",
    ),
    "database": (
        "数据库暂时不可用。",
        "已有的录音和文字不受影响。请系统管理员确认数据库正常，然后重试。",
    ),
    "damaged": (
        "读到的内容与封存时不一致。",
        "内容没有被采用。请系统管理员运行 huiyin verify 查明是哪一份，从备份恢复后重试。",
    ),
    "not found": (
        "需要的内容已经不在。",
        "录音可能已经处置，或存储中缺少对象。请核对录音是否仍在，确认无误后重试。",
    ),
    "conflict": (
        "处理期间，内容被别人改动了。",
        "请刷新页面看清现状，再重试。",
    ),
    "refused": (
        "有规则不允许这样做。",
        "请核对理由、范围和保存期限。改正后重新申请，原样重试不会成功。",
    ),
    "settings": (
        "有一项设置不正确。",
        "请系统管理员按运行日志改正设置，然后重试。",
    ),
    "disk full": (
        "磁盘空间不足。",
        "已有的录音和文字不受影响。请系统管理员腾出空间，然后重试。",
    ),
    "files": (
        "读写文件时出错。",
        "请系统管理员检查磁盘和目录权限，然后重试。",
    ),
    "memory": (
        "内存不足，没有完成。",
        "请系统管理员减少同时运行的任务或增加内存，然后重试。",
    ),
    INTERNAL: (
        "程序出错，没有完成。",
        "已有的录音和文字不受影响。请把编号告诉系统管理员，由其查看运行日志。",
    ),
}


def happened(kind: str) -> str:
    """What happened, of a kind of failure."""
    return FAILURES.get(kind, FAILURES[INTERNAL])[0]


def what_helps(kind: str) -> str:
    """What to do about it."""
    return FAILURES.get(kind, FAILURES[INTERNAL])[1]
