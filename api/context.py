"""What every handler can reach: the archive, the settings and who is asking."""

from dataclasses import dataclass
from datetime import datetime

from aiohttp import web

from api.auth import LoginGuard, User
from api.listening import Listenings
from api.metrics import Metrics
from archive.house import Archive
from core.database import Database
from core.settings import Settings


@dataclass(frozen=True)
class Context:
    """One for each application."""

    archive: Archive
    settings: Settings
    metrics: Metrics
    guard: LoginGuard
    listenings: Listenings

    @property
    def database(self) -> Database:
        return self.archive.database

    def now(self) -> datetime:
        """This moment, aware, in UTC."""
        return self.archive.clock()


CONTEXT = web.AppKey("CONTEXT", Context)


def context(request: web.Request) -> Context:
    """The application's context."""
    return request.app[CONTEXT]


def signed_in(request: web.Request) -> User:
    """Who is asking; only for routes whose permission needs a user."""
    user = request["user"]
    assert isinstance(user, User)
    return user
