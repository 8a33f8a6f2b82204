"""The OpenAPI document as people read it: operations by subject, with their parameters, models and an example.

Everything comes from the document itself, so that the two cannot differ.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

_MODEL = "#/components/schemas/"
OTHER = "other"
# Subject → the first parts of paths behind /api/v1 that belong to it.
SUBJECTS: Mapping[str, Sequence[str]] = {
    "session": ("login", "logout", "account", "me"),
    "recordings": ("recordings", "quarantine", "redactions"),
    "search": ("search", "persons"),
    "orders": ("work", "work-orders", "link-questions", "findings"),
    "keeping": ("holds", "disposals", "policies"),
    "exports": ("exports",),
    "reports": ("reports",),
    "ledger": ("ledger",),
    "operations": ("calls", "jobs", "nights", "status"),
    "webhooks": ("webhooks",),
    "accounts": ("accounts", "teams", "numbers", "tokens"),
    "settings": ("settings", "dictionaries"),
}


@dataclass(frozen=True)
class Value:
    """A parameter or a member of a model; ``model`` is what it refers to, ``default`` JSON where it has one."""

    name: str
    where: str
    kind: str
    model: str
    required: bool
    default: str


@dataclass(frozen=True)
class Model:
    name: str
    about: str
    values: tuple[Value, ...]


@dataclass(frozen=True)
class Answer:
    """``model`` is empty where no model is answered."""

    status: str
    media: str
    model: str


@dataclass(frozen=True)
class Operation:
    """``takes`` names the model of the body; ``roles`` is empty where no login is needed."""

    id: str
    method: str
    path: str
    summary: str
    roles: tuple[str, ...]
    values: tuple[Value, ...]
    takes: str
    takes_media: str
    answers: tuple[Answer, ...]
    example: Mapping[str, Any] | None


@dataclass(frozen=True)
class Reference:
    version: str
    subjects: Mapping[str, tuple[Operation, ...]]
    models: Mapping[str, Model]

    def models_of(self, subject: str) -> list[Model]:
        """Every model that a subject's operations take or answer, or that those hold, by name."""
        asked = [name for each in self.subjects[subject] for name in (each.takes, *(one.model for one in each.answers))]
        found: set[str] = set()
        while asked:
            name = asked.pop()
            if name and name not in found and name in self.models:
                found.add(name)
                asked += [value.model for value in self.models[name].values]
        return [self.models[name] for name in sorted(found)]


@cache
def reference(text: str) -> Reference:
    """The document, read."""
    document = json.loads(text)
    schemas = document["components"]["schemas"]
    subjects: dict[str, list[Operation]] = {name: [] for name in (*SUBJECTS, OTHER)}
    for path, methods in document["paths"].items():
        for method, said in methods.items():
            subjects[subject_of(path)].append(_operation(method, path, said, schemas))
    return Reference(
        document["info"]["version"],
        {name: tuple(each) for name, each in subjects.items() if each},
        {name: _model(name, schema) for name, schema in schemas.items()},
    )


def subject_of(path: str) -> str:
    """Where a path is described."""
    first = path.removeprefix("/api/v1/").split("/")[0]
    return next((name for name, parts in SUBJECTS.items() if first in parts), OTHER)


def curl(operation: Operation, origin: str) -> str:
    """An example to copy: required parameters and members only, and a token where one is needed."""
    path = operation.path
    asked = [each for each in operation.values if each.where == "query" and each.required]
    address = f"{origin}{path}" + ("?" + "&".join(f"{each.name}=…" for each in asked) if asked else "")
    lines = [f"curl{_method(operation)} '{address}'"]
    if operation.roles:
        lines.append('-H "Authorization: Bearer $TOKEN"')
    if operation.takes_media == "multipart/form-data":
        lines += [f"-F '{name}={value}'" for name, value in (operation.example or {}).items()]
    elif operation.example is not None:
        body = json.dumps(operation.example, ensure_ascii=False)
        lines += ["-H 'Content-Type: application/json'", f"-d '{body}'"]
    return " \\\n  ".join(lines)


def _method(operation: Operation) -> str:
    return "" if operation.method == "GET" else f" -X {operation.method}"


