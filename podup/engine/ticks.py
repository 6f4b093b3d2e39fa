"""What a tick of the scheduler does: in mode `services` it deploys what is new in the registries, in mode
`auto-update` it runs podman's own updater.

Every tick is a row of the event log that says what was started and what was left alone, and why. What is
under way already is not started twice: a held or postponed task waits for its moment, and the next ticks
see it waiting. What a rule refused is not asked for again until something changes, or a day has passed; that
is in the database, because a command that ticks without a daemon is a new process each time.
"""

import hashlib
from collections.abc import Callable
from typing import Any

from podup.core.images import parse_ref
from podup.core.states import Status, Trigger, new_id
from podup.engine.engine import Engine
from podup.engine.intake import Intent
from podup.engine.policy import held_back, refuse_auto_update
from podup.errors import PodupError
from podup.recipes.policy import is_allowed
from podup.records import dataclass, replace
from podup.store import digests, events, schedule, services, tasks
from podup.store.db import Connection
from podup.store.events import Event
from podup.store.schedule import Tick
from podup.store.services import Service
from podup.store.tasks import Task

AUTO_UPDATE = "auto-update"
SERVICES = "services"
PATH = "/scheduler"
ACTION = "tick"
_ASKED = "asked:"  # and the unit; the note is the task made then, and how things stood
_LEFT_ALONE = ("disabled", "local")
_TOLD_AGAIN_S = 86400.0
_MAY_PASS_S = 3600.0  # these may pass without anybody telling us
_TOLD_SOONER_S = dict.fromkeys(("disk-full", "unit-masked", "unit-not-reloaded"), _MAY_PASS_S)


@dataclass(frozen=True, slots=True)
class TickRules:
    """What is configured: the mode, the images allowed (empty: all), and when a unit's window opens.

    `opens_s` maps a unit and a moment to when work on it may start (Unix seconds), 0 for at once.
    """

    mode: str
    allowed: tuple[str, ...]
    opens_s: Callable[[str, float], float]


@dataclass(frozen=True, slots=True)
class Ticked:
    """What a tick came to: tasks and reasons by unit."""

    mode: str
    started: tuple[tuple[str, str], ...] = ()
    skipped: tuple[tuple[str, str], ...] = ()
    error: str = ""

    @property
    def says(self) -> str:
        """One sentence about it."""
        if self.error:
            return self.error
        started = f"{len(self.started)} started" if self.started else "nothing to start"
        return f"{started}, {len(self.skipped)} left alone" if self.skipped else started


