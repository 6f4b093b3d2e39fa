"""Log lines of an auto-update wrapper: one JSON object a line, written by whoever wraps `podman auto-update`.

No field is required and unknown ones are passed over. A line without its newline is still being written
and is left for later; one that is no JSON object is shown as it stands.
"""

import json
from typing import Any

from podup.records import dataclass

_SAYS = ("message", "msg", "summary", "text", "event", "type")
_ABOUT = ("unit", "container", "image", "status", "updated", "error")
_BAD = ("error", "fatal", "critical", "failed", "failure")
_LONGEST = 500


@dataclass(frozen=True, slots=True)
class UpdateLine:
    """What a line says, and whether it tells of a failure."""

    says: str
    is_bad: bool = False


def read_update_lines(data: bytes) -> tuple[UpdateLine, ...]:
    """Return the whole lines in order; empty ones are left out."""
    whole = data[: data.rfind(b"\n") + 1]
    texts = (line.decode(errors="replace").strip() for line in whole.split(b"\n"))
    return tuple(_line(text) for text in texts if text)


def _line(text: str) -> UpdateLine:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        return UpdateLine(text[:_LONGEST])
    says = next((str(found[name]) for name in _SAYS if found.get(name)), "")
    about = [f"{name} {_plain(found[name])}" for name in _ABOUT if found.get(name) not in (None, "", says)]
    words = {str(found.get(name, "")).lower() for name in ("level", "status", "type", "result")}
    is_bad = bool(found.get("error")) or any(word.endswith(_BAD) for word in words if word)
    return UpdateLine(": ".join(filter(None, (says, ", ".join(about))))[:_LONGEST] or text[:_LONGEST], is_bad)


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
