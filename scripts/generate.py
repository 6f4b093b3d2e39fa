"""Write every file that is made from a table of the program. A test compares them with a fresh rendering."""

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from podup.api import reference as api_reference  # noqa: E402
from podup.app.building import build  # noqa: E402
from podup.app.machine import Ground  # noqa: E402
from podup.app.opening import BriefStore  # noqa: E402
from podup.app.routes import UpdateHooks, all_routes, auth_of, site_of  # noqa: E402
from podup.cli import reference as cli_reference  # noqa: E402
from podup.host.simulator.clock import ManualClock  # noqa: E402
from podup.host.simulator.simulator import Simulator  # noqa: E402
from podup.server.sse import Hub  # noqa: E402
from podup.settings import render as settings_render  # noqa: E402
from podup.settings.environment import Environment  # noqa: E402
from podup.settings.load import load  # noqa: E402


def api_pages() -> str:
    """Return docs/api.md: of the very table a daemon serves, on a machine that is not there."""
    with tempfile.TemporaryDirectory() as directory:
        home, clock = Path(directory), ManualClock()
        loaded = load(Environment({"PODUP_STATE_DIR": directory}, home, 1000), shared_state=home / "srv")
        machine = Ground(simulator=Simulator(clock))
        built = build(loaded, BriefStore(loaded, clock), clock, wake=lambda: None, ground=machine)
        hooks = UpdateHooks(lambda _knock: None, lambda: None, dict)
        auth = auth_of(loaded, built.engine, clock)
        site = site_of(all_routes(built, loaded, Hub(), hooks), built.engine, loaded, auth)
        return api_reference.reference(site.router.routes)


GENERATED: dict[str, Callable[[], str]] = {
    "docs/api.md": api_pages,
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
