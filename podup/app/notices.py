"""What is told about the program itself: how its updates end, and ERROR_SYSTEM for what is badly wrong.

An end is told in the transaction that imports its report, so once and not again after a restart. ERROR_SYSTEM
is told for updates on hold (a way back that failed), daily while it lasts, and for a program that was started
again and again; each ends with one message that all is well again.
"""

from podup.clock import Clock
from podup.core.states import Status
from podup.engine.outbox import Notice, Outbox
from podup.store import outbox as stored
from podup.store.db import Connection, Store
from podup.store.tasks import Task
from podup.update import remembered, starts
from podup.update.places import Places
from podup.update.reports import UNIT, Report
from podup.version import VERSION

ERROR_SYSTEM = "ERROR_SYSTEM"
UPDATED = "updated"
_UPDATES = "self-update"
_PROGRAM = "pod-upgrade-trigger"
_HOLD = f"{_UPDATES} hold"
_STARTS = f"{_PROGRAM} starts"
_HOLD_AGAIN_S = 86400.0
_STANDS_AFTER_S = 30.0
_TOLD_BY_HOLD = ("held", "updates-on-hold")


def tell_end(cx: Connection, outbox: Outbox, report: Report, task: Task, *, now_s: float) -> None:
    """Tell how an update ended when it is news; for the transaction that makes its task."""
    if report.dry_run or report.code in _TOLD_BY_HOLD or report.outcome in _TOLD_BY_HOLD:
        return
    facts = {"from": report.before, "to": report.after, "code": report.code, "host": report.runner_host}
    if task.status is Status.SUCCEEDED:
        version = report.after or report.release_tag
        title = f"{_PROGRAM} is now {version}" if version else f"{_PROGRAM} was updated"
        says = f"{report.before} -> {report.after}" if report.before else task.summary
        says += f" ({report.release_tag})" if report.release_tag else ""
        outbox.tell(cx, Notice(UPDATED, title, says, UNIT, task.id, facts), now_s=now_s)
        kinds = ("failed", "rolled_back")
        outbox.recovered(cx, _UPDATES, says, now_s=now_s, task_id=task.id, kinds=kinds)
    elif task.status is Status.SKIPPED and report.code == "up-to-date":
        outbox.recovered(cx, _UPDATES, task.summary, now_s=now_s, task_id=task.id, kinds=("failed",))
    elif task.status is Status.ROLLED_BACK:
        title = f"{_PROGRAM} was not updated to {report.after}: it was rolled back to {report.before}"
        notice = Notice(str(task.status), title, task.summary, UNIT, task.id, facts)
        outbox.failed(cx, f"{_UPDATES} rolled_back {report.after}", notice, now_s=now_s)
    elif task.status is not Status.SKIPPED:
        notice = Notice(str(task.status), f"{_PROGRAM} was not updated", task.summary, UNIT, task.id, facts)
        outbox.failed(cx, f"{_UPDATES} failed {report.code}", notice, now_s=now_s)


class Alarm:
    """Looks at what lasts: updates on hold, and starts that came to nothing. `look` belongs to one thread."""

    def __init__(self, places: Places, clock: Clock, *, manager_option: str) -> None:
        self._places = places
        self._journal = f"journalctl {manager_option} -u {UNIT}"
        self._clock = clock
        self._stands_at_s = clock.monotonic() + _STANDS_AFTER_S
        self._is_standing = False

    def look(self, store: Store, outbox: Outbox) -> None:
        """Tell what is news of it."""
        now_s = self._clock.now()
        self._look_at_hold(store, outbox, now_s)
        self._look_at_starts(store, outbox, now_s)

    def hold(self) -> str:
        """Return why updates are on hold, empty when they are not."""
        return remembered.hold_reason(self._places)

    def end_well(self) -> None:
        """Note that the program was stopped in good order."""
        starts.forget(self._places)

    def _look_at_hold(self, store: Store, outbox: Outbox, now_s: float) -> None:
        why = self.hold()
        with store.read() as cx:
            if not why and stored.incident(cx, _HOLD) is None:
                return
        with store.write() as cx:
            if why:
                title = f"{ERROR_SYSTEM}: updates of {_PROGRAM} are on hold"
                notice = Notice(ERROR_SYSTEM, title, f"{why}; {remembered.CLEAR_HOLD}", UNIT)
                outbox.lasts(cx, _HOLD, notice, now_s=now_s, every_s=_HOLD_AGAIN_S)
            else:
                outbox.recovered(cx, _UPDATES, "updates may go on", now_s=now_s, kinds=("hold",))

    def _look_at_starts(self, store: Store, outbox: Outbox, now_s: float) -> None:
        if self._is_standing:
            return
        seen = starts.load(self._places)
        with store.write() as cx:
            if seen.failed >= starts.MANY:
                title = f"{ERROR_SYSTEM}: {_PROGRAM} could not be started {seen.failed} times in a row"
                text = f"{VERSION} runs now; what kept it from it: {self._journal}"
                notice = Notice(ERROR_SYSTEM, title, text, UNIT, facts={"since": seen.since})
                outbox.failed(cx, _STARTS, notice, now_s=now_s)
            is_standing = self._clock.monotonic() >= self._stands_at_s
            if is_standing:
                starts.forget(self._places)
                outbox.recovered(cx, _PROGRAM, f"{VERSION} stands", now_s=now_s, kinds=("starts",))
        self._is_standing = is_standing
