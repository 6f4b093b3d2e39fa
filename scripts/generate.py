"""Write every file that is made from a table of the program. A test compares them with a fresh rendering."""

import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from podup.cli import reference as cli_reference  # noqa: E402
from podup.settings import render as settings_render  # noqa: E402

GENERATED: dict[str, Callable[[], str]] = {
    "docs/cli.md": cli_reference.reference,
    "docs/settings.md": settings_render.reference,
    "systemd/pod-upgrade-trigger-http.env.example": settings_render.environment_example,
}


def main() -> int:
    """Write the files that differ and name them."""
    for name, render in GENERATED.items():
        path, text = ROOT / name, render()
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            sys.stdout.write(f"wrote {name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
