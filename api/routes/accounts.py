"""Accounts, teams and agents' numbers: what a security administrator does."""

from collections.abc import Sequence

from aiohttp import web

from api.access import accounts, passwords, second_factor, sessions, tokens
from api.access.accounts import UserRow
from api.context import context, signed_in
from api.endpoint import Endpoint, answer, read_body
from api.models import Done
from api.models_access import (
    AccountChange,
    AccountList,
    AccountPassword,
    AccountView,
    Assigned,
    NewAccount,
    NewTeam,
    NumberAssignment,
    NumberView,
    TeamList,
    TokenList,
    TokenView,
)
from api.routes.recordings import path_id
from archive import teams


def account_view(row: UserRow, numbers: Sequence[str]) -> AccountView:
    """An account without its secrets."""
    return AccountView(
        name=row.name,
        role=row.role,
        team=row.team,
        numbers=list(numbers),
        active=row.active,
        created_at=row.created_at,
        must_change_password=row.must_change,
        second_factor=bool(row.totp_sealed),
        provider_name=row.oidc_name,
    )


async def all_accounts(request: web.Request) -> list[AccountView]:
    """Every account with the numbers that it holds now."""
    here = context(request)
    async with here.database.read() as session:
        held = await teams.numbers_held(session, here.now())
        rows = await accounts.list_users(session)
    return [account_view(row, [each.number for each in held if each.holder == row.name]) for row in rows]


async def all_teams(request: web.Request) -> TeamList:
    """The teams, and each number as it stands now."""
    here = context(request)
    async with here.database.read() as session:
        held = await teams.numbers_held(session, here.now())
        names = list(await teams.teams(session))
    numbers = [NumberView.model_validate(each, from_attributes=True) for each in held if each.team or each.holder]
    return TeamList(items=names, numbers=numbers)


async def add_account(request: web.Request, asked: NewAccount) -> AccountPassword:
    """Add one; the password is answered where we made it."""
    here, generated = context(request), "" if asked.password else passwords.generate()
    await accounts.create_user(
        here.database,
        asked.name,
        asked.password or generated,
        asked.role,
        team=asked.team,
        by=signed_in(request).name,
        now=here.now(),
        must_change=True,
    )
    return AccountPassword(name=asked.name, password=generated)


async def change_account(request: web.Request, name: str, asked: AccountChange) -> None:
    """All that is asked, or nothing."""
    here, by = context(request), signed_in(request).name
    now = here.now()
    async with here.database.write() as session:
        if asked.role is not None:
            await accounts.set_role(session, name, asked.role, by=by, now=now)
        if asked.team is not None:
            await accounts.set_team(session, name, asked.team, by=by, now=now)
        if asked.provider_name is not None:
            await accounts.set_oidc_name(session, name, asked.provider_name.strip(), by=by, now=now)
        if asked.active is not None:
            await accounts.set_active(session, name, asked.active, by=by, now=now)


async def reset_password(request: web.Request, name: str) -> AccountPassword:
    """A new random password that must be changed; the account's sessions and tokens end."""
    here, by, generated = context(request), signed_in(request).name, passwords.generate()
    accounts.not_oneself(name, by)
    await accounts.set_password(here.database, name, generated, by=by, now=here.now(), must_change=True)
    return AccountPassword(name=name, password=generated)


async def remove_factor(request: web.Request, name: str) -> None:
    """Somebody lost the telephone: the password alone lets in again, so a new one belongs with it."""
    here, by = context(request), signed_in(request).name
    accounts.not_oneself(name, by)
    async with here.database.write() as session:
        await second_factor.remove(session, name, by=by, now=here.now())
        await sessions.end_sessions(session, name)


async def end_all_sessions(request: web.Request, name: str) -> None:
    """Whoever is logged in as this account is out at once."""
    here, by = context(request), signed_in(request).name
    async with here.database.write() as session:
        await accounts.account(session, name)
        await sessions.end_sessions(session, name)
        await accounts.record(session, "sessions ended", by, name, {}, here.now())


async def found_team(request: web.Request, asked: NewTeam) -> None:
    here = context(request)
    async with here.database.write() as session:
        await teams.add_team(session, asked.name.strip(), by=signed_in(request).name, now=here.now())