def _operation(method: str, path: str, said: Mapping[str, Any], schemas: Mapping[str, Any]) -> Operation:
    content: Mapping[str, Any] = said.get("requestBody", {}).get("content", {})
    media = next(iter(content), "")
    takes = _named(content[media]["schema"]) if media else ""
    return Operation(
        id=said["operationId"],
        method=method.upper(),
        path=path,
        summary=said["summary"],
        roles=tuple(said.get("x-roles", ())),
        values=tuple(_value(each["name"], each["schema"], each["in"], each["required"]) for each in said["parameters"]),
        takes=takes,
        takes_media=media,
        answers=tuple(_answers(said["responses"])),
        example=_example(schemas[takes], schemas) if takes else None,
    )


def _answers(responses: Mapping[str, Any]) -> Iterator[Answer]:
    for status, said in responses.items():
        for media, content in said.get("content", {"": {}}).items():
            yield Answer(status, media, _named(content.get("schema", {})))


def _model(name: str, schema: Mapping[str, Any]) -> Model:
    required = schema.get("required", ())
    members = schema.get("properties", {}).items()
    values = tuple(_value(each, part, "", each in required) for each, part in members)
    return Model(name, " ".join(str(schema.get("description", "")).replace("``", "").split()), values)


def _value(name: str, schema: Mapping[str, Any], where: str, required: bool) -> Value:
    default = json.dumps(schema["default"], ensure_ascii=False) if schema.get("default") is not None else ""
    return Value(name, where, _kind(schema), _named(schema), required, default)


def _named(schema: Mapping[str, Any]) -> str:
    """The model that a schema refers to, also inside of lists, dictionaries and choices."""
    if "$ref" in schema:
        return str(schema["$ref"]).removeprefix(_MODEL)
    inner: Iterable[Any] = (*schema.get("anyOf", ()), schema.get("items"), schema.get("additionalProperties"))
    return next((name for each in inner if isinstance(each, Mapping) and (name := _named(each))), "")


def _kind(schema: Mapping[str, Any]) -> str:
    """What may stand there, in a few signs: ``string (uuid)``, ``integer 1–200``, ``[TurnView]``, ``a | b | null``."""
    if "$ref" in schema:
        return _named(schema)
    if "anyOf" in schema:
        return " | ".join(_kind(each) for each in schema["anyOf"])
    if "enum" in schema or "const" in schema:
        return " | ".join(json.dumps(each, ensure_ascii=False) for each in schema.get("enum", [schema.get("const")]))
    if schema.get("type") == "array":
        return f"[{_kind(schema.get('items', {}))}]{_bounds(schema, 'minItems', 'maxItems')}"
    inside = schema.get("additionalProperties")
    if schema.get("type") == "object" and isinstance(inside, Mapping):
        return f"{{string: {_kind(inside)}}}"
    form = f" ({schema['format']})" if "format" in schema else ""
    length = _bounds(schema, "minLength", "maxLength") + _bounds(schema, "minimum", "maximum")
    return f"{schema.get('type', 'any')}{form}{length}"


def _bounds(schema: Mapping[str, Any], least: str, most: str) -> str:
    low, high = schema.get(least), schema.get(most)
    if low is None and high is None:
        return ""
    return f" {'' if low is None else low}…{'' if high is None else high}"


_OF_FORMAT: Mapping[str, str] = {
    "uuid": "018f0000-0000-7000-8000-000000000000",
    "date": "2026-11-22",
    "date-time": "2026-11-22T02:30:00Z",
    "binary": "@call.wav",
}


def _example(schema: Mapping[str, Any], schemas: Mapping[str, Any], depth: int = 0) -> Any:
    """A value that fits: of a model its required members."""
    if "$ref" in schema:
        return _example(schemas[_named(schema)], schemas, depth + 1) if depth < 4 else {}
    if "anyOf" in schema:
        return _example(schema["anyOf"][0], schemas, depth)
    if "enum" in schema or "const" in schema:
        return schema.get("enum", [schema.get("const")])[0]
    kind = schema.get("type")
    if kind == "object":
        required = schema.get("required", ())
        return {name: _example(schema["properties"][name], schemas, depth) for name in required}
    if kind == "array":
        return [_example(schema.get("items", {}), schemas, depth)]
    if kind in ("integer", "number"):
        return schema.get("minimum", 1)
    return True if kind == "boolean" else _OF_FORMAT.get(schema.get("format", ""), "…")
