"""Who may use which route, written out by hand from what each role is for; the permission table must agree.

A new route needs a line here: decide who may, then write it.  GET includes HEAD.
"""

from collections.abc import Mapping

from api.permissions import ROLES

PUBLIC = "public"

_MATRIX = """
[public]
POST /api/v1/login
GET /api/v1/openapi.json
GET /healthz
GET /login
POST /login
GET /login/code
POST /login/code
GET /login/provider
GET /login/provider/back
POST /look
GET /metrics
GET /readyz
GET /s/{token}
GET /s/{token}/audio
GET /static/{name:.+}

[everyone]
GET /
GET /account
POST /account/password
POST /account/second-factor
POST /account/second-factor/remove
POST /account/second-factor/start
POST /account/sessions/{id}/end
POST /account/tokens
POST /account/tokens/{id}/revoke
GET /api/v1/account
POST /api/v1/account/password
POST /api/v1/account/second-factor
POST /api/v1/account/second-factor/remove
POST /api/v1/account/second-factor/start
GET /api/v1/account/sessions
POST /api/v1/account/sessions/{id}/end
GET /api/v1/account/tokens
POST /api/v1/account/tokens
POST /api/v1/account/tokens/{id}/revoke
POST /api/v1/logout
GET /reference
GET /reference/{subject}
POST /logout

[supervisor auditor client system audit]
GET /api/v1/policies
GET /keeping/policies

[agent supervisor auditor client]
GET /api/v1/reports
GET /api/v1/reports/{id}/docx
GET /api/v1/reports/{id}/html
GET /events/reports
GET /reports

[agent supervisor auditor system]
GET /api/v1/calls
GET /api/v1/status
GET /events/pipeline
GET /status

[supervisor auditor system audit]
GET /api/v1/jobs
GET /api/v1/nights
GET /api/v1/nights/{night}
GET /nightly
GET /nightly/{night}

[agent supervisor auditor]
GET /api/v1/link-questions
GET /api/v1/me/review
PUT /api/v1/me/review
POST /api/v1/persons
GET /api/v1/recordings
GET /api/v1/recordings/{id}
GET /api/v1/recordings/{id}/audio
POST /api/v1/recordings/{id}/check
GET /api/v1/recordings/{id}/clip
GET /api/v1/recordings/{id}/comments
PUT /api/v1/recordings/{id}/place
GET /api/v1/recordings/{id}/retention
POST /api/v1/recordings/{id}/reveal
GET /api/v1/recordings/{id}/transcript
GET /api/v1/recordings/{id}/versions
GET /api/v1/recordings/{id}/versions/{number}/difference
GET /api/v1/recordings/{id}/waveform
GET /api/v1/search
GET /api/v1/search/saved
POST /api/v1/search/saved
DELETE /api/v1/search/saved/{id}
GET /api/v1/work-orders
GET /api/v1/work-orders/{number:.+}
GET /api/v1/work-orders/{number:.+}/timeline
POST /api/v1/work-orders/{number:.+}/reveal
GET /events/recordings/{id}
GET /links
GET /orders
GET /orders/{number:.+}
GET /orders/{number:.+}/reveal
POST /orders/{number:.+}/reveal
GET /recordings
GET /recordings/{id}
POST /recordings/{id}/check
GET /recordings/{id}/reveal
POST /recordings/{id}/reveal
GET /recordings/{id}/versions/{number}
GET /search
POST /search/person
POST /search/saved
POST /search/saved/{id}/delete

[system security audit]
GET /admin
GET /admin/settings
GET /admin/settings/{name}
GET /api/v1/settings
GET /api/v1/settings/{name}

[supervisor auditor system audit]
GET /admin/dictionaries
GET /admin/dictionaries/{name}
GET /api/v1/dictionaries
GET /api/v1/dictionaries/{name}

[supervisor system]
POST /admin/dictionaries/{name}
POST /admin/dictionaries/{name}/{id}
POST /admin/dictionaries/{name}/{id}/end
POST /api/v1/dictionaries/{name}
POST /api/v1/dictionaries/{name}/{id}
POST /api/v1/dictionaries/{name}/{id}/end

[agent supervisor]
POST /api/v1/calls/{id}/pause
POST /api/v1/calls/{id}/resume
POST /api/v1/findings/{id}
POST /api/v1/recordings/{id}/comments
DELETE /api/v1/recordings/{id}/draft
GET /api/v1/recordings/{id}/draft
PATCH /api/v1/recordings/{id}/draft
POST /api/v1/recordings/{id}/link
POST /api/v1/recordings/{id}/versions
GET /api/v1/work
POST /api/v1/work-orders/import
POST /findings/{id}
POST /orders/import
POST /recordings/{id}/comments
POST /recordings/{id}/link
POST /status/calls/{id}/pause
POST /status/calls/{id}/resume
GET /work

[auditor audit]
GET /api/v1/ledger
GET /api/v1/ledger/head
GET /api/v1/recordings/{id}/proof
GET /ledger

[auditor client]
GET /api/v1/exports
GET /api/v1/exports/{id}
GET /api/v1/exports/{id}/download
POST /api/v1/exports/{id}/receipt
GET /events/exports
GET /handover
POST /handover/{id}/receipt

[auditor system]
GET /api/v1/disposals
POST /api/v1/disposals
GET /api/v1/disposals/batches
POST /api/v1/disposals/batches/{id}/approve
POST /api/v1/disposals/batches/{id}/confirm
POST /api/v1/disposals/keep
POST /api/v1/disposals/{id}/approve
POST /api/v1/disposals/{id}/confirm
POST /api/v1/disposals/{id}/withdraw
POST /api/v1/exports/{id}/purge
GET /api/v1/holds
POST /api/v1/holds
GET /api/v1/holds/{id}
POST /api/v1/holds/{id}/release
POST /api/v1/holds/{id}/release/confirm
POST /api/v1/holds/{id}/release/withdraw
POST /api/v1/holds/{id}/retry
POST /api/v1/search/hold
POST /search/hold
GET /events/disposals/single
GET /events/disposals/{id}
GET /events/holds/{id}
GET /keeping
POST /handover/{id}/purge
GET /keeping/disposals
POST /keeping/disposals
GET /keeping/disposals/{id}
POST /keeping/disposals/{id}/approve
POST /keeping/disposals/{id}/confirm
POST /keeping/disposals/{id}/keep
POST /keeping/disposals/{id}/withdraw
GET /api/v1/disposals/{id}/certificate
POST /keeping/holds
GET /keeping/holds/{id}
POST /keeping/holds/{id}/release
POST /keeping/holds/{id}/release/confirm
POST /keeping/holds/{id}/release/withdraw
POST /keeping/holds/{id}/retry

[security audit]
GET /admin/accounts
GET /admin/accounts/{name}
GET /admin/teams
GET /api/v1/accounts
GET /api/v1/teams
GET /api/v1/tokens

[system audit]
GET /admin/webhooks
GET /admin/webhooks/{id}
GET /api/v1/webhooks
GET /api/v1/webhooks/{id}
GET /api/v1/webhooks/{id}/deliveries

[auditor]
POST /api/v1/exports
POST /api/v1/exports/{id}/retry
POST /handover
POST /handover/{id}/retry

[security]
POST /admin/settings/{name}/secure
POST /api/v1/settings/{name}/secure
POST /admin/accounts
POST /admin/accounts/{name}
POST /admin/accounts/{name}/password
POST /admin/accounts/{name}/second-factor/remove
POST /admin/accounts/{name}/sessions/end
POST /admin/accounts/{name}/tokens/{id}/revoke
POST /admin/numbers
POST /admin/teams
POST /api/v1/accounts
POST /api/v1/accounts/{name}
POST /api/v1/accounts/{name}/password
POST /api/v1/accounts/{name}/second-factor/remove
POST /api/v1/accounts/{name}/sessions/end
POST /api/v1/numbers
POST /api/v1/teams
POST /api/v1/tokens/{id}/revoke

[supervisor]
POST /api/v1/reports/daily
POST /reports/daily

[system]
POST /admin/settings/{name}
POST /api/v1/settings/{name}
POST /admin/webhooks
POST /admin/webhooks/{id}
POST /admin/webhooks/{id}/deliveries/{message}/send
POST /admin/webhooks/{id}/remove
POST /admin/webhooks/{id}/secret
POST /admin/webhooks/{id}/test
POST /api/v1/webhooks
PATCH /api/v1/webhooks/{id}
DELETE /api/v1/webhooks/{id}
POST /api/v1/webhooks/{id}/deliveries/{message}/send
POST /api/v1/webhooks/{id}/secret
POST /api/v1/webhooks/{id}/test
POST /api/v1/jobs/retry
POST /api/v1/jobs/{id}/retry
POST /api/v1/quarantine/{name}/remove
POST /api/v1/quarantine/{name}/retry
POST /quarantine/{name}/remove
POST /quarantine/{name}/retry
POST /api/v1/policies
POST /keeping/policies
POST /status/jobs/retry
POST /status/jobs/{id}/retry

[supervisor system]
POST /api/v1/recordings

[supervisor auditor system]
GET /api/v1/quarantine
GET /quarantine

[supervisor auditor]
GET /api/v1/recordings/{id}/evidence
GET /api/v1/recordings/{id}/redactions
POST /api/v1/recordings/{id}/redactions
GET /api/v1/recordings/{id}/redactions/suggestions
GET /api/v1/recordings/{id}/redactions/{copy}/audio
GET /api/v1/recordings/{id}/redactions/{copy}/transcript
POST /api/v1/recordings/{id}/redactions/{copy}/retry
GET /api/v1/recordings/{id}/shares
POST /api/v1/recordings/{id}/shares
DELETE /api/v1/recordings/{id}/shares/{share}
POST /api/v1/search/export
GET /events/redactions/{id}
GET /recordings/{id}/redactions
POST /recordings/{id}/redactions
POST /recordings/{id}/redactions/{copy}/retry
GET /recordings/{id}/shares
POST /recordings/{id}/shares
POST /recordings/{id}/shares/{share}/revoke
POST /search/export
"""


def _parsed(text: str) -> Mapping[tuple[str, str], frozenset[str] | None]:
    found: dict[tuple[str, str], frozenset[str] | None] = {}
    roles: frozenset[str] | None = None
    for line in text.split("\n"):
        if line.startswith("["):
            named = line.strip("[]")
            roles = None if named == PUBLIC else frozenset(ROLES if named == "everyone" else named.split())
        elif line:
            method, path = line.split()
            assert (method, path) not in found, line
            found[method, path] = roles
    return found


# ``None``: no login is needed.
EXPECTED = _parsed(_MATRIX)
