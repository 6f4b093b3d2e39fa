"""What the contract is held against: the same few things can be done on a simulated and on a real machine."""

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Protocol, TypeVar

from podup.clock import Clock, SystemClock
from podup.host.discovery import Discovery
from podup.host.journal import Journal
from podup.host.podman import Podman
from podup.host.probe import HostProber, Prober
from podup.host.run import Command, HostRunner, Runner
from podup.host.simulator.clock import ManualClock
from podup.host.simulator.parts import SimulatedUnit
from podup.host.simulator.simulator import Simulator
from podup.host.systemd import Systemd

T = TypeVar("T")
Labels = Mapping[str, str]
NO_LABELS: Labels = {}
NUMBERS = count(1)
RUNS = """[Unit]
Description=a service of the contract
{needs}
[Service]
Type=notify
ExecStart=/usr/bin/podman run --cidfile=%t/%n.ctr-id --rm --replace -d --name {name} {options}{image}
"""


@dataclass(frozen=True, slots=True)
class Made:
    """A service on the bench."""

    name: str
    image: str
    port: int

    @property
    def unit(self) -> str:
        return f"{self.name}.service"

    @property
    def repository(self) -> str:
        return self.image.removesuffix(":latest")


@dataclass(frozen=True, slots=True)
class Variation:
    """How a service differs from the plain one; `needs` maps Requires, BindsTo, PartOf to a unit."""

    restart: str = "on-failure"
    notify: str = "conmon"
    start_timeout_s: int = 90
    pull: str = ""
    needs: tuple[tuple[str, str], ...] = ()


class Bench(Protocol):
    """A machine under test."""

    runner: Runner
    clock: Clock
    prober: Prober

    def service(self, name: str = "web", variation: Variation = Variation()) -> Made:
        """Write a unit that runs an image of its own, which is not pushed yet."""

    def push(
        self,
        made: Made,
        version: str,
        behaviour: str = "good",
        *,
        content: str = "",
        labels: Labels = NO_LABELS,
    ) -> str:
        """Push a version under the service's tag; return its digest. Equal `content` is one image."""

    def run_by_hand(self, name: str, made: Made) -> None:
        """Start a container of a service's image in no unit, as a person would."""

    def missing_registry(self) -> str:
        """Return an image of a registry that is away."""


