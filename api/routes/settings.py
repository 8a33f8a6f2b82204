"""Settings over HTTP: what holds and where it comes from, and values that hold from a day on."""

from aiohttp import web

from api.context import context, signed_in
from api.endpoint import Endpoint, answer, read_body
from api.masking import mask_text
from api.models_settings import SecuritySettingRequest, SettingDetail, SettingList, SettingRequest, SettingView
from api.operating import CHOICES, Choice, changes_of, settings_shown
from api.problems import Problem
from api.routes.own import require_password
from core.in_force import LOOK_EVERY
from core.operating import OPERATED, Change, change_setting, put_value
from reporting.formulas import DEFAULTS


async def all_settings(request: web.Request) -> list[SettingView]:
    here = context(request)
    async with here.database.read() as session:
        return await settings_shown(session, here.in_force.operating.installed, here.today())


async def one_setting(request: web.Request, name: str) -> SettingDetail:
    """A setting that is changed in operation, with its changes; a ``Problem`` 404 for any other."""
    choice = CHOICES.get(name)
    if choice is None:
        raise Problem(404, "没有可以在此更改的这项设置 / no setting of this name is changed in operation")
    found = next(each for each in await all_settings(request) if each.name == name)
    async with context(request).database.read() as session:
        return SettingDetail(setting=found, changes=await changes_of(session, choice))


async def change(request: web.Request, name: str, asked: SettingRequest) -> None:
    """Set a value of the kind that the route is for.  Who gets in is set with the own password, once more."""
    choice = CHOICES.get(name)
    secure = isinstance(asked, SecuritySettingRequest)
    if choice is None or (choice.kind == "security") is not secure:
        raise Problem(404, "没有可以在此更改的这项设置 / no setting of this name is changed here")
    if isinstance(asked, SecuritySettingRequest):
        await require_password(request, asked.password)
    await _keep(request, choice, asked)
    context(request).in_force.forget()


async def _keep(request: web.Request, choice: Choice, asked: SettingRequest) -> None:
    here, by = context(request), signed_in(request).name
    installed = here.in_force.operating.installed
    value = asked.value.strip() if asked.value is not None else None
    reason = mask_text(asked.reason.strip())
    async with here.database.write() as session:
        if choice.name in OPERATED:
            wanted = Change(choice.name, value, asked.effective_from, by, reason)
            await change_setting(session, installed, wanted, now=here.now())
            return
        try:
            kept = DEFAULTS[choice.name] if value is None else choice.read(value)
        except ValueError as error:
            raise Problem(422, f"设置的值不符合要求 / {error}") from None
        wanted = Change(choice.stored, kept, asked.effective_from, by, reason)
        await put_value(session, installed, wanted, now=here.now())


async def get_settings(request: web.Request) -> web.Response:
    return answer(SettingList(items=await all_settings(request), seconds=round(LOOK_EVERY)))


async def get_setting(request: web.Request) -> web.Response:
    return answer(await one_setting(request, request.match_info["name"]))


async def post_setting(request: web.Request) -> web.Response:
    await change(request, request.match_info["name"], await read_body(request, SettingRequest))
    return await get_setting(request)


async def post_security_setting(request: web.Request) -> web.Response:
    await change(request, request.match_info["name"], await read_body(request, SecuritySettingRequest))
    return await get_setting(request)


ENDPOINTS = (
    Endpoint(
        "GET",
        "/api/v1/settings",
        "settings.see",
        get_settings,
        "设置：现值、来源、将生效的值 / settings: what holds, whence, and what comes",
        answers=SettingList,
    ),
    Endpoint(
        "GET",
        "/api/v1/settings/{name}",
        "settings.see",
        get_setting,
        "一项设置及其更改 / a setting and its changes",
        answers=SettingDetail,
    ),
    Endpoint(
        "POST",
        "/api/v1/settings/{name}",
        "settings.set",
        post_setting,
        "自某日起更改业务设置 / set how the work is done, from a day on",
        takes=SettingRequest,
        answers=SettingDetail,
    ),
    Endpoint(
        "POST",
        "/api/v1/settings/{name}/secure",
        "settings.secure",
        post_security_setting,
        "自某日起更改安全设置，须再次输入密码 / set who gets in, with the own password",
        takes=SecuritySettingRequest,
        answers=SettingDetail,
    ),
)
