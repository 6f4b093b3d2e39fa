"""Stacks, built from the settings: the map of the configuration file and what reaches their machine."""

from podup.app.machine import Machine, real_runner
from podup.app.registries import proxies_of
from podup.clock import Clock
from podup.core.stack_map import Stack, stacks_from
from podup.engine.stack_catalogue import StackCatalogue
from podup.engine.stack_log import StackLog
from podup.engine.stack_machine import StackMachine, StackRoots, StackTools
from podup.host.run import Runner
from podup.net.http import Http, Limits
from podup.settings.load import Loaded

_LARGEST_ANSWER = 1024 * 1024


def configured_stacks(loaded: Loaded) -> tuple[Stack, ...]:
    """Return the stacks of the configuration file. Raises Invalid for what is wrong in it."""
    return stacks_from(loaded.config.stacks, stacks_dir=str(loaded.settings.stacks.directory))


def stack_log(loaded: Loaded, clock: Clock) -> StackLog:
    """Return the deployment history on disk."""
    return StackLog(loaded.settings.stacks.history_file, clock)


def stack_catalogue(machine: Machine, loaded: Loaded, clock: Clock) -> StackCatalogue:
    """Return what knows the stacks."""
    tools = stack_tools(machine, loaded, clock, private=real_runner(loaded, clock))
    return StackCatalogue(tools.stacks, lambda: StackMachine(tools))


def stack_tools(
    machine: Machine, loaded: Loaded, clock: Clock, *, private: Runner, task_id: str = ""
) -> StackTools:
    """Return what a stack machine is given; what `private` runs may print secrets."""
    stacks = loaded.settings.stacks
    http = Http(clock, proxies=proxies_of(loaded.environment))

    def fetch(url: str, timeout_s: float) -> tuple[int, bytes]:
        answer = http.fetch("GET", url, limits=Limits(timeout_s, _LARGEST_ANSWER))
        return answer.status, answer.body

    return StackTools(
        machine.runner,
        private,
        clock,
        machine.resolve,
        fetch,
        machine.manager,
        machine.podman.graph_root,
        StackRoots(stacks.backups_dir, stacks.releases_dir, stacks.history_file),
        configured_stacks(loaded),
        task_id,
    )
