"""What the HTTP API takes and answers about the ledger."""

from datetime import date
from typing import Literal

from pydantic import Field

from api.models import LedgerView, Model


class LedgerQuery(Model):
    """``about``: a group of kinds; ``role``: what people of one role did; days are local, both included."""

    subject: str | None = Field(default=None, max_length=120)
    kind: str | None = Field(default=None, max_length=40)
    about: Literal["seen", "decided", "accounts"] | None = None
    actor: str | None = Field(default=None, max_length=120)
    role: Literal["agent", "supervisor", "auditor", "client", "system", "security", "audit"] | None = None
    since: date | None = Field(default=None, alias="from")
    to: date | None = None
    cursor: str | None = Field(default=None, max_length=200)
    limit: int = Field(default=100, ge=1, le=500)


class LedgerPage(Model):
    """``next``: ask again with it as ``cursor`` for older rows; ``size``: how many rows the ledger has."""

    items: list[LedgerView]
    next: str | None
    size: int
