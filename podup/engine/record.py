"""A task's journal: what is written, in which order, and how it reads afterwards.

One JSON object a line in `STATE/tasks/ID.jsonl`. The plan and the facts from before are synced ahead of
the first effect, every step before and after its effect, so whoever reads the file knows what was
wanted, what had begun and what was over. Types of records:

    begin     a process took the task up            plan      what will be done, and `before`
    step      one step begins                       done      the step ended, well or not
    command   a command that ran                    note      a sentence for people
    diagnosis what the unit and its logs said
    seen      facts observed later (`after`)        verdict   how things stand; ok and final = commit
    revert    the plan back                         outcome   the end; nothing follows but a new begin
"""

import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

from podup.clock import Clock
from podup.core.secrets import Redactor, without_environment
from podup.core.states import Status
from podup.files import read_journal
from podup.host.processes import ProcessIdentity
from podup.host.run import Completed
from podup.patterns import regex
from podup.recipes.codec import encode
from podup.recipes.verbs import Aim, Facts, Plan, Remember, Step, Verdict
from podup.records import asdict, dataclass

STREAM_BYTES = 32 * 1024
_REPORT_BYTES = 24 * 1024  # of each of three texts: as JSON a record has to stay below 256 KiB
_READ_LETTERS = 64 * 1024  # more is not looked through: whoever wrote it could make that take for ever
_UNPRINTED = regex(r"[\x00-\x08\x0b-\x1f\x7f]")  # six bytes each as JSON
_NOTHING: Mapping[str, Any] = {}


class Sink(Protocol):
    """Where records go: a journal file, or a list in tests."""

    def write(self, record: dict[str, Any], *, sync: bool = True) -> None:
        """Append one record; on disk when this returns, if `sync`."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a task ended: `code` in kebab case, `summary` one sentence, `remember` for the database.

    `not_before_s` is set with status pending only: the task is to be tried again then.
    """

    status: Status
    code: str
    summary: str
    hint: str = ""
    not_before_s: float = 0.0
    remember: tuple[Remember, ...] = ()


class Record:
    """Writes a task's journal, from any thread. Every text for people that goes in is redacted.

    What recovery acts on (plans, actions, facts, what is to be remembered) goes in as it is: a name that
    looks like a secret has to be the same name afterwards. `story` redacts it before anybody sees it.
    """

    def __init__(self, sink: Sink, clock: Clock, redactor: Redactor) -> None:
        self._sink = sink
        self._clock = clock
        self._redactor = redactor
        self._one_at_a_time = threading.Lock()

    def begin(self, me: ProcessIdentity, *, version: str, attempt: int) -> None:
        self._write("begin", **asdict(me), version=version, attempt=attempt)

    def plan(self, plan: Plan, before: Facts) -> None:
        self._write("plan", exact={"plan": encode(plan), "before": encode(before)})

    def revert(self, plan: Plan, reason: str) -> None:
        self._write("revert", exact={"plan": encode(plan)}, reason=reason)

    def step(self, number: int, step: Step, phase: str) -> None:
        self._write("step", action=encode(step.action), number=number, phase=phase, says=step.says)

    def done(self, number: int, phase: str, error: str = "", code: str = "") -> None:
        self._write("done", number=number, phase=phase, ok=not error, error=error, code=code)

    def note(self, level: str, says: str, **meta: Any) -> None:
        self._write("note", sync=False, level=level, says=says, meta=meta)

    def diagnosis(self, report: Any) -> None:
        told = encode(report)
        if isinstance(told, dict):
            texts = {key: text for key, text in told.items() if isinstance(text, str)}
            masked = {key: without_environment(_newest(text)) for key, text in texts.items()}
            told |= {key: _tail(text, _REPORT_BYTES) for key, text in masked.items()}
        self._write("diagnosis", report=told)

    def seen(self, after: Facts) -> None:
        self._write("seen", sync=False, exact={"after": encode(after)})

    def verdict(self, verdict: Verdict, aim: Aim, *, final: bool) -> None:
        self._write("verdict", verdict=encode(verdict), aim=aim.value, final=final, sync=final)

    def command(self, done: Completed) -> None:
        given = {name: getattr(done, name) for name in ("stdout", "stderr")}
        whole = {name: without_environment(_newest(text)) for name, text in given.items()}
        streams: dict[str, Any] = {name: _tail(text, STREAM_BYTES) for name, text in whole.items()}
        cut = done.truncated or streams != whole or any(len(text) > _READ_LETTERS for text in given.values())
        self._write(
            "command",
            sync=done.command.mutates,
            argv=list(done.command.argv),
            exit=done.exit,
            duration_ms=done.duration_ms,
            truncated=cut,
            mutates=done.command.mutates,
            **streams,
        )

    def outcome(self, outcome: Outcome) -> None:
        told = encode_outcome(outcome)
        self._write("outcome", exact={"remember": told.pop("remember")}, **told)

    def _write(
        self, kind: str, *, sync: bool = True, exact: Mapping[str, Any] = _NOTHING, **values: Any
    ) -> None:
        record = {"type": kind, "ts": round(self._clock.now(), 3), **exact, **self._redactor.tree(values)}
        with self._one_at_a_time:
            self._sink.write(record, sync=sync)


def encode_outcome(outcome: Outcome) -> dict[str, Any]:
    """Return the fields of an outcome record."""
    return {
        "status": outcome.status.value,
        "code": outcome.code,
        "summary": outcome.summary,
        "hint": outcome.hint,
        "not_before_s": outcome.not_before_s,
        "remember": [{"what": item.what, "values": dict(item.values)} for item in outcome.remember],
    }


def decode_outcome(record: Mapping[str, Any]) -> Outcome:
    """Return the outcome an outcome record holds; of one that cannot be read, a failure that says so."""
    try:
        return _decoded(record)
    except (KeyError, TypeError, ValueError) as error:
        reason = f"its outcome was written by another version and cannot be read: {error}"
        return Outcome(Status.FAILED, "outcome-unreadable", reason, "look at the unit by hand")


def _decoded(record: Mapping[str, Any]) -> Outcome:
    return Outcome(
        Status(record["status"]),
        str(record.get("code", "")),
        str(record.get("summary", "")),
        str(record.get("hint", "")),
        float(record.get("not_before_s", 0.0)),
        tuple(Remember(item["what"], item["values"]) for item in record.get("remember", ())),
    )


def read_records(journal: Path) -> list[dict[str, Any]]:
    """Return the records of a task's journal; a line that is none of ours is passed over, as a torn one is.

    Raises OSError when the file cannot be read.
    """
    records, _ = read_journal(journal)
    return [record for record in records if isinstance(record.get("type"), str)]


def current(records: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the records after the last outcome: those of an attempt that has not ended."""
    alive: list[dict[str, Any]] = []
    for record in records:
        if record.get("type") == "outcome":
            alive.clear()
        else:
            alive.append(record)
    return alive


def _newest(text: str) -> str:
    return text[-_READ_LETTERS:]


def _tail(text: str, most_bytes: int) -> str:
    data = _UNPRINTED.sub("?", text).encode(errors="replace")
    return data[-most_bytes:].decode(errors="ignore")
