"""What a setting is: a dataclass field whose metadata is a `Row`. Everything shown derives from the rows."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

from podup.records import dataclass, field
from podup.settings.parsers import secret, secret_list

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Row:
    """One setting as users meet it.

    `env` is the environment name, `older` names still work. `parse` turns text into the value and raises
    ValueError with what was wrong. `shown` is the default in words where the value says nothing (it is
    worked out from the machine). A secret is never shown, and may come from a file or a credential.
    """

    env: str
    says: str
    parse: Callable[[str], Any]
    default: Any
    older: tuple[str, ...] = ()
    shown: str = ""
    group: str = ""
    path: tuple[str, str] = ("", "")

    @property
    def is_secret(self) -> bool:
        return self.parse in (secret, secret_list)

    @property
    def default_text(self) -> str:
        """The default as one would write it in the environment file, or in words."""
        return self.shown or written(self.default)


def setting(
    env: str,
    says: str,
    parse: Callable[[str], T],
    *,
    default: Any,
    older: tuple[str, ...] = (),
    shown: str = "",
) -> T:
    """Return a dataclass field that is the setting `env`."""
    row = Row(env, says, parse, default, older, shown)
    return cast(T, field(default=default, metadata={"row": row}))


def written(value: Any) -> str:
    """Return a value as the text that gives it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list | tuple):
        return ",".join(written(item) for item in value)
    return str(value)
