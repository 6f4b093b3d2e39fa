"""Bodies: JSON in, small frozen dataclasses out, and back.

Refuses, beside what `core.json_body` refuses: a media type other than JSON, fields the type does not have,
values of another type (no coercion).
"""

import types
from functools import cache
from typing import Any, Union, get_args, get_origin, get_type_hints

from podup import records
from podup.core.json_body import read_json
from podup.errors import Invalid, WrongMediaType
from podup.server.request import Request
from podup.server.response import JSON

MAX_DEPTH = 32
_NAMES = {str: "a string", bool: "true or false", int: "a whole number", float: "a number"}


def read_body(request: Request, body_type: type) -> Any:
    """Return the request's body as `body_type`. An empty body counts as `{}`.

    Raises WrongMediaType for another content type, Invalid for anything else.
    """
    if not request.body:
        return build(body_type, {})
    media, _, parameters = request.header("content-type").partition(";")
    if media.strip().lower() != JSON or parameters.strip().lower() not in ("", "charset=utf-8"):
        raise WrongMediaType("not-json", "the body has to be JSON", f"send Content-Type: {JSON}")
    return build(body_type, read_json(request.body, max_depth=MAX_DEPTH))


def build(cls: type, value: Any, where: str = "") -> Any:
    """Return an instance of the dataclass `cls` made of a JSON object. Raises Invalid, naming the field."""
    if not isinstance(value, dict):
        raise Invalid("bad-body", f"{where or 'the body'} has to be an object")
    hints = _hints(cls)
    unknown = sorted(set(value) - set(hints))
    if unknown:
        raise Invalid(
            "unknown-field", f"unknown field {where}{unknown[0][:100]}", f"known are: {', '.join(hints)}"
        )
    missing = [name for name in _required(cls) if name not in value]
    if missing:
        raise Invalid("missing-field", f"the field {where}{missing[0]} is missing")
    return cls(**{name: _convert(hints[name], item, where + name) for name, item in value.items()})


def to_json(value: Any) -> Any:
    """Return dataclasses, tuples and enumerations as what `json.dumps` takes."""
    if records.is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_json(getattr(value, f.name)) for f in records.fields(value)}
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    if isinstance(value, dict):
        return {key: to_json(item) for key, item in value.items()}
    return value


def _convert(kind: Any, value: Any, where: str) -> Any:
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        inner = [option for option in get_args(kind) if option is not type(None)]
        return None if value is None else _convert(inner[0], value, where)
    if origin is tuple:
        if not isinstance(value, list):
            raise Invalid("bad-field", f"the field {where} has to be a list")
        item_kind = get_args(kind)[0]
        return tuple(_convert(item_kind, item, f"{where}[{at}]") for at, item in enumerate(value))
    if records.is_dataclass(kind) and isinstance(kind, type):
        return build(kind, value, f"{where}.")
    if kind is Any or (type(value) is kind) or (kind is float and type(value) is int):
        return value
    raise Invalid("bad-field", f"the field {where} has to be {_NAMES.get(kind, 'of another type')}")


@cache
def _hints(cls: type) -> dict[str, Any]:
    return get_type_hints(cls)


@cache
def _required(cls: type) -> tuple[str, ...]:
    missing = records.MISSING
    return tuple(
        f.name for f in records.fields(cls) if f.default is missing and f.default_factory is missing
    )
