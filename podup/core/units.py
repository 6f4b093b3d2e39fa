"""Names of systemd services.

Source: systemd.unit(5) and unit-name.c: letters, digits and `:-_.\\@`, at most 255, not starting with `@`.
Beyond that a name here neither starts with a dash (it could pass for an option) nor with a dot, and is
always a service: nothing podup does makes sense for a target or a mount.
"""

from functools import lru_cache

from podup.errors import Invalid
from podup.patterns import regex

STACK = "stack:"
_SUFFIX = ".service"
_OTHER_TYPES = (
    ".socket", ".device", ".mount", ".automount", ".swap", ".target", ".path", ".timer", ".slice", ".scope",
)  # fmt: skip
_MAX = 255
_NAME = regex(r"[A-Za-z0-9:_\\][A-Za-z0-9:_.\\@-]*")


@lru_cache(maxsize=256)  # every webhook names one, and a host has few
def unit_name(text: str) -> str:
    """Return the full unit name for `web` or `web.service`; raises Invalid('bad-unit-name').

    Templates (`web@.service`) and instances (`web@1.service`) are names too.
    """
    name = text if text.endswith(_SUFFIX) else text + _SUFFIX
    if text.endswith(_OTHER_TYPES):
        raise Invalid("bad-unit-name", f"not a service: {text[:80]!r}", "only services can be named here")
    if len(name) > _MAX or _NAME.fullmatch(name.removesuffix(_SUFFIX)) is None:
        raise Invalid("bad-unit-name", f"not a unit name: {text[:80]!r}", "write web or web@1.service")
    return name


def target_name(text: str) -> str:
    """Return what is worked on: the full unit name, a stack as `stack:NAME`, or nothing for an empty text.

    Raises Invalid('bad-unit-name').
    """
    return text if not text or text.startswith(STACK) else unit_name(text)


def slug(unit: str) -> str:
    """Return the short name for paths, `web` for `web.service`, from which `unit_name` leads back."""
    name = unit_name(unit)
    short = name.removesuffix(_SUFFIX)
    return short if unit_name_or_none(short) == name else name


def unit_name_or_none(text: str) -> str | None:
    """Return the full unit name, or None where `unit_name` would raise."""
    try:
        return unit_name(text)
    except Invalid:
        return None
