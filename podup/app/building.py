"""Builds the engine from settings, a database and a machine: the one place where the parts meet."""

import os
from collections.abc import Callable, Mapping, Sequence
from functools import cache, lru_cache, partial
from pathlib import Path
from typing import Any

from podup.app.context import context_of
from podup.app.machine import REAL, Ground, Machine, machine_on, task_processes
from podup.app.program import command, keep_copy
from podup.app.rules import auto_update_params, engine_rules, tick_rules, timetable_of, unit_settings
from podup.app.stacks import stack_catalogue, stack_log
from podup.clock import Clock
from podup.core.secrets import Redactor
from podup.engine.catalogue import Catalogue
from podup.engine.dispatch import AUTOMATIC, Dispatcher, Launch
from podup.engine.engine import Engine
from podup.engine.event_log import EventLog
from podup.engine.inbox import Inbox, InboxRules
from podup.engine.intake import Intake
from podup.engine.memory import KEEPERS, Memory
from podup.engine.outbox import Channel, Outbox
from podup.engine.policy import held_back, policy_of
from podup.engine.scheduler import Scheduler
from podup.engine.service_effects import service_world
from podup.engine.snapshot import Snapshot
from podup.engine.stack_catalogue import StackCatalogue
from podup.engine.stack_memory import stack_keepers
from podup.engine.ticks import Ticker
from podup.files import make_dirs
from podup.log import say
from podup.recipes.auto_update import AUTO_UPDATE
from podup.recipes.codec import decode
from podup.recipes.policy import Policy
from podup.records import dataclass, replace
from podup.settings.load import Loaded
from podup.store.db import Store
from podup.store.tasks import Task
from podup.update.checkout import places_of


@dataclass(frozen=True, slots=True)
class Built:
    """The engine with what drives it."""

    engine: Engine
    dispatcher: Dispatcher
    machine: Machine
    stacks: StackCatalogue
    scheduler: Scheduler
    outbox: Outbox


def build(
    loaded: Loaded,
    store: Store,
    clock: Clock,
    *,
    wake: Callable[[], None],
    channels: Sequence[Channel] = (),
    ground: Ground = REAL,
) -> Built:
    """Return everything wired together, over another machine than this one on request; nothing runs yet."""
    state_dir = loaded.settings.state.directory
    make_dirs(state_dir / "tasks")
    machine = machine_on(ground, loaded, clock)
    intake = Intake(clock, os.urandom)
    catalogue = Catalogue(
        store,
        clock,
        discover=machine.discovery.discover,
        world=service_world(machine.service_host(Policy(0.0))),
        settings_of=lru_cache(maxsize=256)(partial(unit_settings, loaded)),
        auto_update=auto_update_params(loaded),
    )
    inbox = Inbox(_inbox_rules(loaded, catalogue), intake, clock, random_bytes=os.urandom)
    log = EventLog(store, clock, Redactor(loaded.secrets()), left=state_dir / "events-left.jsonl")
    engine = Engine(state_dir, store, clock, intake, inbox, catalogue, log, os.urandom, wake)
    stacks = stack_catalogue(machine, loaded, clock)
    outbox = Outbox(store, clock, channels)
    keepers = {**KEEPERS, **stack_keepers(stack_log(loaded, clock), intake, stacks)}

    def take_snapshot(task: Task) -> Snapshot:
        context = context_of(loaded, machine.facts(), ground)
        return _snapshot(task, loaded, store, clock, context=context)

    @cache
    def launch() -> Launch:
        return Launch(task_processes(ground, machine, loaded), take_snapshot, _command(loaded))

    dispatcher = Dispatcher(
        state_dir,
        store,
        clock=clock,
        launch=launch,
        memory=Memory(keepers, tell=outbox.task_ended),
        say=say,
    )
    ticker = Ticker(engine, tick_rules(loaded, clock))
    scheduler = Scheduler(ticker, timetable_of(loaded), store, clock, random_bytes=os.urandom)
    return Built(engine, dispatcher, machine, stacks, scheduler, outbox)


def _inbox_rules(loaded: Loaded, catalogue: Catalogue) -> InboxRules:
    limits = loaded.settings.limits
    return InboxRules(
        loaded.settings.access.webhook_secrets,
        {unit: entry.webhook_secrets for unit, entry in loaded.config.units.items()},
        limits.image_count,
        float(limits.image_window_s),
        catalogue.deploy,
    )


def _command(loaded: Loaded) -> tuple[str, ...]:
    kept: Path | None = keep_copy(places_of(loaded))
    return (*command(kept), "run-task")


def _snapshot(
    task: Task, loaded: Loaded, store: Store, clock: Clock, *, context: Mapping[str, Any]
) -> Snapshot:
    rules = engine_rules(loaded, clock)
    with store.read() as cx:
        policy = policy_of(cx, task.unit, task.image, rules=rules, now_s=clock.now())
        if task.kind == AUTO_UPDATE.kind:
            policy = replace(policy, held_back=held_back(cx))
    if task.trigger.source not in AUTOMATIC:
        policy = replace(policy, opens_s=0.0, cooldown_s=0.0)
    return Snapshot(task.id, task.kind, decode(task.params), task.dry_run, policy, context)
