"""Who is asking, as every handler and query sees them."""

from dataclasses import dataclass

from api.permissions import allows

# What somebody has to do before anything else; until then only the own account is open.
NEW_PASSWORD, NEW_FACTOR = "password", "second factor"


@dataclass(frozen=True)
class User:
    """``scopes`` narrows what a machine's token may do; ``None``: all that the role may.  ``pending`` is what has to be
    done first, or empty."""

    name: str
    role: str
    team: str = ""
    scopes: frozenset[str] | None = None
    pending: str = ""

    def may(self, permission: str) -> bool:
        """Whether the table, and the token's scopes, allow it."""
        return allows(permission, self.role) and (self.scopes is None or permission in self.scopes)
