"""The own account: password, second factor, sessions, and the tokens of one's machines."""

from datetime import timedelta

from aiohttp import web

from api.access import accounts, second_factor, sessions, signin, tokens
from api.access.accounts import UserRow
from api.access.attempts import Attempt
from api.access.secret import digest, form_token
from api.access.signin import Locked, Login
from api.client import client_of
from api.context import TOKEN, context, signed_in
from api.endpoint import Endpoint, answer, read_body
from api.middleware import SESSION_COOKIE
from api.models import Done
from api.models_access import (
    NewToken,
    OwnAccount,
    PasswordChange,
    SessionList,
    SessionView,
    TokenList,
    TokenMade,
    TokenView,
)
from api.problems import Problem
from api.routes.recordings import path_id

NOT_THE_PASSWORD = "现在的密码不正确 / the present password is wrong"  # noqa: S105


async def own_account(request: web.Request) -> UserRow:
    async with context(request).database.read() as session:
        return await session.get_one(UserRow, signed_in(request).name)


async def get_own(request: web.Request) -> web.Response:
    """Who is logged in now: a page that lies open asks before it sends what was written on it."""
    user, token = signed_in(request), request.cookies.get(SESSION_COOKIE, "")
    by_cookie = bool(token) and token == request[TOKEN]
    return answer(
        OwnAccount(
            name=user.name,
            role=user.role,
            team=user.team,
            pending=user.pending,
            form_token=form_token(token) if by_cookie else "",
        )
    )


async def require_password(request: web.Request, password: str) -> None:
    """A ``Problem`` 422 or 429 unless it is the own one: whoever finds an open screen does not get further."""
    here, name = context(request), signed_in(request).name
    attempt = Attempt(name, client_of(request).address)
    right = await signin.confirm(here.database, here.checks, attempt, password, now=here.now())
    if isinstance(right, Locked):
        seconds = int(right.wait / timedelta(seconds=1)) + 1
        raise Problem(429, f"请在 {seconds} 秒后再试 / try again in {seconds} s", {"Retry-After": str(seconds)})
    if not right:
        raise Problem(422, NOT_THE_PASSWORD)


async def change_password(request: web.Request, asked: PasswordChange) -> Login:
    """Set the own password; every session ends, and the one that asked goes on under another token."""
    here, name = context(request), signed_in(request).name
    await require_password(request, asked.current)
    if asked.new == asked.current:
        raise Problem(422, "新密码与现在的相同 / the new password is the present one")
    await accounts.set_password(here.database, name, asked.new, by=name, now=here.now(), must_change=False)
    return await renewed(request)


async def renewed(request: web.Request) -> Login:
    """A new token for whoever asks, after rights or secrets changed; all others of the account end."""
    here = context(request)
    return await signin.renew(here.database, here.rules, signed_in(request).name, client_of(request), now=here.now())


async def own_sessions(request: web.Request) -> list[SessionView]:
    here, current = context(request), digest(request[TOKEN])
    async with here.database.read() as session:
        rows = await sessions.sessions_of(session, signed_in(request).name, here.now(), here.rules.lasts)
    return [
        SessionView(
            id=row.id,
            created_at=row.created_at,
            seen_at=row.seen_at,
            expires_at=row.expires_at,
            address=row.address,
            browser=row.browser,
            current=row.token_sha256 == current,
        )
        for row in rows
    ]


async def end_own_session(request: web.Request) -> None:
    """End one of the own sessions; ``Problem`` 404 for one that is somebody else's or none."""
    async with context(request).database.write() as session:
        if not await sessions.end_sessions(session, signed_in(request).name, only=path_id(request)):
            raise Problem(404, "没有这个会话 / no such session")


async def own_tokens(request: web.Request) -> list[TokenView]:
    async with context(request).database.read() as session:
        rows = await tokens.tokens_of(session, signed_in(request).name)
    return [TokenView.model_validate(row, from_attributes=True) for row in rows]


async def make_own_token(request: web.Request, asked: NewToken) -> TokenMade:
    here = context(request)
    async with here.database.write() as session:
        row, secret = await tokens.make_token(
            session, signed_in(request), asked.label, asked.scopes, lasts=timedelta(days=asked.days), now=here.now()
        )
    return TokenMade(token=TokenView.model_validate(row, from_attributes=True), secret=secret)


async def revoke_own_token(request: web.Request) -> None:
    here, name = context(request), signed_in(request).name
    async with here.database.write() as session:
        await tokens.revoke(session, path_id(request), of=name, by=name, now=here.now())


async def remove_own_factor(request: web.Request, password: str) -> None:
    """Take the own second factor off; the password shows who asks."""
    here, name = context(request), signed_in(request).name
    await require_password(request, password)
    async with here.database.write() as session:
        await second_factor.remove(session, name, by=name, now=here.now())


async def post_password(request: web.Request) -> web.Response:
    await change_password(request, await read_body(request, PasswordChange))
    return answer(Done())


async def get_sessions(request: web.Request) -> web.Response:
    return answer(SessionList(items=await own_sessions(request)))


async def post_session_end(request: web.Request) -> web.Response:
    await end_own_session(request)
    return answer(Done())


async def get_tokens(request: web.Request) -> web.Response:
    scopes = list(tokens.scopes_of(signed_in(request)))
    return answer(TokenList(items=await own_tokens(request), scopes=scopes))


async def post_token(request: web.Request) -> web.Response:
    return answer(await make_own_token(request, await read_body(request, NewToken)), status=201)


async def post_token_revocation(request: web.Request) -> web.Response:
    await revoke_own_token(request)
    return answer(Done())


_ROOM = "/api/v1/account"
ENDPOINTS = (
    Endpoint("GET", _ROOM, "account.own", get_own, "当前登录的账号 / who is logged in", answers=OwnAccount),
    Endpoint(
        "POST",
        f"{_ROOM}/password",
        "account.own",
        post_password,
        "更改自己的密码，结束全部会话 / change the own password; every session ends",
        takes=PasswordChange,
        answers=Done,
    ),
    Endpoint(
        "GET", f"{_ROOM}/sessions", "account.own", get_sessions, "自己的会话 / the own sessions", answers=SessionList
    ),
    Endpoint(
        "POST",
        f"{_ROOM}/sessions/{{id}}/end",
        "account.own",
        post_session_end,
        "结束自己的一个会话 / end one of them",
        answers=Done,
    ),
    Endpoint("GET", f"{_ROOM}/tokens", "tokens.own", get_tokens, "自己的令牌 / the own tokens", answers=TokenList),
    Endpoint(
        "POST",
        f"{_ROOM}/tokens",
        "tokens.own",
        post_token,
        "为程序新建令牌（仅显示一次） / a token for a machine, shown once",
        takes=NewToken,
        answers=TokenMade,
        status=201,
    ),
    Endpoint(
        "POST",
        f"{_ROOM}/tokens/{{id}}/revoke",
        "tokens.own",
        post_token_revocation,
        "吊销自己的令牌 / revoke one of them",
        answers=Done,
    ),
)
