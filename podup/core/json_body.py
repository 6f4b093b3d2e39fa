"""JSON from strangers: read strictly, within bounds, and taken apart by type.

Refused with Invalid('bad-json'), and with nothing else: what is not UTF-8 or not JSON (RFC 8259), NaN and
infinities, numbers beyond a double, half surrogate pairs (no UTF-8 can carry them on) and deep nesting.
The readers below answer an absent or null member with nothing, and one of another type with Invalid.
"""

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

from podup.errors import Invalid
from podup.patterns import regex

MAX_DEPTH = 64
_HALF_PAIR = regex(rb"\\u[dD]")


def read_json(data: bytes, *, max_depth: int = MAX_DEPTH) -> Any:
    """Return the value `data` holds. The caller bounds the length of `data`."""
    try:
        value = _DECODER.decode(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise _bad(f"the body is not JSON: {_reason(error)}") from None
    if _may_be_deeper(data, max_depth) and _is_deeper(value, max_depth):
        raise _bad(f"the body is nested deeper than {max_depth}")
    if b"\\" in data and _HALF_PAIR.search(data) and not all(_is_encodable(text) for text in _texts(value)):
        raise _bad("the body has half a surrogate pair")
    return value


def read_object(data: bytes, *, max_depth: int = MAX_DEPTH) -> dict[str, Any]:
    """Return the object `data` holds; anything but an object is Invalid."""
    value = read_json(data, max_depth=max_depth)
    if not isinstance(value, dict):
        raise _bad("the body is not a JSON object")
    return value


def object_at(parent: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Return the object under `key`, empty when it is absent or null."""
    value = parent.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _wrong(key, "an object")
    return value


def list_at(parent: Mapping[str, Any], key: str) -> list[Any]:
    """Return the list under `key`, empty when it is absent or null."""
    value = parent.get(key)
    if value is None:
        return []
    if not isinstance(value, list):
        raise _wrong(key, "a list")
    return value


def text_at(parent: Mapping[str, Any], key: str) -> str:
    """Return the string under `key`, empty when it is absent or null."""
    value = parent.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _wrong(key, "a string")
    return value


def integer_at(parent: Mapping[str, Any], key: str) -> int:
    """Return the whole number under `key`, 0 when it is absent or null; true is not a number."""
    value = parent.get(key)
    if value is None:
        return 0
    if not isinstance(value, int) or isinstance(value, bool):
        raise _wrong(key, "a whole number")
    return value


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"number out of range: {text[:40]}")
    return number


def _reason(error: ValueError | RecursionError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at line {error.lineno} column {error.colno}"
    if isinstance(error, UnicodeDecodeError):
        return f"byte {error.start} is not UTF-8"
    return "nested too deeply" if isinstance(error, RecursionError) else str(error)[:120]


def _may_be_deeper(data: bytes, depth: int) -> bool:
    """Return whether there are brackets enough; looking for the next one is faster than counting all."""
    for bracket in (b"[", b"{"):
        at = -1
        for _ in range(depth // 2 + 1):
            at = data.find(bracket, at + 1)
            if at < 0:
                break
        else:
            return True
    return False


def _is_deeper(value: Any, depth: int) -> bool:
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(depth):
        level = [child for item in level for child in _children(item) if isinstance(child, dict | list)]
        if not level:
            return False
    return True


def _children(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _texts(value: Any) -> Iterator[str]:
    left = [value]
    while left:
        item = left.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, dict):
            yield from item
        left.extend(_children(item))


def _is_encodable(text: str) -> bool:
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite)


def _bad(message: str) -> Invalid:
    return Invalid("bad-json", message, "send a JSON body in UTF-8")


def _wrong(key: str, wanted: str) -> Invalid:
    return Invalid("bad-json", f"{key[:60]} is not {wanted}", "the body does not have the documented shape")
