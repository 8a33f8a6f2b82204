"""Who may do what: one table.  Every route names one of these permissions; nothing else decides about access."""

from collections.abc import Mapping

AGENT, AUDITOR, ADMIN = "agent", "auditor", "admin"
ROLES = (AGENT, AUDITOR, ADMIN)

# For login, health and the style sheet: no user is needed.
PUBLIC = "public"

_EVERYONE = frozenset(ROLES)

PERMISSIONS: Mapping[str, frozenset[str]] = {
    "session.end": _EVERYONE,
    "recordings.see": _EVERYONE,
    "audio.hear": _EVERYONE,
    "transcripts.see": _EVERYONE,
    "recordings.search": _EVERYONE,
    "orders.see": _EVERYONE,
    # An auditor changes nothing that he audits.
    "orders.import": frozenset({AGENT, ADMIN}),
    "links.see": _EVERYONE,
    "links.decide": frozenset({AGENT, ADMIN}),
    "findings.decide": frozenset({AGENT, ADMIN}),
    "reports.see": _EVERYONE,
    "reports.issue": frozenset({AGENT, ADMIN}),
    "calls.see": _EVERYONE,
    "calls.pause": frozenset({AGENT, ADMIN}),
    "jobs.see": _EVERYONE,
    "jobs.retry": frozenset({ADMIN}),
    "ledger.see": frozenset({AUDITOR}),
    # Two people decide about holds and disposals: auditors, or whoever runs the place.
    "exports.see": frozenset({AUDITOR, ADMIN}),
    "exports.make": frozenset({AUDITOR, ADMIN}),
    "holds.see": frozenset({AUDITOR, ADMIN}),
    "holds.decide": frozenset({AUDITOR, ADMIN}),
    "disposals.see": frozenset({AUDITOR, ADMIN}),
    "disposals.decide": frozenset({AUDITOR, ADMIN}),
    "policies.see": frozenset({AUDITOR, ADMIN}),
    "policies.set": frozenset({ADMIN}),
}


def allows(permission: str, role: str | None) -> bool:
    """Whether someone of ``role`` (``None``: nobody is logged in) has the permission; an unknown one raises."""
    if permission == PUBLIC:
        return True
    return role in PERMISSIONS[permission]
