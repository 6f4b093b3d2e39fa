"""The five verbs: observe, plan, apply, judge, revert.

A recipe is pure. It says what has to be observed (`needs`, `watch`), what to do (`plan`), how it went
(`judge`) and how to take it back (`revert`). Queries are observed and actions are applied by the engine
and by nobody else. A later step never uses an earlier step's output: what it needs to know is observed.

Everything here is frozen and travels through a task's journal as JSON (`podup.recipes.codec`), so a
recovering process knows what its predecessor saw and wanted.
"""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any, Protocol, TypeVar

from podup.records import dataclass, field


class Query:
    """Something to be observed. Subclasses are frozen, slotted dataclasses."""

    __slots__ = ()


class Action:
    """Something to be done. Subclasses are frozen, slotted dataclasses."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Unknown:
    """The answer to a query that could not be observed, and why."""

    code: str
    reason: str
    hint: str = ""


class Facts(Mapping[Query, Any]):
    """What was seen: query -> value or `Unknown`. Immutable."""

    __slots__ = ("_seen",)

    def __init__(self, seen: Mapping[Query, Any] | None = None) -> None:
        self._seen = dict(seen or {})

    def __getitem__(self, query: Query) -> Any:
        return self._seen[query]

    def __iter__(self) -> Iterator[Query]:
        return iter(self._seen)

    def __len__(self) -> int:
        return len(self._seen)

    def with_(self, seen: Mapping[Query, Any]) -> "Facts":
        """Return these facts and `seen`; where both speak, `seen` wins."""
        return Facts({**self._seen, **seen})


@dataclass(frozen=True, slots=True)
class Step:
    """One action and the sentence a person reads about it."""

    says: str
    action: Action


class Decision(StrEnum):
    """What a plan comes to."""

    DO = "do"
    SKIP = "skip"
    POSTPONE = "postpone"
    REFUSE = "refuse"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps to take, with what else is to be told of them, or why there are none.

    SKIP: nothing to do (`up-to-date`, `quarantined` ...); POSTPONE: not before `until_s` (Unix seconds);
    REFUSE: a rule says no; FAIL: what had to be known could not be observed. `code` is in kebab case,
    `reason` a sentence, `hint` what to do.
    """

    steps: tuple[Step, ...] = ()
    decision: Decision = Decision.DO
    code: str = ""
    reason: str = ""
    hint: str = ""
    until_s: float = 0.0


def refuse(code: str, reason: str, hint: str = "") -> Plan:
    """Return the plan of a task that a rule forbids."""
    return Plan((), Decision.REFUSE, code, reason, hint)


def skip(code: str, reason: str, hint: str = "") -> Plan:
    """Return the plan of a task with nothing to do."""
    return Plan((), Decision.SKIP, code, reason, hint)


def fail(code: str, reason: str, hint: str = "") -> Plan:
    """Return the plan of a task that cannot be planned, as something it has to know is not known."""
    return Plan((), Decision.FAIL, code, reason, hint)


def fail_unseen(unknown: Unknown) -> Plan:
    """`fail`, for what could not be observed."""
    return fail(unknown.code, unknown.reason, unknown.hint)


def leave(code: str, reason: str) -> Plan:
    """Return the way back that takes nothing back, and why."""
    return Plan((), Decision.DO, code, reason)


class Aim(StrEnum):
    """What a judgement is held against: the new state, or the one from before."""

    NEW = "new"
    OLD = "old"


class Health(StrEnum):
    """The four verdicts. `pending` becomes bad, and `unknown` stays unknown, when the deadline passes."""

    OK = "ok"
    PENDING = "pending"
    BAD = "bad"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Verdict:
    """How things stand, with one sentence a reason; beside OK they say what was found where it is not health.

    `asks` is what to have looked at now and then while it is pending, because it comes late by itself; the
    answers go to the timeline, and what came of them is seen when the same is observed again.
    """

    health: Health
    reasons: tuple[str, ...] = ()
    asks: tuple[Query, ...] = ()


@dataclass(frozen=True, slots=True)
class Timing:
    """How long the engine waits for a verdict: seconds.

    The verdict must be ok for `settle_s` without a break, within `deadline_s`; observed every `every_s`.
    """

    deadline_s: float = 60.0
    settle_s: float = 10.0
    every_s: float = 0.5


DEFAULT_TIMING = Timing()


@dataclass(frozen=True, slots=True)
class Remember:
    """What the database shall know after the task: one fact a record, imported from the journal.

    `what` names the subject (`quarantine`, `first-seen`, `deployed`, `needs-operator`, `stack-history` ...).
    """

    what: str
    values: Mapping[str, Any] = field(default_factory=dict)


P = TypeVar("P", contravariant=True)


class Recipe(Protocol[P]):
    """One kind of task. `p` is the kind's own frozen dataclass of parameters."""

    kind: str
    title: str
    params: type[Any]

    def lock(self, p: P) -> tuple[str, ...]:
        """Name what is held while the task runs (`unit:web.service`, `image:ghcr.io/o/n`)."""

    def needs(self, p: P, seen: Facts) -> tuple[Query, ...]:
        """Say what to observe before planning; asked again with what was seen until nothing new is wanted."""

    def plan(self, p: P, seen: Facts) -> Plan:
        """Decide what to do."""

    def watch(self, p: P, before: Facts) -> tuple[Query, ...]:
        """Say what to observe while judging."""

    def timing(self, p: P) -> Timing:
        """Say how long judging may take."""

    def judge(self, p: P, before: Facts, after: Facts, aim: Aim) -> Verdict:
        """Hold what is seen now against what is wanted (NEW) or what was (OLD)."""

    def revert(self, p: P, before: Facts, after: Facts) -> Plan:
        """Plan the way back to `before`; no steps when nothing needs taking back."""

    def diagnose(self, p: P) -> tuple[Query, ...]:
        """Say what to look at when it went wrong; the answers go to the timeline and decide nothing."""

    def finish(self, p: P, before: Facts, after: Facts) -> Plan:
        """Plan the tidying after success; a failing step here is reported, never reverted."""

    def remember(self, p: P, before: Facts, after: Facts, outcome: str) -> tuple[Remember, ...]:
        """Say what the database shall know, for the task status `outcome`."""
