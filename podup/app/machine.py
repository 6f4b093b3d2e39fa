"""The machine a process manages, built from the settings: this one, or a simulated one."""

import os
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

from podup.clock import Clock
from podup.core.images import parse_ref
from podup.core.platforms import Platform
from podup.engine.service_effects import ServiceHost
from podup.host.discovery import Discovery
from podup.host.journal import Journal
from podup.host.podman import Podman
from podup.host.probe import HostProber, Prober
from podup.host.run import HostRunner, Runner
from podup.host.systemd import NO_MANAGER, Systemd
from podup.host.task_process import ChildTasks, SystemdTasks, TaskProcesses
from podup.late import late
from podup.recipes.facts import RemoteImage
from podup.recipes.policy import Policy
from podup.records import dataclass
from podup.settings.load import Loaded

if TYPE_CHECKING:
    from podup.app import registries
    from podup.host.simulator.simulator import Simulator
else:
    registries = late("podup.app.registries")


def _unheard(_line: str) -> None:
    """Nobody listens outside a task."""


@dataclass(frozen=True, slots=True)
class HostFacts:
    """What does not change while a machine runs; empty and None mean: not looked yet.

    `claims` are the systemd units that images name in labels of their own, by image id.
    """

    graph_root: str = ""
    manager: str | None = None
    claims: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Machine:
    """Everything that reaches the machine, over one runner.

    `manager` tells which systemd manager is this user's, `user` or `system`, or is empty: none answers.
    """

    runner: Runner
    podman: Podman
    systemd: Systemd
    journal: Journal
    discovery: Discovery
    prober: Prober
    resolve: Callable[[str], RemoteImage]
    tags: Callable[[str], tuple[str, ...]]
    manager: Callable[[], str]

    def facts(self) -> HostFacts:
        """Return what is known about the machine by now, for another process."""
        return HostFacts(self.podman.known_graph_root, self.manager(), self.podman.known_claims)

    def service_host(self, policy: Policy, *, hear: Callable[[str], None] = _unheard) -> ServiceHost:
        """Return the parts services are made of, under these rules; `hear` is told of progress."""
        return ServiceHost(
            self.runner,
            self.podman,
            self.systemd,
            self.journal,
            self.discovery,
            self.prober,
            self.resolve,
            self.tags,
            policy,
            hear,
        )


@dataclass(frozen=True, slots=True)
class Ground:
    """What is managed: this machine, or a simulated one; a daemon on a real one never loads the simulator.

    Tasks run as `processes`; without them in transient units where systemd runs, in children elsewhere.
    """

    simulator: "Simulator | None" = None
    processes: TaskProcesses | None = None


REAL = Ground()


def real_runner(loaded: Loaded, clock: Clock) -> HostRunner:
    """Return the runner of this machine: children get the user's environment and none of our settings."""
    return HostRunner(clock, loaded.environment.for_children)


def machine_on(
    ground: Ground,
    loaded: Loaded,
    clock: Clock,
    *,
    heard: Callable[[Runner], Runner] = lambda runner: runner,
    known: HostFacts | None = None,
) -> Machine:
    """Return the machine of this ground. `heard` may stand between it and its commands; `known` is what
    another process has found out about it.
    """
    simulator = ground.simulator
    if simulator is None:
        runner = heard(real_runner(loaded, clock))
        client = cache(
            lambda: registries.registry_client(real_runner(loaded, clock), loaded.environment, clock)
        )
        asked = Asked(
            lambda ref: client().resolve(parse_ref(ref), this_platform()),
            lambda ref: client().tags(parse_ref(ref)),
            HostProber(runner, clock),
        )
        return _machine(runner, loaded, known or HostFacts(), asked)
    here = simulator
    asked = Asked(lambda ref: here.resolve(parse_ref(ref)), lambda ref: (), here)
    return _machine(heard(here), loaded, known or HostFacts(), asked)


@dataclass(frozen=True, slots=True)
class Asked:
    """What answers about the world around the machine: registries and probes."""

    resolve: Callable[[str], RemoteImage]
    tags: Callable[[str], tuple[str, ...]]
    prober: Prober


def _machine(runner: Runner, loaded: Loaded, known: HostFacts, asked: Asked) -> Machine:
    user = not loaded.environment.is_root
    podman = Podman(runner, graph_root=known.graph_root, claims=known.claims)
    systemd = Systemd(runner, user=user)
    services = loaded.settings.services
    discovery = Discovery(
        systemd,
        podman,
        container_dir=services.container_dir,
        units=(*services.manual_units, *loaded.config.units),
    )
    return Machine(
        runner,
        podman,
        systemd,
        Journal(runner, user=user),
        discovery,
        asked.prober,
        asked.resolve,
        asked.tags,
        cache(lambda: _find_manager(systemd, known, user=user)),
    )


def _find_manager(systemd: Systemd, known: HostFacts, *, user: bool) -> str:
    if known.manager is not None:
        return known.manager
    is_there = systemd.overall() not in NO_MANAGER
    return ("user" if user else "system") if is_there else ""


def this_platform() -> Platform:
    """Return the platform images are chosen for."""
    return Platform.from_machine(os.uname().machine)


def task_processes(ground: Ground, machine: Machine, loaded: Loaded) -> TaskProcesses:
    """Return how tasks become processes: transient units where systemd runs, else children."""
    if ground.processes is not None:
        return ground.processes
    is_file = ground.simulator is not None and ground.simulator.path is not None
    if not is_file and machine.manager():
        return SystemdTasks(machine.systemd)
    return ChildTasks(loaded.environment.for_children)
