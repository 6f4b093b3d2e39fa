"""Frozen slotted dataclasses that cost a twentieth of the standard ones to define.

The program has some three hundred of them, and `dataclasses` writes and compiles six functions for each: half
of the time it took to start. Here all share what does not differ, and a constructor is compiled for those
of which there are more than a few: it costs as much as forty instances made without. A type checker sees the
standard library's own names, so its rules are the rules here.

Promise: `@dataclass(frozen=True, slots=True)` with `field`, `fields`, `replace`, `asdict` and
`is_dataclass` behave as in the standard library, whose own functions take these classes too.
Refused: a class that is not frozen and slotted.
"""

import sys
from operator import attrgetter
from types import MappingProxyType, SimpleNamespace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataclasses import MISSING as MISSING
    from dataclasses import asdict as asdict
    from dataclasses import dataclass as dataclass
    from dataclasses import field as field
    from dataclasses import fields as fields
    from dataclasses import is_dataclass as is_dataclass
    from dataclasses import replace as replace
else:
    MISSING = object()
    _NOTHING = MappingProxyType({})
    _BY_HAND = 4  # instances

    class FrozenInstanceError(AttributeError):
        """An assignment to a field, or its deletion."""

    class _Field:
        """What is known of one field; the names are those of `dataclasses.Field`."""

        __slots__ = ("compare", "default", "default_factory", "metadata", "name", "repr", "type")

    def field(*, default=MISSING, default_factory=MISSING, repr=True, compare=True, metadata=_NOTHING):
        made = _Field()
        made.default, made.default_factory = default, default_factory
        made.repr, made.compare, made.metadata = repr, compare, metadata
        return made

    def fields(record):
        return tuple(record.__record_fields__.values())

    def is_dataclass(record):
        return hasattr(record, "__record_fields__")

    def replace(record, /, **changes):
        kept = {name: getattr(record, name) for name in record.__record_fields__ if name not in changes}
        return type(record)(**kept, **changes)

    def asdict(record):
        return {name: _plain(getattr(record, name)) for name in record.__record_fields__}

    def dataclass(*, frozen, slots, eq=True):
        if not (frozen and slots):
            raise TypeError("a record is frozen and slotted")
        return _frozen if eq else _frozen_by_identity

    def _frozen(cls):
        return _made(cls, eq=True)

    def _frozen_by_identity(cls):
        return _made(cls, eq=False)

    def _made(cls, *, eq):
        """Return the class again with slots, and with the methods all records share."""
        own = {name: _declared(cls, name, kind) for name, kind in cls.__annotations__.items()}
        inherited = [base.__dict__.get("__record_fields__", {}) for base in reversed(cls.__mro__[1:])]
        members = {name: value for name, value in cls.__dict__.items() if name not in own}
        for name in ("__dict__", "__weakref__"):
            members.pop(name, None)
        all_fields = {name: one for part in (*inherited, own) for name, one in part.items()}
        slotted = {name for part in inherited for name in part}
        members |= {
            "__slots__": tuple(name for name in own if name not in slotted),
            "__record_fields__": all_fields,
            "__match_args__": tuple(all_fields),
            "__init__": _first_init,
            "__by_hand__": _BY_HAND,
            "__setattr__": _refuse_set,
            "__delattr__": _refuse_delete,
            "__reduce__": _reduce,
            "__dataclass_fields__": _STANDARD_FIELDS,
            "__dataclass_params__": _STANDARD_PARAMS,
        }
        members.setdefault("__repr__", _repr)
        if eq:
            compared = tuple(name for name, one in all_fields.items() if one.compare)
            members["__compared__"] = attrgetter(*compared or ("__class__",))
            members |= {"__eq__": _eq, "__hash__": _hash}
        return type(cls)(cls.__name__, cls.__bases__, members)

    def _declared(cls, name, kind):
        given = cls.__dict__.get(name, MISSING)
        one = given if isinstance(given, _Field) else field(default=given)
        one.name, one.type = name, kind
        return one

    def _first_init(self, *args, **kwargs):
        """Make the first few by hand; then compile the class's constructor and put it in this one's place."""
        cls = next(base for base in type(self).__mro__ if base.__dict__.get("__init__") is _first_init)
        cls.__by_hand__ -= 1
        if cls.__by_hand__ < 0 or not _is_filled(self, cls, args, kwargs):
            cls.__init__ = _compiled_init(cls)
            cls.__init__(self, *args, **kwargs)

    def _is_filled(self, cls, args, kwargs):
        """Fill the fields; False when the arguments are wrong: a compiled constructor tells in which way."""
        given = dict(zip(cls.__record_fields__, args, strict=False))
        if len(given) < len(args) or not given.keys().isdisjoint(kwargs):
            return False
        given |= kwargs
        if not given.keys() <= cls.__record_fields__.keys():
            return False
        for name, one in cls.__record_fields__.items():
            if name in given:
                value = given[name]
            elif one.default_factory is not MISSING:
                value = one.default_factory()
            elif one.default is not MISSING:
                value = one.default
            else:
                return False
            object.__setattr__(self, name, value)
        if hasattr(cls, "__post_init__"):
            self.__post_init__()
        return True

    def _compiled_init(cls):
        names = {"_MISSING": MISSING}
        parameters, lines = [], []
        for name, one in cls.__record_fields__.items():
            value = name
            if one.default_factory is not MISSING:
                names[f"_make_{name}"] = one.default_factory
                parameters.append(f"{name}=_MISSING")
                value = f"_make_{name}() if {name} is _MISSING else {name}"
            elif one.default is not MISSING:
                names[f"_default_{name}"] = one.default
                parameters.append(f"{name}=_default_{name}")
            else:
                parameters.append(name)
            names[f"_set_{name}"] = getattr(cls, name).__set__  # object.__setattr__ would look it up
            lines.append(f" _set_{name}(self, {value})")
        if hasattr(cls, "__post_init__"):
            lines.append(" self.__post_init__()")
        text = f"def __init__({', '.join(['self', *parameters])}):\n" + "\n".join(lines or [" pass"])
        exec(text, names)
        made = names["__init__"]
        made.__qualname__ = f"{cls.__qualname__}.__init__"
        return made

    def _refuse_set(self, name, value):
        raise FrozenInstanceError(f"cannot assign to field {name!r}")

    def _refuse_delete(self, name):
        raise FrozenInstanceError(f"cannot delete field {name!r}")

    def _repr(self):
        shown = (name for name, one in self.__record_fields__.items() if one.repr)
        return f"{type(self).__qualname__}({', '.join(f'{name}={getattr(self, name)!r}' for name in shown)})"

    def _eq(self, other):
        if other.__class__ is not self.__class__:
            return NotImplemented
        return self.__compared__(self) == self.__compared__(other)

    def _hash(self):
        return hash(self.__compared__(self))

    def _reduce(self):
        return type(self), tuple(getattr(self, name) for name in self.__record_fields__)

    def _plain(value):
        if is_dataclass(value):
            return asdict(value)
        if isinstance(value, list | tuple):
            return type(value)(map(_plain, value))
        if isinstance(value, dict):
            return {key: _plain(item) for key, item in value.items()}
        return value

    class _StandardFields:
        """The fields as the functions of `dataclasses` want them, made when one of them asks."""

        def __get__(self, instance, owner):
            standard = sys.modules["dataclasses"]
            return standard.make_dataclass(
                owner.__name__, [_standard(standard, one) for one in fields(owner)]
            ).__dataclass_fields__

    def _standard(standard, one):
        default = {"default": one.default, "default_factory": one.default_factory}
        given = {key: value for key, value in default.items() if value is not MISSING}
        other = {"repr": one.repr, "compare": one.compare, "metadata": one.metadata}
        return one.name, one.type, standard.field(**given, **other)

    _STANDARD_FIELDS = _StandardFields()
    _STANDARD_PARAMS = SimpleNamespace(frozen=True, init=True, repr=True, eq=True, order=False)