class Ticker:
    """Does ticks; from any thread, one at a time."""

    def __init__(self, engine: Engine, rules: TickRules) -> None:
        self._engine = engine
        self.rules = rules

    def opens_s(self, now_s: float) -> float:
        """Return when the window opens that all which ticks do has to wait for; 0 when nothing has to."""
        if self.rules.mode != AUTO_UPDATE:
            return 0.0
        opens_s = self.rules.opens_s(self._engine.catalogue.auto_update_unit, now_s)
        return opens_s if opens_s > now_s else 0.0

    def tick(self, *, caller: str = "", reason: str = "", mode: str = "") -> Ticked:
        """Look, submit what is to be done, and put it on record. What cannot be looked at is told there."""
        clock = self._engine.clock
        began_s, chosen = clock.monotonic(), mode or self.rules.mode
        trigger = Trigger("scheduler", path=PATH, caller=caller or "scheduler", reason=reason or chosen)
        done = Ticked(chosen)
        try:
            if chosen == SERVICES:
                self._engine.catalogue.refresh()
        except PodupError as error:
            done = replace(done, error=error.message)
        with self._engine.store.write() as cx:
            if not done.error:
                done = self._services(cx, trigger) if chosen == SERVICES else self._auto_update(cx, trigger)
            events.insert(cx, [self._event(done, round((clock.monotonic() - began_s) * 1000))])
        if done.started:
            self._engine.wake()
        return done

    def _services(self, cx: Connection, trigger: Trigger) -> Ticked:
        started: list[tuple[str, str]] = []
        skipped: list[tuple[str, str]] = []
        for service in services.all_known(cx):
            if service.update_state == "up_to_date":
                continue
            reason = self._why_not(cx, service)
            if reason:
                skipped.append((service.unit, reason))
                continue
            task = self._engine.intake.submit(cx, self._engine.catalogue.deploy(service), trigger)
            _note_asked(cx, task, _standing(service))
            started.append((service.unit, task.id))
        return Ticked(SERVICES, tuple(started), tuple(skipped))

    def _auto_update(self, cx: Connection, trigger: Trigger) -> Ticked:
        intent: Intent = self._engine.catalogue.auto_update()
        now_s = self._engine.clock.now()
        if self.rules.opens_s(intent.unit, now_s) > now_s:
            return Ticked(AUTO_UPDATE, (), ((intent.unit, "outside its maintenance window"),))
        refusal = refuse_auto_update(cx)
        reason = (
            _under_way(cx, intent.unit, intent.kind)
            or (refusal.reason if refusal else "")
            or self._was_refused(cx, intent.unit, _held_digests(cx))
        )
        if reason:
            return Ticked(AUTO_UPDATE, (), ((intent.unit, reason),))
        task = self._engine.intake.submit(cx, intent, trigger)
        _note_asked(cx, task, _held_digests(cx))
        return Ticked(AUTO_UPDATE, ((intent.unit, task.id),))

    def _why_not(self, cx: Connection, service: Service) -> str:
        """Return why this service is left alone, empty when it is to be deployed."""
        reason = self._engine.catalogue.why_not(service.unit, service)
        if reason or service.update_state != "update_available":
            return reason or service.update_reason or "whether there is an update is not known"
        if service.health in ("stopped", "inactive"):
            return "it is stopped"
        if service.details.get("auto_update") in _LEFT_ALONE:
            return f"its unit says AutoUpdate={service.details['auto_update']}"
        if service.details.get("problem"):
            return str(service.details["problem"])
        if not is_allowed(parse_ref(service.image).name, self.rules.allowed):
            return "its image is not among the allowed images"
        held = digests.held(cx, service.unit, service.remote_digest)
        if held is not None:
            return f"quarantined: {held.reason}"
        mark = services.needing_operator(cx).get(service.unit)
        if mark is not None:
            return f"it needs an operator: {mark.reason}"
        return (
            _under_way(cx, service.unit, "deploy")
            or _under_way(cx, service.unit, "rollback")
            or self._was_refused(cx, service.unit, _standing(service))
        )

    def _was_refused(self, cx: Connection, unit: str, standing: str) -> str:
        """Return what a rule said when things stood like this; empty when it is to be asked again."""
        asked = schedule.tick(cx, _ASKED + unit)
        task_id, _, stood = asked.note.partition(" ") if asked else ("", "", "")
        task = tasks.get(cx, task_id) if stood == _short(standing) else None
        if task is None or task.status is not Status.SKIPPED or task.code == "up-to-date":
            return ""
        quiet_s = _TOLD_SOONER_S.get(task.code, _TOLD_AGAIN_S)
        if task.created_at + quiet_s <= self._engine.clock.now():
            return ""
        return f"{task.summary} (told by task {task.id}; nothing has changed since)"

    def _event(self, done: Ticked, duration_ms: int) -> Event:
        meta: dict[str, Any] = {"mode": done.mode, "says": done.says}
        meta["started"] = [{"unit": unit, "task_id": task_id} for unit, task_id in done.started]
        meta["skipped"] = [{"unit": unit, "reason": reason} for unit, reason in done.skipped]
        now_s = self._engine.clock.now()
        return Event(
            ts=now_s,
            request_id=new_id("tick", self._engine.random_bytes, now_s),
            method="TICK",
            path=PATH,
            status=503 if done.error else 202 if done.started else 200,
            action=ACTION,
            duration_ms=duration_ms,
            meta=meta,
            task_id=done.started[0][1] if len(done.started) == 1 else "",
        )


def _standing(service: Service) -> str:
    """Return what a refusal of this service may have come from; another text means that it may be over."""
    return repr((service.image, service.remote_digest, sorted(service.details.items())))


def _held_digests(cx: Connection) -> str:
    known = [(one.unit, one.image, one.remote_digest) for one in services.all_known(cx)]
    return repr((held_back(cx), known))


def _note_asked(cx: Connection, task: Task, standing: str) -> None:
    note = f"{task.id} {_short(standing)}"
    schedule.set_tick(cx, Tick(_ASKED + task.unit, task.created_at, note=note))


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _under_way(cx: Connection, unit: str, kind: str) -> str:
    living = next((task for task in tasks.alive(cx, unit=unit, kind=kind) if not task.dry_run), None)
    if living is None:
        return ""
    waits = f" ({living.message})" if living.message else ""
    return f"task {living.id} is {living.status}{waits}"
