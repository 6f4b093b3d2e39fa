"""A service on the simulated machine, deployed by the real recipe and the real loop."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from podup.core.images import parse_ref
from podup.core.secrets import Redactor
from podup.engine.record import Outcome, Record
from podup.engine.run import Job, Run
from podup.engine.service_effects import ServiceHost, service_world
from podup.host.discovery import Discovery
from podup.host.journal import Journal
from podup.host.podman import Podman
from podup.host.run import Command, Completed, ReadOnly, Recorded, Runner
from podup.host.simulator.clock import ManualClock
from podup.host.simulator.parts import SimulatedUnit
from podup.host.simulator.scenes import container_unit
from podup.host.simulator.simulator import Simulator
from podup.host.systemd import Systemd
from podup.recipes.policy import Policy
from podup.recipes.service_goal import ServiceParams
from podup.recipes.table import recipe_of

IMAGE = "ghcr.io/acme/web:latest"
UNIT = "web.service"
PROXY = "proxy.service"
PROBE = "http://127.0.0.1:8080/health"
_NO_TRAITS = SimulatedUnit("")


@dataclass(slots=True)
class Sink:
    """A task's journal in memory."""

    records: list[dict[str, Any]] = field(default_factory=list)

    def write(self, record: dict[str, Any], *, sync: bool = True) -> None:
        self.records.append(record)


class Meddler:
    """The machine, on which something happens in the middle of each pull, and after each restart."""

    def __init__(self, runner: Runner) -> None:
        self.at_pull: Callable[[], object] = lambda: None
        self.at_restart: Callable[[], object] = lambda: None
        self._runner = runner

    def run(self, command: Command) -> Completed:
        def heard(line: str) -> None:
            if line.startswith("Copying blob"):
                self.at_pull()

        if command.argv[1] == "pull":
            command = replace(command, on_line=heard)
        done = self._runner.run(command)
        if command.argv[2] == "restart":
            self.at_restart()
        return done


class Bench:
    """`web.service` runs v1, with `proxy.service` that needs it; v2 waits to be pushed."""

    def __init__(
        self, *, traits: SimulatedUnit = _NO_TRAITS, probe: str = "", stubborn: bool = False
    ) -> None:
        self.clock = ManualClock()
        self.simulator = Simulator(self.clock)
        self.heard: list[Completed] = []
        machine = Recorded(self.simulator, self.heard.append)
        self.podman, self.systemd = Podman(machine), Systemd(machine)
        self.meddler = Meddler(machine)
        self.is_stopped: Callable[[], bool] = lambda: False
        self.sink = Sink()
        proxy = SimulatedUnit("", stubborn=stubborn)
        self.simulator.add(
            container_unit("web", IMAGE, port=8080, probe=probe, traits=traits),
            container_unit("proxy", "docker.io/library/caddy:2", needs=(UNIT,), traits=proxy),
        )
        self.simulator.push(IMAGE, "v1", "healthy")
        self.simulator.push("docker.io/library/caddy:2", "1")
        self.systemd.start(UNIT)
        self.systemd.start(PROXY)
        self.clock.sleep(100)
        self.old_id = self.image_id

    @property
    def image_id(self) -> str:
        """The image the service runs, empty when it has no container."""
        container = self.podman.container_of(UNIT)
        return container.image_id if container else ""

    @property
    def digest(self) -> str:
        """What the tag stands for in the registry."""
        return self.simulator.resolve(parse_ref(IMAGE)).digest

    @property
    def invocation(self) -> str:
        return self.systemd.show(UNIT)[0].invocation

    @property
    def changes(self) -> list[str]:
        """The commands that changed the machine in this process, in order."""
        return [" ".join(done.command.argv) for done in self.heard if done.command.mutates]

    def deploy(self, kind: str = "deploy", *, dry_run: bool = False, **params: Any) -> Outcome:
        """Run one deployment from beginning to end, on a journal of its own."""
        self.sink = Sink()
        return self.run(kind, dry_run=dry_run, **params).execute()

    def recover(self, kind: str = "deploy", **params: Any) -> Outcome:
        """Take up, in another process, the deployment whose process died."""
        return self.run(kind, **params).recover(list(self.sink.records))

    def run(self, kind: str = "deploy", *, dry_run: bool = False, **params: Any) -> Run:
        record = Record(self.sink, self.clock, Redactor())
        runner: Runner = Recorded(self.meddler, record.command)
        runner = ReadOnly(runner) if dry_run else runner
        podman, systemd = Podman(runner), Systemd(runner)
        host = ServiceHost(
            runner=runner,
            podman=podman,
            systemd=systemd,
            journal=Journal(runner),
            discovery=Discovery(systemd, podman),
            prober=self.simulator,
            resolve=lambda ref: self.simulator.resolve(parse_ref(ref)),
            tags=lambda ref: (),
            policy=Policy(now_s=self.clock.now()),
            hear=lambda line: None,
        )
        job = Job(recipe_of(kind), ServiceParams(UNIT, **params), dry_run)
        world, is_stopped = service_world(host), self.is_stopped
        return Run(job, world=world, record=record, clock=self.clock, is_stopped=is_stopped)

    def is_well_on(self, image_id: str) -> bool:
        """Return whether service and proxy do well, on this image, which the tag stands for as well."""
        self.clock.sleep(30)
        web, proxy = self.systemd.show(UNIT, PROXY)
        container, tagged = self.podman.container_of(UNIT), self.podman.image(IMAGE)
        return (
            web.is_active
            and proxy.is_active
            and container is not None
            and container.health in ("", "healthy")
            and tagged is not None
            and container.image_id == tagged.id == image_id
        )
