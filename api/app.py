"""The web application: every endpoint of every file, behind login and permission."""

import json
from collections.abc import Callable
from functools import cache
from importlib.metadata import version

from aiohttp import web

import api.events.endpoints
import api.pages.account
import api.pages.admin
import api.pages.dictionaries
import api.pages.disposals
import api.pages.handover
import api.pages.keeping
import api.pages.ledger
import api.pages.login
import api.pages.look
import api.pages.nights
import api.pages.orders
import api.pages.quarantine
import api.pages.recordings
import api.pages.redactions
import api.pages.reference
import api.pages.reports
import api.pages.reveal
import api.pages.review
import api.pages.search
import api.pages.settings
import api.pages.shared
import api.pages.start
import api.pages.status
import api.pages.webhooks
import api.pages.work
import api.routes.accounts
import api.routes.calls
import api.routes.corrections
import api.routes.dictionaries
import api.routes.disposals
import api.routes.evidence
import api.routes.exports
import api.routes.findings
import api.routes.holds
import api.routes.ledger
import api.routes.nights
import api.routes.operations
import api.routes.orders
import api.routes.own
import api.routes.own_factor
import api.routes.quarantine
import api.routes.recordings
import api.routes.redactions
import api.routes.reports
import api.routes.reveal
import api.routes.review
import api.routes.search
import api.routes.session
import api.routes.settings
import api.routes.shares
import api.routes.status
import api.routes.timeline
import api.routes.uploads
import api.routes.webhooks
import api.routes.work
from api import assets, middleware
from api.access.limits import RateLimit
from api.context import CONTEXT, Context
from api.endpoint import Endpoint
from api.etags import tag_answers
from api.events.streams import STREAMS, Streams
from api.listening import Listenings
from api.metrics import Metrics
from api.openapi import DESCRIBED, document
from api.pages.look import choose_look
from api.pages.rendering import error_page, set_up_templates
from api.permissions import PUBLIC
from api.plain_text import STREAMED, require_text
from api.problems import Problem
from api.retried import KEYED, do_once
from api.slow_clients import expect_bodies
from archive.house import Archive
from core.in_force import InForce
from core.settings import Settings

LARGEST_UPLOAD = 64 * 1024 * 1024

ENDPOINTS: tuple[Endpoint, ...] = (
    *api.routes.session.ENDPOINTS,
    *api.routes.accounts.ENDPOINTS,
    *api.routes.own.ENDPOINTS,
    *api.routes.own_factor.ENDPOINTS,
    *api.routes.settings.ENDPOINTS,
    *api.routes.dictionaries.ENDPOINTS,
    *api.routes.redactions.ENDPOINTS,
    *api.routes.reveal.ENDPOINTS,
    *api.routes.recordings.ENDPOINTS,
    *api.routes.uploads.ENDPOINTS,
    *api.routes.quarantine.ENDPOINTS,
    *api.routes.search.ENDPOINTS,
    *api.routes.corrections.ENDPOINTS,
    *api.routes.review.ENDPOINTS,
    *api.routes.evidence.ENDPOINTS,
    *api.routes.shares.ENDPOINTS,
    *api.routes.work.ENDPOINTS,
    # Before the orders, whose numbers may hold slashes.
    *api.routes.timeline.ENDPOINTS,
    *api.routes.orders.ENDPOINTS,
    *api.routes.exports.ENDPOINTS,
    *api.routes.findings.ENDPOINTS,
    *api.routes.reports.ENDPOINTS,
    *api.routes.calls.ENDPOINTS,
    *api.routes.nights.ENDPOINTS,
    *api.routes.operations.ENDPOINTS,
    *api.routes.status.ENDPOINTS,
    *api.routes.ledger.ENDPOINTS,
    *api.routes.holds.ENDPOINTS,
    *api.routes.disposals.ENDPOINTS,
    *api.routes.webhooks.ENDPOINTS,
    *api.events.endpoints.ENDPOINTS,
    *api.pages.login.ENDPOINTS,
    *api.pages.look.ENDPOINTS,
    *api.pages.start.ENDPOINTS,
    *api.pages.work.ENDPOINTS,
    *api.pages.account.ENDPOINTS,
    *api.pages.admin.ENDPOINTS,
    *api.pages.settings.ENDPOINTS,
    *api.pages.dictionaries.ENDPOINTS,
    *api.pages.webhooks.ENDPOINTS,
    # Before the orders, whose numbers may hold slashes.
    *api.pages.redactions.ENDPOINTS,
    *api.pages.reveal.ENDPOINTS,
    *api.pages.recordings.ENDPOINTS,
    *api.pages.review.ENDPOINTS,
    *api.pages.shared.ENDPOINTS,
    *api.pages.orders.ENDPOINTS,
    *api.pages.reference.ENDPOINTS,
    *api.pages.reports.ENDPOINTS,
    *api.pages.search.ENDPOINTS,
    *api.pages.nights.ENDPOINTS,
    *api.pages.status.ENDPOINTS,
    *api.pages.quarantine.ENDPOINTS,
    *api.pages.ledger.ENDPOINTS,
    *api.pages.keeping.ENDPOINTS,
    *api.pages.handover.ENDPOINTS,
    *api.pages.disposals.ENDPOINTS,
)


