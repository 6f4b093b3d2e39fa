"""Queries, actions, facts and plans as JSON, and back.

A dataclass becomes an object whose key `_` is its class name; tuples become lists and come back as
tuples. Only classes that were registered can come back, so a journal can never name code to load.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Any

from podup import records
from podup.errors import Invalid
from podup.recipes import verbs
from podup.recipes.verbs import Facts, Query

_CLASSES: dict[str, type[Any]] = {}


def register(*classes: type[Any]) -> None:
    """Let these dataclasses and enumerations come back from JSON; two of one name are refused."""
    for cls in classes:
        known = _CLASSES.setdefault(cls.__name__, cls)
        if known is not cls:
            raise Invalid("codec-name-taken", f"two classes named {cls.__name__} cannot both be registered")


def encode(value: Any) -> Any:
    """Return `value` as what `json.dumps` takes. Raises TypeError for what has no form here."""
    if isinstance(value, Facts):
        return [[encode(query), encode(seen)] for query, seen in value.items()]
    if isinstance(value, Enum):
        return value.value
    if records.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: encode(getattr(value, f.name)) for f in records.fields(value)}
        return {"_": type(value).__name__, **fields}
    if isinstance(value, Mapping):
        return {str(key): encode(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [encode(item) for item in value]
    if value is None or isinstance(value, str | int | float | bool):
        return value
    raise TypeError(f"{type(value).__name__} cannot travel through a journal")


def decode(value: Any) -> Any:
    """Return what `encode` was given. Raises Invalid for a class that is not registered.

    Fields a newer version wrote and this one does not know are dropped; missing ones take their defaults.
    """
    if isinstance(value, list):
        return tuple(decode(item) for item in value)
    if not isinstance(value, dict):
        return value
    name = value.get("_")
    if name is None:
        return {key: decode(item) for key, item in value.items()}
    cls = _CLASSES.get(name)
    if cls is None:
        raise Invalid("codec-unknown-class", f"the journal names {name!r}, which this version does not know")
    known = {f.name: f for f in records.fields(cls)}
    values = {key: decode(item) for key, item in value.items() if key in known}
    for key, item in values.items():
        kind = known[key].type
        if isinstance(kind, type) and issubclass(kind, Enum):
            values[key] = kind(item)
    return cls(**values)


def decode_facts(value: Any) -> Facts:
    """Return the facts `encode` was given."""
    seen: dict[Query, Any] = {decode(query): decode(fact) for query, fact in value}
    return Facts(seen)


register(verbs.Unknown, verbs.Step, verbs.Plan, verbs.Verdict, verbs.Timing, verbs.Remember)
