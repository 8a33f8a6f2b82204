"""Webhooks in the OpenAPI document (version 3.1, section 4.8.1): what a subscriber is sent, and may answer."""

from collections.abc import Mapping
from typing import Any

from api.webhooks.events import ALERT, CORRECTED, DISPOSED, DUE, EVENTS, HANDOVER, READY, SEALED, TEST

_ID: Mapping[str, Any] = {"type": "string", "format": "uuid"}
_NUMBER: Mapping[str, Any] = {"type": "integer", "minimum": 0}
DATA: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    SEALED: {"recording_id": _ID},
    READY: {"recording_id": _ID, "version": _NUMBER},
    CORRECTED: {"recording_id": _ID, "version": _NUMBER},
    DUE: {"batch_id": _ID, "recordings": _NUMBER},
    DISPOSED: {"recording_id": _ID},
    HANDOVER: {"export_id": _ID},
    ALERT: {"alert": {"type": "string"}},
    TEST: {},
}
_HEADERS: Mapping[str, str] = {
    "webhook-id": "消息编号，重试时不变 / the message's identifier, the same over all tries",
    "webhook-timestamp": "本次推送的时间，秒 / when this try was made, in seconds since 1970",
    "webhook-signature": "v1,BASE64(HMAC-SHA-256(id.timestamp.body))，可有两个 / one or two, parted by a space",
}


def described() -> Mapping[str, Any]:
    """Each event as a webhook of the document."""
    return {event: {"post": _operation(event)} for event in (*EVENTS, TEST)}


def _operation(event: str) -> Mapping[str, Any]:
    return {
        "operationId": f"webhook_{event.replace('.', '_')}",
        "parameters": [
            {"name": name, "in": "header", "required": True, "schema": {"type": "string"}, "description": meaning}
            for name, meaning in _HEADERS.items()
        ],
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema(event)}}},
        "responses": {
            "2XX": {"description": "已收到 / taken"},
            "410": {"description": "不再需要，推送随即停用 / switches the webhook off"},
            "default": {"description": "稍后重试 / tried again later"},
        },
        "security": [],
    }


def schema(event: str) -> dict[str, Any]:
    """What the body of this event holds, and nothing else."""
    said = {"id": _ID, "event": {"const": event}, "time": {"type": "string", "format": "date-time"}}
    return _closed({**said, "data": _closed(DATA[event])})


def _closed(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }
