"""Stacks, built from the settings: the map of the configuration file and what reaches their machine."""

from typing import TYPE_CHECKING

from podup.app.machine import Machine, real_runner
from podup.clock import Clock
from podup.core.stack_map import Stack, stacks_from
from podup.engine.stack_catalogue import StackCatalogue
from podup.engine.stack_log import StackLog
from podup.host.run import Runner
from podup.late import late
from podup.settings.load import Loaded

if TYPE_CHECKING:
    from podup.engine import stack_machine
    from podup.net import http
else:
    stack_machine = late("podup.engine.stack_machine")
    http = late("podup.net.http")

_LARGEST_ANSWER = 1024 * 1024


def configured_stacks(loaded: Loaded) -> tuple[Stack, ...]:
    """Return the stacks of the configuration file. Raises Invalid for what is wrong in it."""
    return stacks_from(loaded.config.stacks, stacks_dir=str(loaded.settings.stacks.directory))


def stack_log(loaded: Loaded, clock: Clock) -> StackLog:
    """Return the deployment history on disk."""
    return StackLog(loaded.settings.stacks.history_file, clock)


def stack_catalogue(machine: Machine, loaded: Loaded, clock: Clock) -> StackCatalogue:
    """Return what knows the stacks."""

    def new_machine() -> "stack_machine.StackMachine":
        tools = stack_tools(machine, loaded, clock, private=real_runner(loaded, clock))
        return stack_machine.StackMachine(tools)

    return StackCatalogue(configured_stacks(loaded), new_machine)


def stack_tools(
    machine: Machine, loaded: Loaded, clock: Clock, *, private: Runner, task_id: str = ""
) -> "stack_machine.StackTools":
    """Return what a stack machine is given; what `private` runs may print secrets."""
    stacks = loaded.settings.stacks
    client = http.Http(clock, proxies=loaded.environment.proxies)

    def fetch(url: str, timeout_s: float) -> tuple[int, bytes]:
        answer = client.fetch("GET", url, limits=http.Limits(timeout_s, _LARGEST_ANSWER))
        return answer.status, answer.body

    return stack_machine.StackTools(
        machine.runner,
        private,
        clock,
        machine.resolve,
        fetch,
        machine.manager,
        machine.podman.graph_root,
        stack_machine.StackRoots(stacks.backups_dir, stacks.releases_dir, stacks.history_file),
        configured_stacks(loaded),
        task_id,
    )