async def assign_number(request: web.Request, asked: NumberAssignment) -> int:
    """Give a number to a team and an account; returns how many recordings moved with it."""
    here, by = context(request), signed_in(request).name
    now = here.now()
    async with here.database.write() as session:
        return await accounts.give_number(
            session,
            asked.number,
            team=asked.team,
            holder=asked.holder,
            since=asked.since or now,
            by=by,
            now=now,
        )


async def get_accounts(request: web.Request) -> web.Response:
    return answer(AccountList(items=await all_accounts(request)))


async def post_account(request: web.Request) -> web.Response:
    return answer(await add_account(request, await read_body(request, NewAccount)), status=201)


async def post_change(request: web.Request) -> web.Response:
    await change_account(request, request.match_info["name"], await read_body(request, AccountChange))
    return answer(Done())


async def post_reset(request: web.Request) -> web.Response:
    return answer(await reset_password(request, request.match_info["name"]))


async def post_factor_removal(request: web.Request) -> web.Response:
    await remove_factor(request, request.match_info["name"])
    return answer(Done())


async def post_end_sessions(request: web.Request) -> web.Response:
    await end_all_sessions(request, request.match_info["name"])
    return answer(Done())


async def get_teams(request: web.Request) -> web.Response:
    return answer(await all_teams(request))


async def post_team(request: web.Request) -> web.Response:
    await found_team(request, await read_body(request, NewTeam))
    return answer(await all_teams(request), status=201)


async def post_number(request: web.Request) -> web.Response:
    moved = await assign_number(request, await read_body(request, NumberAssignment))
    return answer(Assigned(recordings=moved))


async def get_all_tokens(request: web.Request) -> web.Response:
    async with context(request).database.read() as session:
        rows = await tokens.tokens_of(session)
    items = [TokenView.model_validate(row, from_attributes=True) for row in rows]
    return answer(TokenList(items=items, scopes=[]))


async def post_revocation(request: web.Request) -> web.Response:
    here = context(request)
    async with here.database.write() as session:
        await tokens.revoke(session, path_id(request), of=None, by=signed_in(request).name, now=here.now())
    return answer(Done())


_ROOM = "/api/v1/accounts"
ENDPOINTS = (
    Endpoint("GET", _ROOM, "accounts.see", get_accounts, "账号 / accounts", answers=AccountList),
    Endpoint(
        "POST",
        _ROOM,
        "accounts.manage",
        post_account,
        "新增账号 / add an account",
        takes=NewAccount,
        answers=AccountPassword,
        status=201,
    ),
    Endpoint(
        "POST",
        f"{_ROOM}/{{name}}",
        "accounts.manage",
        post_change,
        "更改角色、班组、启停 / change role, team, on or off",
        takes=AccountChange,
        answers=Done,
    ),
    Endpoint(
        "POST",
        f"{_ROOM}/{{name}}/password",
        "accounts.manage",
        post_reset,
        "重置密码，结束会话并吊销令牌 / a new password, shown once; sessions and tokens end",
        answers=AccountPassword,
    ),
    Endpoint(
        "POST",
        f"{_ROOM}/{{name}}/second-factor/remove",
        "accounts.manage",
        post_factor_removal,
        "取消第二验证 / take the second factor off",
        answers=Done,
    ),
    Endpoint(
        "POST",
        f"{_ROOM}/{{name}}/sessions/end",
        "accounts.manage",
        post_end_sessions,
        "结束全部会话 / end every session of an account",
        answers=Done,
    ),
    Endpoint("GET", "/api/v1/teams", "accounts.see", get_teams, "班组与分机 / teams and numbers", answers=TeamList),
    Endpoint(
        "POST",
        "/api/v1/teams",
        "accounts.manage",
        post_team,
        "新增班组 / found a team",
        takes=NewTeam,
        answers=TeamList,
        status=201,
    ),
    Endpoint(
        "POST",
        "/api/v1/numbers",
        "accounts.manage",
        post_number,
        "分机划归班组 / give an agent's number to a team",
        takes=NumberAssignment,
        answers=Assigned,
    ),
    Endpoint("GET", "/api/v1/tokens", "accounts.see", get_all_tokens, "全部令牌 / all tokens", answers=TokenList),
    Endpoint(
        "POST", "/api/v1/tokens/{id}/revoke", "accounts.manage", post_revocation, "吊销令牌 / revoke", answers=Done
    ),
)
