"""What a task process is built from: the daemon's settings as they were, written down and read back.

The context holds the text of every setting, secrets included, so it lives only in the task's 0600 snapshot.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from podup.app.machine import REAL, Ground, HostFacts
from podup.records import asdict
from podup.settings.environment import Environment
from podup.settings.load import Loaded, load


def context_of(loaded: Loaded, host: HostFacts, ground: Ground = REAL) -> dict[str, Any]:
    """Return what `loaded_from`, `host_facts_from` and a task's process need in another process."""
    environment = loaded.environment
    simulated = ground.simulator.path if ground.simulator is not None else None
    return {
        "texts": dict(loaded.texts),
        "config_text": loaded.config_text,
        "variables": environment.for_children,
        "home": str(environment.home),
        "uid": environment.uid,
        "host": asdict(host),
        "simulated": str(simulated or ""),
    }


def loaded_from(context: Mapping[str, Any]) -> Loaded:
    """Return the settings a context was made of. Raises Invalid when they cannot be loaded any more."""
    variables = {**context["variables"], **context["texts"]}
    environment = Environment(variables, Path(context["home"]), int(context["uid"]))
    return load(environment, config_text=context["config_text"])


def host_facts_from(context: Mapping[str, Any]) -> HostFacts:
    """Return what the process that made the context knew about the machine."""
    host = context["host"]
    claims = tuple((image_id, unit) for image_id, unit in host["claims"])
    return HostFacts(host["graph_root"], host["manager"], claims)
