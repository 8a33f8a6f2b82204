"""What the HTTP API takes and answers about logins, accounts, teams, sessions and tokens."""

from datetime import datetime
from uuid import UUID

from pydantic import Field

from api.models import Model, PartyView


class LoginRequest(Model):
    """``code``: of the second factor, where the account has one."""

    name: str = Field(max_length=60)
    password: str = Field(max_length=200)
    code: str = Field(default="", max_length=40)


class LoginAnswer(Model):
    """``token`` serves as ``Authorization: Bearer <token>``.  ``pending``: what has to be done in the own account
    before anything else (``password``, ``second factor``), or empty."""

    name: str
    role: str
    token: str
    form_token: str
    expires_at: datetime
    pending: str


class OwnAccount(Model):
    """Who asks.  ``form_token`` is what a page sends along (``X-CSRF-Token``); empty for a machine."""

    name: str
    role: str
    team: str
    pending: str
    form_token: str


class NewAccount(Model):
    """Without ``password`` a random one is made, answered once, and has to be changed at the first login."""

    name: str = Field(min_length=1, max_length=60)
    role: str = Field(max_length=10)
    team: str = Field(default="", max_length=60)
    password: str | None = Field(default=None, max_length=200)


class AccountChange(Model):
    """What is absent stays."""

    role: str | None = Field(default=None, max_length=10)
    team: str | None = Field(default=None, max_length=60)
    active: bool | None = None
    provider_name: str | None = Field(default=None, max_length=200)


class AccountView(Model):
    name: str
    role: str
    team: str
    numbers: list[str]
    active: bool
    created_at: datetime
    must_change_password: bool
    second_factor: bool
    provider_name: str


class AccountList(Model):
    items: list[AccountView]


class AccountPassword(Model):
    """The password is shown here and never again."""

    name: str
    password: str


class PasswordChange(Model):
    current: str = Field(max_length=200)
    new: str = Field(max_length=200)


class OwnPassword(Model):
    """Once more: whoever finds an open screen does not get further."""

    password: str = Field(max_length=200)


class FactorStarted(Model):
    """``address`` is what a telephone reads as a QR code."""

    secret: str
    address: str


class FactorEnrolment(Model):
    secret: str = Field(max_length=64)
    code: str = Field(max_length=40)


class FactorCodes(Model):
    """Recovery codes, shown once."""

    codes: list[str]


class NewTeam(Model):
    name: str = Field(min_length=1, max_length=60)


class NumberAssignment(Model):
    """``since``: from when on; recordings of the number from then on follow it.  Absent: now."""

    number: str = Field(min_length=1, max_length=64, pattern=r"^[0-9*#+]+$")
    team: str = Field(default="", max_length=60)
    holder: str = Field(default="", max_length=60)
    since: datetime | None = None


class NumberView(Model):
    number: str
    team: str
    holder: str
    since: datetime


class TeamList(Model):
    items: list[str]
    numbers: list[NumberView]


class Assigned(Model):
    """How many recordings changed their team."""

    recordings: int


class SessionView(Model):
    id: UUID
    created_at: datetime
    seen_at: datetime
    expires_at: datetime
    address: str
    browser: str
    current: bool


class SessionList(Model):
    items: list[SessionView]


class NewToken(Model):
    label: str = Field(min_length=1, max_length=60)
    scopes: list[str] = Field(min_length=1, max_length=100)
    days: int = Field(default=90, ge=1, le=366)


class TokenView(Model):
    id: UUID
    user: str
    label: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None


class TokenMade(Model):
    """``secret`` is shown here and never again."""

    token: TokenView
    secret: str


class TokenList(Model):
    """``scopes``: what the asking account may hand to a machine."""

    items: list[TokenView]
    scopes: list[str]


class RevealRequest(Model):
    purpose: str = Field(min_length=4, max_length=200)


class RevealedRecording(Model):
    agent: PartyView
    citizen: PartyView


class RevealedOrder(Model):
    caller: PartyView
    title: str
    content: str
    result: str
    reply: str
