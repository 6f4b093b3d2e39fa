"""The rules of the simulated machine: what units and containers do when asked, and by themselves.

Source: systemd.service(5) and systemd.unit(5) for Type=notify with `podman run --rm --sdnotify=...`, as
`podman generate systemd --new` and Quadlet write it. Simplified: stopping takes no time, and whoever needs
a unit is ordered after it.
"""

from podup.core.unit_files import UNIT_LABEL
from podup.host.simulator.images import ImageTrouble, at_start
from podup.host.simulator.parts import (
    BEHAVIOURS,
    Behaviour,
    Machine,
    SimulatedContainer,
    SimulatedUnit,
    StoredImage,
    UnitRun,
)
from podup.records import replace

CONMON_S = 0.05
_PODMAN_FAILED = 125


def advance(machine: Machine) -> None:
    """Let everything happen that is due by `machine.at`, in the order of time."""
    while (due := next_due(machine)) is not None and due[0] <= machine.at:
        _happen(machine, due[1], due[0])


def next_due(machine: Machine) -> tuple[float, str] | None:
    """Return when and to which unit something happens next by itself."""
    moments = [
        (moment, name)
        for name, run in machine.runs.items()
        for moment in (run.ready_at, run.give_up_at, run.exits_at, run.restart_at)
        if moment is not None
    ]
    return min(moments, default=None)


def start(machine: Machine, name: str, at: float, *, by_itself: bool = False) -> None:
    """Start a unit and what it needs, and itself behind that; one that is up stays as it is."""
    unit, run = machine.units[name], machine.runs.get(name, UnitRun())
    if run.active == "active" or run.sub == "start":
        machine.runs[name] = replace(run, job="done" if run.active == "active" else run.job)
        return
    for need in (*unit.requires, *unit.binds_to):
        if need in machine.units:
            start(machine, need, at)
    if _has_to_wait(machine, unit, at):
        return
    recent = tuple(moment for moment in run.starts if moment > at - unit.interval_s)
    if len(recent) >= unit.burst:
        machine.note(name, "systemd", f"{name}: Start request repeated too quickly.", at=at)
        result = run.result if run.result != "success" else "start-limit-hit"
        _rest(machine, name, replace(run, result=result, starts=recent), "failed", at)
        return
    machine.note(name, "systemd", f"Starting {name}...", at=at)
    machine.runs[name] = UnitRun(
        active="activating",
        sub="start",
        restarts=run.restarts if by_itself else 0,
        invocation=machine.made_up("invocation")[:32],
        job="waiting",
        starts=(*recent, at),
        ready_at=at + unit.start_s,
        give_up_at=at + unit.start_timeout_s,
    )
    if unit.kind == "container":
        _start_container(machine, unit, at)


def stop(machine: Machine, name: str, at: float) -> None:
    """Stop a unit, and first those that need it."""
    for other in dependants(machine, name):
        if machine.runs.get(other, UnitRun()).is_up:
            stop(machine, other, at)
    run = machine.runs.get(name, UnitRun())
    if run.active in ("inactive", "failed"):
        return
    machine.note(name, "systemd", f"Stopped {name}.", at=at)
    _rest(machine, name, replace(run, result="success", restarts=0), "inactive", at)


def restart(machine: Machine, name: str, at: float) -> None:
    """Stop and start a unit; those that need it and were up follow, but for stubborn ones."""
    up = [other for other in all_dependants(machine, name) if machine.runs.get(other, UnitRun()).is_up]
    stop(machine, name, at)
    start(machine, name, at)
    for other in up:
        if not machine.units[other].stubborn:
            start(machine, other, at)


def reset_failed(machine: Machine, name: str) -> None:
    """Forget failures and counted starts."""
    run = machine.runs.get(name, UnitRun())
    if run.active == "failed":
        run = replace(run, active="inactive", sub="dead", result="success", restarts=0)
    machine.runs[name] = replace(run, starts=())


