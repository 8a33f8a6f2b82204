"""The own second factor: a secret that is only shown, then kept with the first code that is made with it."""

from aiohttp import web

from api.access import second_factor, sessions
from api.context import context, signed_in
from api.endpoint import Endpoint, answer, read_body
from api.models import Done
from api.models_access import FactorCodes, FactorEnrolment, FactorStarted, OwnPassword
from api.problems import Problem
from api.routes import own

ISSUER = "回音 Huiyin"


async def post_start(request: web.Request) -> web.Response:
    """Nothing is stored until a code comes back."""
    await own.require_password(request, (await read_body(request, OwnPassword)).password)
    secret = second_factor.new_factor()
    return answer(FactorStarted(secret=secret, address=second_factor.address(secret, signed_in(request).name, ISSUER)))


async def post_factor(request: web.Request) -> web.Response:
    """Every session ends: whoever knew the password alone is out."""
    here, name, asked = context(request), signed_in(request).name, await read_body(request, FactorEnrolment)
    if not second_factor.is_secret(asked.secret):
        raise Problem(422, "secret: expected the one that was answered to start")
    async with here.database.write() as session:
        codes = await second_factor.enrol(session, here.secrets, name, asked.secret, asked.code, now=here.now())
        await sessions.end_sessions(session, name)
    return answer(FactorCodes(codes=list(codes)))


async def post_remove(request: web.Request) -> web.Response:
    await own.remove_own_factor(request, (await read_body(request, OwnPassword)).password)
    async with context(request).database.write() as session:
        await sessions.end_sessions(session, signed_in(request).name)
    return answer(Done())


_ROOM = "/api/v1/account/second-factor"
ENDPOINTS = (
    Endpoint(
        "POST",
        f"{_ROOM}/start",
        "account.own",
        post_start,
        "开始设置自己的第二验证 / begin to set up the own second factor",
        takes=OwnPassword,
        answers=FactorStarted,
    ),
    Endpoint(
        "POST",
        _ROOM,
        "account.own",
        post_factor,
        "启用第二验证，答复恢复码，结束全部会话 / keep it; answers recovery codes, every session ends",
        takes=FactorEnrolment,
        answers=FactorCodes,
    ),
    Endpoint(
        "POST",
        f"{_ROOM}/remove",
        "account.own",
        post_remove,
        "取消自己的第二验证，结束全部会话 / take it off; every session ends",
        takes=OwnPassword,
        answers=Done,
    ),
)
