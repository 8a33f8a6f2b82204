"""Who may do what: one table.  Every route names one of these permissions; nothing else decides about access.

Team-bound roles do what they may to recordings of their team only: see `api.scope`.
"""

from collections.abc import Mapping

# 回访专员 calls citizens back and corrects the text; 项目负责人 answers for the team's work and issues reports.
AGENT, SUPERVISOR = "agent", "supervisor"
# 审计 retrieves, holds and disposes, and changes nothing of what it audits; 甲方 reads figures and takes over the data.
AUDITOR, CLIENT = "auditor", "client"
# 系统管理员 runs the machines, 安全管理员 gives accounts, 审计管理员 audits both and the auditors; none hears audio.
SYSTEM, SECURITY, AUDIT = "system", "security", "audit"
ROLES = (AGENT, SUPERVISOR, AUDITOR, CLIENT, SYSTEM, SECURITY, AUDIT)
TEAM_BOUND = frozenset({AGENT, SUPERVISOR})

# For login, health and the style sheet: no user is needed.
PUBLIC = "public"

_EVERYONE = frozenset(ROLES)
_TEAM = frozenset({AGENT, SUPERVISOR})
_LISTENERS = frozenset({AGENT, SUPERVISOR, AUDITOR})
_KEEPERS = frozenset({AUDITOR, SYSTEM})

PERMISSIONS: Mapping[str, frozenset[str]] = {
    # What everybody may do to himself: log out, change the own password, second factor, sessions and tokens.
    "session.end": _EVERYONE,
    "start.see": _EVERYONE,
    "account.own": _EVERYONE,
    "tokens.own": _EVERYONE,
    "reference.see": _EVERYONE,
    "accounts.see": frozenset({SECURITY, AUDIT}),
    "accounts.manage": frozenset({SECURITY}),
    "settings.see": frozenset({SYSTEM, SECURITY, AUDIT}),
    # How the work is done; and, apart from it, who gets in and for how long.
    "settings.set": frozenset({SYSTEM}),
    "settings.secure": frozenset({SECURITY}),
    # The words of a team: whoever answers for it knows the city's units.  Who audits it sees them.
    "dictionaries.see": frozenset({SUPERVISOR, AUDITOR, SYSTEM, AUDIT}),
    "dictionaries.set": frozenset({SUPERVISOR, SYSTEM}),
    # Auditors have their own pages: this is what callers act on.
    "work.see": _TEAM,
    "recordings.see": _LISTENERS,
    "audio.hear": _LISTENERS,
    # For machines: a token of somebody who answers for calls or for gateways.  What was refused lies in quarantine.
    "recordings.upload": frozenset({SUPERVISOR, SYSTEM}),
    "quarantine.see": frozenset({SUPERVISOR, AUDITOR, SYSTEM}),
    "quarantine.decide": frozenset({SYSTEM}),
    "transcripts.see": _LISTENERS,
    "recordings.search": _LISTENERS,
    "search.export": frozenset({SUPERVISOR, AUDITOR}),
    # Numbers and names in full: asked with a purpose, and in the ledger before they are shown.
    "people.reveal": _LISTENERS,
    "orders.see": _LISTENERS,
    "orders.import": _TEAM,
    "links.see": _LISTENERS,
    # An auditor changes nothing that he audits.
    "links.decide": _TEAM,
    "findings.decide": _TEAM,
    "transcripts.correct": _TEAM,
    "comments.make": _TEAM,
    "recordings.check": _LISTENERS,
    # Whole evidence leaves the house with a purpose, by whoever answers for the team or audits it.
    "evidence.take": frozenset({SUPERVISOR, AUDITOR}),
    "shares.manage": frozenset({SUPERVISOR, AUDITOR}),
    # A redacted copy changes nothing of what is audited: it is made for being handed out.
    "redactions.make": frozenset({SUPERVISOR, AUDITOR}),
    "reports.see": frozenset({AGENT, SUPERVISOR, AUDITOR, CLIENT}),
    "reports.issue": frozenset({SUPERVISOR}),
    "calls.see": frozenset({AGENT, SUPERVISOR, AUDITOR, SYSTEM}),
    "calls.pause": _TEAM,
    "jobs.see": frozenset({SUPERVISOR, AUDITOR, SYSTEM, AUDIT}),
    "jobs.retry": frozenset({SYSTEM}),
    "ledger.see": frozenset({AUDITOR, AUDIT}),
    # A handover holds every team's recordings: the client takes over, nobody of a team may.
    "exports.see": frozenset({AUDITOR, CLIENT}),
    "exports.make": frozenset({AUDITOR}),
    # Whoever fetches the bag may also record, with the paper signed, that it arrived.
    "exports.take": frozenset({AUDITOR, CLIENT}),
    # Two people decide about holds and disposals: auditors, or one of them and whoever runs the place.
    "holds.see": _KEEPERS,
    "holds.decide": _KEEPERS,
    "disposals.see": _KEEPERS,
    "disposals.decide": _KEEPERS,
    "policies.see": frozenset({SUPERVISOR, AUDITOR, CLIENT, SYSTEM, AUDIT}),
    "policies.set": frozenset({SYSTEM}),
    # Where messages go is set by whoever runs the machines, and seen by whoever audits him.
    "webhooks.see": frozenset({SYSTEM, AUDIT}),
    "webhooks.manage": frozenset({SYSTEM}),
}


def allows(permission: str, role: str | None) -> bool:
    """Whether someone of ``role`` (``None``: nobody is logged in) has the permission; an unknown one raises."""
    if permission == PUBLIC:
        return True
    return role in PERMISSIONS[permission]