def kill(machine: Machine, name: str, at: float) -> None:
    """End a unit's processes by SIGKILL; what systemd then does depends on its Restart=."""
    run = machine.runs.get(name, UnitRun())
    if run.is_up and run.sub != "auto-restart":
        _ended(machine, name, replace(run, exec_code=2, exec_status=9), "signal", at)


def dependants(machine: Machine, name: str) -> tuple[str, ...]:
    """Return the units whose files name `name` as something they need."""
    return tuple(other for other, unit in machine.units.items() if name in unit.needs)


def all_dependants(machine: Machine, name: str) -> tuple[str, ...]:
    """Return the units that need `name`, directly or through others, the nearest first."""
    found: list[str] = []
    asked = [name]
    while asked:
        asked = [other for one in asked for other in dependants(machine, one) if other not in (*found, name)]
        found += [other for other in dict.fromkeys(asked)]
    return tuple(found)


def behaviour_of(machine: Machine, container: SimulatedContainer) -> Behaviour:
    """Return how the container's program behaves."""
    image = machine.images.get(container.image_id)
    return image.behaviour if image else BEHAVIOURS["good"]


def _has_to_wait(machine: Machine, unit: SimulatedUnit, at: float) -> bool:
    """Queue a unit behind one it needs that is still starting, or give it up with one that is not up."""
    run = machine.runs.get(unit.name, UnitRun())
    for need in unit.needs:
        other = machine.runs.get(need, UnitRun())
        if other.sub == "start" or other.behind:
            machine.runs[unit.name] = replace(run, job="waiting", behind=need)
            return True
        if need not in unit.part_of and not other.is_up and need in machine.units:
            _give_up(machine, unit.name, at)
            return True
    machine.runs[unit.name] = replace(run, behind="")
    return False


def _give_up(machine: Machine, name: str, at: float) -> None:
    machine.note(name, "systemd", f"Dependency failed for {name}.", at=at)
    machine.runs[name] = replace(machine.runs.get(name, UnitRun()), job="failed", behind="")
    _let_go(machine, name, at)


def _let_go(machine: Machine, name: str, at: float) -> None:
    """Give those queued behind `name` their turn, now that it is up or its start has failed."""
    is_up = machine.runs[name].job == "done"
    for other in [key for key, run in machine.runs.items() if run.behind == name]:
        if is_up or name in machine.units[other].part_of:
            machine.runs[other] = replace(machine.runs[other], behind="")
            start(machine, other, at)
        else:
            _give_up(machine, other, at)


def _start_container(machine: Machine, unit: SimulatedUnit, at: float) -> None:
    run = machine.runs[unit.name]
    try:
        image = at_start(machine, unit.image, unit.pull)
    except ImageTrouble as trouble:
        machine.note(unit.name, "podman", f"Error: {trouble}", at=at)
        machine.runs[unit.name] = replace(
            run, ready_at=None, exits_at=at + unit.start_s, exit_code=_PODMAN_FAILED
        )
        return
    container = add_container(machine, image, unit, at + unit.start_s)
    machine.note(unit.name, container.name, f"starting {image.version}", at=at)
    program = image.behaviour
    waits_s = program.ready_s if unit.notify == "container" else 0.0
    machine.runs[unit.name] = replace(
        run,
        container=container.id,
        ready_at=None if waits_s is None else container.born + waits_s,
        exits_at=None if program.exits_s is None else container.born + max(program.exits_s, CONMON_S),
        exit_code=program.exit_code,
    )


def add_container(
    machine: Machine, image: StoredImage, unit: SimulatedUnit, born: float
) -> SimulatedContainer:
    """Put a container there in place of one of its name; what the image says in labels counts least."""
    mine = {UNIT_LABEL: unit.name} if unit.name else {}
    container = SimulatedContainer(
        id=machine.made_up("container"),
        name=unit.container or f"systemd-{unit.name.removesuffix('.service')}",
        unit=unit.name,
        image_id=image.id,
        image_ref=unit.image,
        born=born,
        started_at=machine.wall - machine.at + born,
        labels=tuple({**dict(image.labels), **dict(unit.labels), **mine}.items()),
        log=(f"starting {image.version}",),
    )
    machine.containers = {
        key: other for key, other in machine.containers.items() if other.name != container.name
    }
    machine.containers[container.id] = container
    return container


