"""The nights as people read them: a line for each, and one night with all its faults."""

from aiohttp import web

from api.endpoint import Endpoint
from api.pages.rendering import render
from api.routes.nights import night_result, nights

SHOWN = 90


async def show_nights(request: web.Request) -> web.Response:
    return render(request, "nights.html", nights=await nights(request, SHOWN))


async def show_night(request: web.Request) -> web.Response:
    return render(request, "night.html", result=await night_result(request))


ENDPOINTS = (
    Endpoint("GET", "/nightly", "jobs.see", show_nights),
    Endpoint("GET", "/nightly/{night}", "jobs.see", show_night),
)
