"""Where everybody's day begins: the first page that the role may see."""

from aiohttp import web

from api.context import signed_in
from api.endpoint import Endpoint
from api.pages.rendering import see_other
from api.permissions import allows

# In this order; the last one is everybody's.
_FIRST = (
    ("work.see", "/work"),
    ("recordings.see", "/recordings"),
    ("reports.see", "/reports"),
    ("accounts.manage", "/admin/accounts"),
    ("calls.see", "/status"),
    ("account.own", "/account"),
)


async def show_start(request: web.Request) -> web.Response:
    role = signed_in(request).role
    return see_other(next(page for permission, page in _FIRST if allows(permission, role)))


ENDPOINTS = (Endpoint("GET", "/", "start.see", show_start),)
