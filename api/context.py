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

# Set for every request before its handler runs.
LANGUAGE = web.RequestKey("LANGUAGE", str)
TOKEN = web.RequestKey("TOKEN", str)
# Nothing under this key: nobody is logged in.
USER = web.RequestKey("USER", User)


def context(request: web.Request) -> Context:
    """The application's context."""
    return request.app[CONTEXT]


def signed_in(request: web.Request) -> User:
    """Who is asking; only for routes whose permission needs a user."""
    return request[USER]
