"""Errors as RFC 9457 problem documents, or as a friendly page; each has an id that is found in the log."""

import json
import logging
from collections.abc import Mapping
from errno import EDQUOT, ENOSPC

from aiohttp import web
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from core.errors import Conflict, Damaged, HuiyinError, NotFound, Refused, SettingsError, Unavailable
from core.ids import new_id
from workorders.reading import ExportRefused

log = logging.getLogger(__name__)
MEDIA_TYPE = "application/problem+json"

TITLES: Mapping[int, tuple[str, str]] = {
    400: ("请求内容有误", "Bad request"),
    401: ("请先登录", "Please log in"),
    403: ("没有权限或规则不允许", "Not permitted"),
    404: ("没有找到", "Not found"),
    405: ("不支持这种请求方式", "Method not allowed"),
    408: ("上传中断，等待超时", "Request timeout"),
    409: ("与当前状态冲突", "Conflict with the present state"),
    412: ("内容已不是所指的那一份", "Precondition failed"),
    413: ("上传的文件太大", "Upload too large"),
    415: ("不支持的内容类型", "Unsupported media type"),
    416: ("请求的音频范围不存在", "Range not satisfiable"),
    421: ("这个地址不属于本服务", "Misdirected request"),
    422: ("内容未通过检查", "Content did not pass its checks"),
    429: ("尝试次数过多，请稍后再试", "Too many attempts, please wait"),
    500: ("系统出现意外错误", "Unexpected error"),
    503: ("依赖的服务暂时不可用", "A needed service is unavailable"),
    507: ("磁盘已满", "No room on the disk"),
}

FULL = (
    "磁盘已满，没有保存任何内容；请系统管理员腾出空间后重试 / "
    "the disk is full, nothing was kept: make room for HUIYIN_DATA_DIR, the store or the database, and try again"
)
# The message may name files of this host: it is for the log.
SET_WRONG = "系统设置有误，请联系系统管理员 / a setting is wrong: the log says which"
_STATUS: tuple[tuple[type[HuiyinError], int], ...] = (
    (ExportRefused, 422),
    (NotFound, 404),
    (Conflict, 409),
    (Refused, 403),
    (Unavailable, 503),
    (Damaged, 500),
)


class Problem(Exception):
    """One error as the client sees it; ``detail`` may be empty."""

    def __init__(self, status: int, detail: str = "", headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.detail, self.headers = status, detail, dict(headers or {})
        self.id = str(new_id())

    @property
    def phrase(self) -> str:
        """The title as a phrase of the catalogue."""
        return TITLES.get(self.status, TITLES[500])[0]

    @property
    def title(self) -> str:
        """Chinese first, English second."""
        chinese, english = TITLES.get(self.status, TITLES[500])
        return f"{chinese} / {english}"

    def document(self) -> dict[str, object]:
        """The members of RFC 9457, section 3.1, and our ``id``."""
        return {
            "type": "about:blank",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "instance": f"urn:uuid:{self.id}",
            "id": self.id,
        }

    def response(self) -> web.Response:
        """The problem document as an answer."""
        return web.Response(
            status=self.status,
            text=json.dumps(self.document(), ensure_ascii=False),
            content_type=MEDIA_TYPE,
            headers=self.headers,
        )


def problem_of(error: Exception) -> Problem:
    """Translate any error; what the client must not see stays in the log."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, web.HTTPException):
        kept = {name: value for name, value in error.headers.items() if name in ("Allow", "Retry-After")}
        return Problem(error.status, headers=kept)
    for kind, status in _STATUS:
        if isinstance(error, kind):
            return Problem(status, str(error))
    if isinstance(error, SettingsError):
        return Problem(503, SET_WRONG)
    if is_disk_full(error):
        return Problem(507, FULL)
    if isinstance(error, OSError | InterfaceError | OperationalError):
        return Problem(503)
    return Problem(500)


def is_disk_full(error: Exception) -> bool:
    """Whether a file system, SQLite or PostgreSQL (class 53, disk full) had no room."""
    if isinstance(error, OSError):
        return error.errno in (ENOSPC, EDQUOT)
    cause = error.orig if isinstance(error, DBAPIError) else None
    return "disk is full" in str(cause) or getattr(cause, "sqlstate", "") == "53100"


def report(problem: Problem, error: Exception, *, method: str, route: str) -> None:
    """Log a problem under its id: unexpected ones with their traceback, a client's mistakes as information."""
    facts = {"problem": problem.id, "status": problem.status, "method": method, "route": route}
    if problem.status >= 500:
        log.error("request failed", exc_info=error, extra={"facts": facts})
    else:
        log.info("request refused", extra={"facts": {**facts, "detail": problem.detail}})