def _happen(machine: Machine, name: str, at: float) -> None:
    """Do what is due to `name` at `at`."""
    unit, run = machine.units[name], machine.runs[name]
    if run.ready_at == at:
        _ready(machine, unit, run, at)
    elif run.exits_at == at:
        result = "exit-code" if run.exit_code else "success"
        _ended(machine, name, replace(run, exec_code=1, exec_status=run.exit_code), result, at)
    elif run.give_up_at == at:
        machine.note(name, "systemd", f"{name}: start operation timed out. Terminating.", at=at)
        _ended(machine, name, run, "timeout", at)
    else:
        run = replace(run, restart_at=None, restarts=run.restarts + 1)
        machine.runs[name] = replace(run, active="inactive", sub="dead")
        start(machine, name, at, by_itself=True)


def _ready(machine: Machine, unit: SimulatedUnit, run: UnitRun, at: float) -> None:
    run = replace(run, ready_at=None, give_up_at=None, job="done")
    machine.note(unit.name, "systemd", f"Started {unit.name}.", at=at)
    if unit.kind in ("oneshot", "auto-update"):
        _rest(machine, unit.name, replace(run, exec_code=1, exec_status=0), "inactive", at)
        if unit.kind == "auto-update":
            auto_update(machine, at)
        return
    machine.runs[unit.name] = replace(run, active="active", sub="running", since=at)
    _let_go(machine, unit.name, at)


def auto_update(machine: Machine, at: float) -> None:
    """Do what `podman auto-update` does: fetch what the tags stand for now, and restart."""
    for container in tuple(machine.containers.values()):
        if dict(container.labels).get("io.containers.autoupdate") != "registry":
            continue
        try:
            image = at_start(machine, container.image_ref, "newer")
        except ImageTrouble as trouble:
            machine.note(container.unit, "podman", f"Error: {trouble}", at=at)
            continue
        if image.id != container.image_id:
            restart(machine, container.unit, at)


def _ended(machine: Machine, name: str, run: UnitRun, result: str, at: float) -> None:
    """The main process is gone, and nobody asked for it."""
    unit = machine.units[name]
    if result != "success":
        says = f"code=exited, status={run.exec_status}" if run.exec_code == 1 else result
        machine.note(name, "systemd", f"{name}: Main process exited, {says}", at=at)
        machine.note(name, "systemd", f"{name}: Failed with result '{result}'.", at=at)
    job = "failed" if run.job == "waiting" else run.job
    run = replace(run, result=result, job=job)
    if unit.restart == "always" or (unit.restart == "on-failure" and result != "success"):
        _clear(machine, run)
        machine.runs[name] = replace(
            _halted(run), active="activating", sub="auto-restart", restart_at=at + unit.restart_s
        )
        if job == "failed":
            _let_go(machine, name, at)
        return
    _rest(machine, name, run, "inactive" if result == "success" else "failed", at)
    for other, one in tuple(machine.units.items()):
        if name in one.binds_to and machine.runs.get(other, UnitRun()).is_up:
            stop(machine, other, at)


def _rest(machine: Machine, name: str, run: UnitRun, active: str, at: float) -> None:
    """Bring a unit to rest, inactive or failed."""
    _clear(machine, run)
    job = "failed" if run.job == "waiting" or active == "failed" else run.job
    machine.runs[name] = replace(
        _halted(run), active=active, sub="failed" if active == "failed" else "dead", job=job
    )
    if job == "failed":
        _let_go(machine, name, at)
    if machine.units[name].kind == "transient":
        del machine.units[name], machine.runs[name]


def _clear(machine: Machine, run: UnitRun) -> None:
    machine.containers.pop(run.container, None)


def _halted(run: UnitRun) -> UnitRun:
    return replace(run, container="", ready_at=None, give_up_at=None, exits_at=None, restart_at=None)