class Machine:
    """The classes under test on one bench."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.podman = Podman(bench.runner)
        self.systemd = Systemd(bench.runner)
        self.journal = Journal(bench.runner)
        self.discovery = Discovery(self.systemd, self.podman)

    def running(self, made: Made, version: str = "v1", behaviour: str = "good") -> str:
        """Push a version and start the service on it; return the manifest digest."""
        digest = self.bench.push(made, version, behaviour)
        self.systemd.start(made.unit)
        return digest

    def deploy(self, made: Made, version: str, behaviour: str = "good") -> str:
        """Push, pull by digest, tag and restart: what a deployment does."""
        digest = self.bench.push(made, version, behaviour)
        pinned = f"{made.repository}@{digest}"
        self.podman.pull(pinned)
        self.podman.tag(pinned, made.image)
        self.systemd.restart(made.unit)
        return digest

    def eventually(self, what: str, look: Callable[[], T], *, within_s: float = 20.0) -> T:
        deadline = self.bench.clock.monotonic() + within_s
        while not (seen := look()):
            assert self.bench.clock.monotonic() < deadline, f"not within {within_s} s: {what}; saw {seen!r}"
            self.bench.clock.sleep(0.1)
        return seen


class SimulatedBench:
    """A machine whose time passes only by sleeping."""

    def __init__(self) -> None:
        self.clock: Clock = ManualClock()
        self.simulator = Simulator(self.clock)
        self.runner: Runner = self.simulator
        self.prober: Prober = self.simulator

    def service(self, name: str = "web", variation: Variation = Variation()) -> Made:
        number = next(NUMBERS)
        made = Made(f"{name}{number}", f"registry.example/acme/{name}{number}:latest", 20000 + number)
        needs = {key: [unit for kind, unit in variation.needs if kind == key] for key, _ in variation.needs}
        text = RUNS.format(
            needs="\n".join(f"{kind}={unit}" for kind, unit in variation.needs),
            name=made.name,
            options=options_of(variation),
            image=made.image,
        )
        self.simulator.add(
            SimulatedUnit(
                made.unit,
                image=made.image,
                container=made.name,
                port=made.port,
                labels=(("io.containers.autoupdate", "registry"),),
                files=((f"/home/podup/.config/systemd/user/{made.unit}", text),),
                notify=variation.notify,
                pull=variation.pull or "missing",
                restart=variation.restart,
                start_timeout_s=variation.start_timeout_s,
                requires=tuple(needs.get("Requires", ())),
                binds_to=tuple(needs.get("BindsTo", ())),
                part_of=tuple(needs.get("PartOf", ())),
            )
        )
        return made

    def push(
        self,
        made: Made,
        version: str,
        behaviour: str = "good",
        *,
        content: str = "",
        labels: Labels = NO_LABELS,
    ) -> str:
        name = content or f"{version}-{made.name}"
        return self.simulator.push(made.image, name, behaviour, content=content, labels=labels).digest

    def run_by_hand(self, name: str, made: Made) -> None:
        self.simulator.run_by_hand(name, made.image)

    def missing_registry(self) -> str:
        with self.simulator.open() as machine:
            machine.registry = "gone"
        return "registry.example/acme/web:latest"


class LabBench:
    """The lab's host, through the kit its own tests use."""

    def __init__(self, kit: Any) -> None:
        self.clock: Clock = SystemClock()
        self.runner: Runner = HostRunner(self.clock, os.environ)
        self.prober: Prober = HostProber(self.runner, self.clock)
        self.made: list[Any] = []
        self.by_hand: list[str] = []
        self._kit = kit

    def service(self, name: str = "web", variation: Variation = Variation()) -> Made:
        # the numbers of the lab's own tests go on: a repository of theirs would show images of theirs
        kit, own = self._kit, f"{name}{next(self._kit.services.NUMBERS)}"
        service = kit.services.Service(own, f"{kit.lab_registry()}/acme/{own}:latest", kit.free_port())
        self.made.append(service)
        lines = [f"{kind}={unit}" for kind, unit in variation.needs]
        lines += [f"After={unit}" for _, unit in variation.needs]
        lines += ["[Service]", f"TimeoutStartSec={variation.start_timeout_s}"]
        options = tuple(options_of(variation).split())
        kit.services.write_unit(service, kit.services.Variation(variation.restart, options, tuple(lines)))
        return Made(own, service.image, service.port)

    def push(
        self,
        made: Made,
        version: str,
        behaviour: str = "good",
        *,
        content: str = "",
        labels: Labels = NO_LABELS,
    ) -> str:
        build = self._kit.Build(content or f"{version}-{made.name}", behaviour, tuple(labels.items()))
        return str(self._kit.push(build, made.image))

    def run_by_hand(self, name: str, made: Made) -> None:
        words = ("podman", "run", "--detach", "--name", name, "--env", f"PORT={made.port}", made.image)
        self.by_hand.append(name)
        assert self.runner.run(Command(words, mutates=True)).ok

    def missing_registry(self) -> str:
        return "127.0.0.1:9/acme/web:latest"


def options_of(variation: Variation) -> str:
    """Return further options of `podman run`."""
    options = [f"--sdnotify={variation.notify}"] if variation.notify != "conmon" else []
    options += [f"--pull={variation.pull}"] if variation.pull else []
    return "".join(f"{option} " for option in options)


class Kit:
    """The lab's kit, imported only inside the lab."""

    def __init__(self) -> None:
        sys.path.insert(0, str(Path(__file__).parents[1] / "lab"))
        from host.containers import free_port  # noqa: PLC0415
        from labkit import services  # noqa: PLC0415
        from labkit.images import Build, push  # noqa: PLC0415
        from labkit.registries import lab_registry  # noqa: PLC0415

        self.free_port, self.services, self.lab_registry = free_port, services, lab_registry
        self.Build, self.push = Build, push


@contextmanager
def open_lab_bench() -> Iterator[LabBench]:
    bench = LabBench(Kit())
    try:
        yield bench
    finally:
        for name in bench.by_hand:
            bench.runner.run(Command(("podman", "rm", "--force", "--time=0", name), mutates=True))
        for service in reversed(bench.made):
            bench._kit.services.remove(service)
