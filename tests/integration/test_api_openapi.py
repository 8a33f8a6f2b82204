"""The OpenAPI document: its structure, and that it says everything that the application answers."""

import re
from pathlib import Path
from typing import Any

from api.app import ENDPOINTS
from api.openapi import document, plain_path
from api.permissions import PUBLIC, ROLES
from archive.house import Archive
from tests.web import serving_empty


def _references(node: Any) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
        return own + [found for value in node.values() for found in _references(value)]
    if isinstance(node, list):
        return [found for value in node for found in _references(value)]
    return []


async def test_the_document_is_served(archive: Archive, tmp_path: Path) -> None:
    async with serving_empty(archive, tmp_path) as client:
        served = await (await client.get("/api/v1/openapi.json")).json()
    assert served["openapi"] == "3.1.0"
    assert served["info"]["title"]
    assert served["info"]["version"]


def test_every_api_route_is_described() -> None:
    paths = document(ENDPOINTS, "1")["paths"]
    described = {(method.upper(), path) for path, operations in paths.items() for method in operations}
    routes = {
        (endpoint.method, plain_path(endpoint.path)) for endpoint in ENDPOINTS if endpoint.path.startswith("/api/")
    }
    assert described == routes


def test_every_reference_leads_somewhere() -> None:
    described = document(ENDPOINTS, "1")
    names = {reference.removeprefix("#/components/schemas/") for reference in _references(described)}
    assert names
    assert names == set(described["components"]["schemas"])


def test_every_operation_is_complete() -> None:
    """OpenAPI 3.1, section 4.8.10: unique operationId, parameters for each template, at least one response."""
    seen = set()
    for path, operations in document(ENDPOINTS, "1")["paths"].items():
        for operation in operations.values():
            assert operation["summary"]
            assert operation["operationId"] not in seen
            seen.add(operation["operationId"])
            declared = {each["name"] for each in operation["parameters"] if each["in"] == "path"}
            assert declared == set(re.findall(r"{(\w+)}", path))
            assert all("schema" in each for each in operation["parameters"])
            assert "default" in operation["responses"]
            assert all("description" in answer for answer in operation["responses"].values())


def test_roles_are_told() -> None:
    described = document(ENDPOINTS, "1")["paths"]
    for endpoint in ENDPOINTS:
        if endpoint.summary and endpoint.permission != PUBLIC:
            operation = described[plain_path(endpoint.path)][endpoint.method.lower()]
            assert set(operation["x-roles"]) <= set(ROLES)
            assert operation["security"]
