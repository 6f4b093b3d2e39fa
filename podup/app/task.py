"""`run-task`: the process of one task, from its snapshot to its outcome."""

import os
from pathlib import Path

from podup.app.context import host_facts_from, loaded_from
from podup.app.machine import REAL, Ground, machine_on, real_runner
from podup.app.stacks import stack_tools
from podup.clock import Clock
from podup.core.secrets import Redactor
from podup.engine.auto_update_watch import AutoUpdateWatch
from podup.engine.process import Workshop, run_task
from podup.engine.record import Outcome, Record
from podup.engine.service_effects import service_world
from podup.engine.snapshot import Snapshot
from podup.engine.stack_effects import stack_world
from podup.engine.stack_machine import StackMachine
from podup.engine.world import World
from podup.errors import Unavailable
from podup.host.processes import identify
from podup.host.run import Private, ReadOnly, Recorded, Runner
from podup.host.simulator.simulator import Simulator


def run(task_id: str, state_dir: Path, clock: Clock) -> Outcome:
    """Take the task to its end. Raises Busy when another process has it, Invalid without a snapshot."""

    def redactor_of(snapshot: Snapshot) -> Redactor:
        return Redactor(loaded_from(snapshot.context).secrets())

    def world_of(snapshot: Snapshot, record: Record) -> World:
        loaded = loaded_from(snapshot.context)
        known = host_facts_from(snapshot.context)

        def allowed(runner: Runner) -> Runner:
            return ReadOnly(runner) if snapshot.dry_run else runner

        def heard(runner: Runner) -> Runner:
            return Recorded(allowed(runner), record.command)

        simulated = snapshot.context.get("simulated")
        ground = Ground(Simulator(clock, path=Path(simulated))) if simulated else REAL
        machine = machine_on(ground, loaded, clock, heard=heard, known=known)
        services = service_world(
            machine.service_host(snapshot.policy, hear=lambda line: record.note("info", line))
        )
        private = Private(allowed(real_runner(loaded, clock)), record.command)
        tools = stack_tools(machine, loaded, clock, private=private, task_id=task_id)
        watch = AutoUpdateWatch(machine.journal, machine.systemd, clock, record.note)
        return services.with_(stack_world(StackMachine(tools))).with_(watch.world())

    me = identify(os.getpid())
    if me is None:
        raise Unavailable("no-proc", "this process is not in /proc", "mount the proc file system there")
    return run_task(task_id, state_dir, clock=clock, me=me, workshop=Workshop(redactor_of, world_of))
