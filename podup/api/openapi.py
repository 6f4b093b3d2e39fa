"""OpenAPI 3.1 from the table of routes; `docs/api.md` and the program's `/api/openapi.json` are this."""

import types
from collections.abc import Iterable
from typing import Any, Union, get_args, get_origin, get_type_hints

from podup import records
from podup.server.router import Route, Who

_SCALARS = {str: "string", bool: "boolean", int: "integer", float: "number"}
_PROBLEM = {
    "type": "object",
    "required": ["error", "request_id"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message", "hint"],
            "properties": {name: {"type": "string"} for name in ("code", "message", "hint")},
        },
        "request_id": {"type": "string"},
    },
}
_SCHEMES = {
    "token": {"type": "http", "scheme": "bearer"},
    "session": {"type": "apiKey", "in": "cookie", "name": "podup_session"},
    "signature": {"type": "apiKey", "in": "header", "name": "X-Hub-Signature-256"},
}
_SECURITY: dict[Who, list[dict[str, list[str]]]] = {
    Who.OPEN: [],
    Who.ADMIN: [{"token": []}, {"session": []}],
    Who.LOOPBACK: [{"token": []}, {}],
    Who.SIGNATURE: [{"signature": []}],
}


def describe(routes: Iterable[Route], *, version: str) -> dict[str, Any]:
    """Return the document for these routes."""
    schemas: dict[str, Any] = {"Problem": _PROBLEM}
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        path = route.path.replace("*}", "}")
        paths.setdefault(path, {})[route.method.lower()] = _operation(route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "pod-upgrade-trigger", "version": version, "license": {"name": "MIT"}},
        "paths": dict(sorted(paths.items())),
        "components": {"schemas": dict(sorted(schemas.items())), "securitySchemes": _SCHEMES},
    }


def _operation(route: Route, schemas: dict[str, Any]) -> dict[str, Any]:
    names = [part.strip("{}*") for part in route.path.split("/") if part.startswith("{")]
    text = {"type": "string"}
    parameters = [{"name": name, "in": "path", "required": True, "schema": text} for name in names]
    parameters += [{"name": name, "in": "query", "required": False, "schema": text} for name in route.query]
    if route.effect and route.who is Who.ADMIN:
        says = "`1`; wanted from sessions and ForwardAuth"
        parameters.append({"name": "X-Podup-CSRF", "in": "header", "schema": text, "description": says})
    operation: dict[str, Any] = {
        "operationId": _operation_id(route),
        "summary": route.says,
        "security": _SECURITY[route.who],
        "responses": {
            "200": {"description": "Done.", **_content(route.answer, schemas)},
            "default": {"description": "Not done.", **_reference("Problem")},
        },
    }
    if parameters:
        operation["parameters"] = parameters
    if route.body is not None:
        operation["requestBody"] = _content(route.body, schemas)
    return operation


def _operation_id(route: Route) -> str:
    words = [part.strip("{}*").replace("-", "_").replace(".", "_") for part in route.path.split("/") if part]
    return "_".join([route.method.lower(), *words])


def _content(kind: type | None, schemas: dict[str, Any]) -> dict[str, Any]:
    if kind is None:
        return {}
    _schema(kind, schemas)
    return _reference(kind.__name__)


def _reference(name: str) -> dict[str, Any]:
    return {"content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}}


def _schema(kind: Any, schemas: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a type; dataclasses are added to `schemas` and referred to."""
    if kind in _SCALARS:
        return {"type": _SCALARS[kind]}
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return {"anyOf": [_schema(option, schemas) for option in inner]}
    if kind is type(None):
        return {"type": "null"}
    if origin in (tuple, list):
        return {"type": "array", "items": _schema(inner[0], schemas)}
    if records.is_dataclass(kind) and isinstance(kind, type):
        if kind.__name__ not in schemas:
            schemas[kind.__name__] = {}
            schemas[kind.__name__] = _object(kind, schemas)
        return {"$ref": f"#/components/schemas/{kind.__name__}"}
    return {"type": "object"} if origin is dict or kind is dict else {}


def _object(kind: type, schemas: dict[str, Any]) -> dict[str, Any]:
    hints = get_type_hints(kind)
    missing = records.MISSING
    fields = records.fields(kind)
    required = [f.name for f in fields if f.default is missing and f.default_factory is missing]
    made = {"type": "object", "properties": {name: _schema(hint, schemas) for name, hint in hints.items()}}
    return {**made, "required": required} if required else made