def build_app(archive: Archive, settings: Settings) -> web.Application:
    """The application on an archive; nothing connects before the first request."""
    app = web.Application(
        client_max_size=LARGEST_UPLOAD,
        middlewares=[
            middleware.observing(_error_answer),
            choose_look,
            expect_bodies,
            middleware.admit,
            require_text,
            do_once,
            tag_answers,
        ],
    )
    app[api.pages.shared.WRONG_LINKS] = RateLimit(api.pages.shared.WRONG_PER_MINUTE)
    in_force = InForce(archive.database, settings)
    describe: Callable[[], str] = _described
    app[DESCRIBED] = describe
    app[CONTEXT] = Context(archive, in_force, Metrics(), Listenings(), RateLimit(settings.requests_per_minute))
    streams = app[STREAMS] = _streams(app[CONTEXT])
    app.on_shutdown.append(streams.close)
    app[middleware.PERMISSION_OF], app[KEYED], app[STREAMED] = {}, set(), set()
    app.on_response_prepare.append(middleware.add_security_headers)
    set_up_templates(app)
    for endpoint in (
        *ENDPOINTS,
        Endpoint("GET", "/api/v1/openapi.json", PUBLIC, get_openapi),
        Endpoint("GET", "/static/{name:.+}", PUBLIC, assets.serve),
    ):
        _add(app, endpoint)
    return app


def _streams(here: Context) -> Streams:
    most, each = here.settings.live_pages, here.settings.live_pages_each
    return Streams(here.database, lambda: here.rules, here.now, most=most, most_each=each)


def _add(app: web.Application, endpoint: Endpoint) -> None:
    route = app.router.add_route(endpoint.method, endpoint.path, endpoint.handler)
    assert route.resource
    permissions = app[middleware.PERMISSION_OF]
    permissions[endpoint.method, route.resource.canonical] = endpoint.permission
    if endpoint.takes_key:
        app[KEYED].add(route.resource.canonical)
    if endpoint.streams:
        app[STREAMED].add(route.resource.canonical)
    if endpoint.method == "GET":
        app.router.add_route("HEAD", endpoint.path, endpoint.handler)
        permissions["HEAD", route.resource.canonical] = endpoint.permission


@cache
def _described() -> str:
    """Written when it is first asked for: it takes as long as everything else at the start together."""
    return json.dumps(document(ENDPOINTS, version("huiyin")))


async def get_openapi(_request: web.Request) -> web.Response:
    return web.Response(text=_described(), content_type="application/json")


def _error_answer(request: web.Request, problem: Problem) -> web.StreamResponse:
    """Machines get the problem document, people a page."""
    machine = request.path.startswith(("/api/", "/events/", "/healthz", "/readyz", "/metrics", "/static/"))
    return problem.response() if machine else error_page(request, problem)
