"""The OpenAPI 3.1 document, generated from the endpoints and their models."""

import re
from collections.abc import Callable, Sequence
from typing import Any

from aiohttp import web
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from api.endpoint import JSON, MULTIPART, Endpoint
from api.models import ProblemDocument
from api.permissions import PERMISSIONS, PUBLIC
from api.problems import MEDIA_TYPE
from api.retried import HEADER, PATTERN
from api.webhooks.describing import described as webhooks

# The document as text, written when it is first asked for.
DESCRIBED: web.AppKey[Callable[[], str]] = web.AppKey("DESCRIBED")

_REFERENCE = "#/components/schemas/{model}"
_ANY_TEXT = re.compile(r"\{(\w+):[^}]*\}")

_KEY = {
    "name": HEADER,
    "in": "header",
    "required": False,
    "schema": {"type": "string", "pattern": PATTERN},
    "description": (
        "一天之内，同一账号以同一个键再次发送同一请求，只答复、不重做（答复带 Idempotency-Replayed: true）；"
        "内容不同答 422，前一个仍在处理答 409。 / "
        "The same request under the same key within a day is answered again, not "
        "done again (the answer carries Idempotency-Replayed: true); another request under that key gets 422, and 409 "
        "while the first is under way. Answers of 5xx, 401, 408, 429 and of more than 1 MiB are not kept."
    ),
}


def plain_path(path: str) -> str:
    """``/x/{number:.+}`` → ``/x/{number}``, as OpenAPI writes it."""
    return _ANY_TEXT.sub(r"{\1}", path)


def document(endpoints: Sequence[Endpoint], version: str) -> dict[str, Any]:
    """Describe every endpoint that has a summary."""
    described = [endpoint for endpoint in endpoints if endpoint.summary]
    models = {model for each in described for model in (each.takes, each.answers) if model}
    _, schemas = models_json_schema(
        [(model, "validation") for model in sorted(models | {ProblemDocument}, key=lambda model: model.__name__)],
        ref_template=_REFERENCE,
    )
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in described:
        paths.setdefault(plain_path(endpoint.path), {})[endpoint.method.lower()] = _operation(endpoint)
    return {
        "openapi": "3.1.0",
        "info": {"title": "回音 Huiyin", "version": version, "description": "通话录音与回访证据服务接口"},
        "servers": [{"url": "/"}],
        "paths": paths,
        "webhooks": webhooks(),
        "components": {
            "schemas": schemas["$defs"],
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "cookie": {"type": "apiKey", "in": "cookie", "name": "huiyin_session"},
            },
        },
    }


def _operation(endpoint: Endpoint) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": _operation_id(endpoint),
        "summary": endpoint.summary,
        "parameters": [
            *_path_parameters(endpoint.path),
            *_query_parameters(endpoint.query),
            *([_KEY] if endpoint.takes_key else []),
        ],
        "responses": {
            **{
                str(status): {"description": "成功 / done", "content": {endpoint.media: _answer(endpoint)}}
                for status in (endpoint.status, endpoint.again)
                if status
            },
            **({"304": {"description": "未变 / not modified"}} if endpoint.method == "GET" else {}),
            "default": {
                "description": "错误 / problem (RFC 9457)",
                "content": {MEDIA_TYPE: {"schema": _reference(ProblemDocument)}},
            },
        },
        "security": [] if endpoint.permission == PUBLIC else [{"bearer": []}, {"cookie": []}],
    }
    if endpoint.permission != PUBLIC:
        operation["x-roles"] = sorted(PERMISSIONS[endpoint.permission])
    if endpoint.takes:
        media = MULTIPART if endpoint.takes_media == MULTIPART else JSON
        operation["requestBody"] = {"required": True, "content": {media: {"schema": _reference(endpoint.takes)}}}
    return operation


def _operation_id(endpoint: Endpoint) -> str:
    words = re.findall(r"[A-Za-z0-9]+", plain_path(endpoint.path.removeprefix("/api/v1")))
    return "_".join([endpoint.method.lower(), *words])


def _answer(endpoint: Endpoint) -> dict[str, Any]:
    if endpoint.answers:
        return {"schema": _reference(endpoint.answers)}
    return {"schema": {"type": "object"}} if endpoint.media == JSON else {}


def _reference(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": _REFERENCE.format(model=model.__name__)}


def _path_parameters(path: str) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"\{(\w+)", path)
    ]


def _query_parameters(model: type[BaseModel] | None) -> list[dict[str, Any]]:
    if model is None:
        return []
    schema = model.model_json_schema(by_alias=True)
    required = schema.get("required", [])
    return [
        {"name": name, "in": "query", "required": name in required, "schema": part}
        for name, part in schema["properties"].items()
    ]
