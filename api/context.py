"""What every handler can reach: the archive, the settings and who is asking."""

import logging
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from aiohttp import web

from api.access.limits import RateLimit
from api.access.passwords import PasswordChecks
from api.access.sessions import Lasts
from api.access.signin import Rules
from api.access.user import User
from api.listening import Listenings
from api.metrics import Metrics
from archive.house import Archive
from core.database import Database
from core.errors import SettingsError, Unavailable
from core.in_force import InForce
from core.sealed_secrets import SecretBox
from core.settings import Settings


@dataclass(frozen=True)
class Context:
    """One for each application."""

    archive: Archive
    in_force: InForce
    metrics: Metrics
    listenings: Listenings
    limit: RateLimit
    checks: PasswordChecks = field(default_factory=PasswordChecks)

    @property
    def database(self) -> Database:
        return self.archive.database

    @property
    def settings(self) -> Settings:
        """The settings in force today."""
        return self.in_force.settings_on(self.today())

    def today(self) -> date:
        """The local day."""
        return self.now().astimezone(self.in_force.operating.installed.timezone).date()

    @property
    def rules(self) -> Rules:
        """What the settings say about logins."""
        settings = self.settings
        lasts = Lasts(timedelta(hours=settings.session_hours), timedelta(minutes=settings.session_idle_minutes))
        return Rules(lasts, settings.second_factor_roles)

    @property
    def secrets(self) -> SecretBox:
        """What seals secrets in the database.  Read at each use: it is rare, and a restored key needs no new start.

        ``Unavailable`` without a usable key; the log says which file, visitors need not know."""
        try:
            return SecretBox.open(self.settings.secret_key)
        except SettingsError as error:
            log.error("stored secrets cannot be read", extra={"facts": {"error": error}})
            raise Unavailable(NO_KEY) from error

    def now(self) -> datetime:
        """This moment, aware, in UTC."""
        return self.archive.clock()


log = logging.getLogger(__name__)

NO_KEY = "封存密钥不可用，请联系运维 / the key of stored secrets cannot be used: tell whoever runs this place"
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
