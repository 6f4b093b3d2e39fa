"""The simulated machine as a `Runner`, in this process or shared by several through a file.

With a `path`, each command locks the file, lets time pass up to now, does its work and writes it back, so
a daemon, its task processes and a person pushing images meet on one machine. The lock is not held while a
command takes its time.
"""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from podup.clock import Clock
from podup.core.images import ImageRef, parse_ref
from podup.core.platforms import Platform
from podup.core.probes import CommandProbe, parse_probe
from podup.errors import NotFound, PodupError, RateLimited, Unauthorized, Unavailable
from podup.files import FileLock, durable_write
from podup.host.run import Command, Completed
from podup.host.simulator import images, physics
from podup.host.simulator.parts import (
    BEHAVIOURS,
    Behaviour,
    Fault,
    Machine,
    RegistryImage,
    SimulatedUnit,
    age,
)
from podup.host.simulator.podman_program import PODMAN
from podup.host.simulator.programs import Answer, Call, Program, Working
from podup.host.simulator.systemd_programs import PROGRAMS
from podup.recipes.facts import Probed, RemoteImage
from podup.records import replace

_NOT_FOUND = 127
_TIMED_OUT = 124
_CHANGES_KEPT = 2000
_NO_LABELS: Mapping[str, str] = {}
_NO_FAULT = Fault(effect="none")
_REFUSALS: dict[str, type[PodupError]] = {
    "registry-unauthorized": Unauthorized,
    "registry-rate-limited": RateLimited,
    "image-not-found": NotFound,
}


class Killed(BaseException):
    """A fault killed the process that ran the command; no handler of ours may catch it."""


class Undeclared(Exception):
    """A command that changes the machine was run as one that does not: a dry run would have run it."""


class Simulator:
    """A machine with `podman`, `systemctl` and the like, and what stands around it: registry and ports."""

    def __init__(
        self, clock: Clock, *, path: Path | None = None, programs: Mapping[str, Program] | None = None
    ) -> None:
        self._clock = clock
        self.path = path
        self._programs = {"podman": PODMAN, **PROGRAMS, **(programs or {})}
        self._lock = threading.RLock()
        self._machine = Machine()
        self._held: Machine | None = None

    @contextmanager
    def open(self, machine: Machine | None = None) -> Iterator[Machine]:
        """Give the machine as it is now, to look at or to change; nobody else does meanwhile."""
        with self._lock:
            if self._held is not None:  # asked for by whom a command of ours told a line
                yield self._held
                return
            with self._shared():
                self._held = machine or Machine()
                self._held.adopt(self._machine)
                self._held.at, self._held.wall = self._clock.monotonic(), self._clock.now()
                try:
                    physics.advance(self._held)
                    yield self._held
                    self._machine.adopt(self._held)
                finally:
                    self._held = None

    def run(self, command: Command) -> Completed:
        """Run a command as `Runner` says; raises `NotSimulated` for words it does not know."""
        started = self._clock.monotonic()
        said: list[str] = []

        def tell(line: str) -> None:
            said.append(line)
            if command.on_line is not None:
                command.on_line(line)

        stdin = command.stdin.read_bytes() if isinstance(command.stdin, Path) else command.stdin or b""
        call = Call(command.argv[1:], stdin, command.env, tell)
        answer = self._answer(command, call)
        for line in answer.stderr.splitlines():
            tell(line)
        passed_ms = round((self._clock.monotonic() - started) * 1000)
        stderr = "".join(f"{line}\n" for line in said)
        return Completed(command, answer.exit, answer.stdout, stderr, passed_ms)

    def add(self, *units: SimulatedUnit) -> None:
        """Put units on the machine, stopped."""
        with self.open() as machine:
            machine.units.update({unit.name: unit for unit in units})

    def push(
        self,
        ref: str,
        version: str,
        behaviour: str | Behaviour = "good",
        *,
        is_index: bool = False,
        content: str = "",
        labels: Mapping[str, str] = _NO_LABELS,
    ) -> RemoteImage:
        """Push a version to the registry, as a build elsewhere would, and return it."""
        program = BEHAVIOURS[behaviour] if isinstance(behaviour, str) else behaviour
        image = images.build(parse_ref(ref).name, version, program, is_index=is_index, content=content)
        with self.open() as machine:
            pushed = images.push(machine, ref, replace(image, labels=tuple(labels.items())))
        return _remote(pushed)

    def run_by_hand(self, name: str, ref: str) -> None:
        """Start a container of an image in no unit, as a person would."""
        with self.open() as machine:
            image = images.at_start(machine, ref, "missing")
            unit = SimulatedUnit("", image=ref, container=name)
            physics.add_container(machine, image, unit, machine.at)

    def fault(self, fault: Fault) -> None:
        """Let something go wrong from now on."""
        with self.open() as machine:
            machine.faults = (*machine.faults, fault)

    def resolve(self, ref: ImageRef, platform: Platform | None = None) -> RemoteImage:
        """Answer like `podup.net.registry.Registry.resolve`; raises PodupError with its codes."""
        try:
            with self.open() as machine:
                found = images.find_remote(machine, str(ref))
        except images.ImageTrouble as trouble:
            raise _REFUSALS.get(trouble.code, Unavailable)(trouble.code, str(trouble)) from None
        return _remote(found)

    def probe(self, spec: str, *, timeout_s: float) -> Probed:
        """Answer like `podup.host.probe.Prober`: a port answers while its unit's program does."""
        wanted = parse_probe(spec)
        if isinstance(wanted, CommandProbe):
            done = self.run(Command(wanted.argv, mutates=False, timeout_s=timeout_s))
            return Probed(done.ok, f"{wanted.argv[0]} exited {done.exit}")
        with self.open() as machine:
            for container in machine.containers.values():
                answers_s = physics.behaviour_of(machine, container).answers_s
                answers = answers_s is not None and age(container, machine.at) >= answers_s
                if answers and container.unit and machine.units[container.unit].port == wanted.port:
                    return Probed(True, f"{spec} answered")
        return Probed(False, f"{spec}: connection refused")

    @contextmanager
    def _shared(self) -> Iterator[None]:
        """Hold the file's lock and its content, when there is one."""
        if self.path is None:
            yield
            return
        lock = FileLock(self.path.with_name(self.path.name + ".lock"), what="simulator")
        lock.acquire(blocking=True)
        try:
            before = self.path.read_bytes() if self.path.exists() else b""
            if before:
                self._machine.restore(json.loads(before))
            yield
            after = json.dumps(self._machine.as_json()).encode()
            if after != before:
                durable_write(self.path, after)
        finally:
            lock.release()

    def _answer(self, command: Command, call: Call) -> Answer:
        words, timeout_s = command.argv, command.timeout_s
        if words[0] == "systemd-run" and "--scope" in words:  # a scope only changes whose child it is
            words = words[words.index("--") + 1 :]
            call = replace(call, words=words[1:])
        program = self._programs.get(words[0].rpartition("/")[2])
        if program is None:
            return Answer("", f"{words[0]}: No such file or directory", _NOT_FOUND)
        changes = program.changes(call.words)
        if changes and not command.mutates:
            raise Undeclared(" ".join(words))
        fault = self._take_fault(words, changes)
        if fault.effect == "kill-before":
            raise Killed(" ".join(words))
        self._clock.sleep(min(fault.delay_s, timeout_s))
        if fault.delay_s >= timeout_s:
            return Answer("", f"stopped after {timeout_s:g} s", _TIMED_OUT)
        if fault.effect == "instead":
            return Answer("", fault.stderr, fault.exit)
        answer = self._work(program, call, timeout_s)
        if changes:
            with self.open() as machine:
                machine.changes = (*machine.changes[1 - _CHANGES_KEPT :], " ".join(words))
        if fault.effect == "kill-after":
            raise Killed(" ".join(words))
        return Answer(answer.stdout, fault.stderr, fault.exit) if fault.effect == "after" else answer

    def _work(self, program: Program, call: Call, timeout_s: float) -> Answer:
        """Run a program to its end, letting time pass where it waits, but not more than `timeout_s`."""
        deadline = self._clock.monotonic() + timeout_s
        machine = Machine()
        with self.open(machine) as held:
            working = program.run(held, call)
            if isinstance(working, Answer):
                return working
            pause = _step(working)
        while not isinstance(pause, Answer):
            left = deadline - self._clock.monotonic()
            if left <= 0:
                working.close()
                return Answer("", f"stopped after {timeout_s:g} s", _TIMED_OUT)
            self._clock.sleep(min(pause, left))
            with self.open(machine):
                pause = _step(working)
        return pause

    def _take_fault(self, words: tuple[str, ...], changes: bool) -> Fault:
        """Return the fault this command meets, one without effect when it meets none."""
        text = " ".join(words)
        with self.open() as machine:
            for index, fault in enumerate(machine.faults):
                if not text.startswith(fault.match) or (fault.changing and not changes) or fault.times == 0:
                    continue
                spared = replace(fault, skip=fault.skip - 1)
                left = spared if fault.skip else replace(fault, times=fault.times - 1)
                machine.faults = (*machine.faults[:index], left, *machine.faults[index + 1 :])
                if not fault.skip:
                    return fault
        return _NO_FAULT


def _remote(image: RegistryImage) -> RemoteImage:
    return RemoteImage(image.digest, image.index_digest, image.image_id, image.size_bytes)


def _step(working: Working) -> float | Answer:
    try:
        return next(working)
    except StopIteration as ended:
        return ended.value if isinstance(ended.value, Answer) else Answer()
