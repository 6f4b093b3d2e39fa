"""Judging a program that was just started.

`read` is pure: what was seen, held against what is wanted, gives ok, pending or bad. `judge` asks until
the verdict was ok for the settling time without a break, or bad, or the time is up. What was not well
before the update is not held against the new program.
"""

from collections.abc import Collection
from enum import StrEnum

from podup.errors import PodupError
from podup.records import dataclass
from podup.update.world import Answer, Running, World


class Look(StrEnum):
    """How one look went."""

    OK = "ok"
    PENDING = "pending"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Wanted:
    """The version and transaction that have to answer; `tolerated` components were not well before."""

    version: str
    txid: str
    tolerated: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Seen:
    """One look and the sentence about it."""

    look: Look
    reason: str = ""


def read(wanted: Wanted, running: Running, answers: Collection[Answer]) -> Seen:
    """Hold one look at the program against what is wanted."""
    ended = f" ({running.ended})" if running.ended else ""
    if running.is_failed:
        return Seen(Look.BAD, f"the service failed{ended}")
    if running.restarts > 0:
        return Seen(Look.BAD, f"the service ended by itself{ended} and was restarted")
    for answer in answers:
        if answer.error:
            return Seen(Look.PENDING, f"{answer.door}: {answer.error}")
        if answer.version != wanted.version:
            return Seen(Look.BAD, f"{answer.door}: version {answer.version} answers, not {wanted.version}")
        if answer.txid != wanted.txid:
            return Seen(Look.PENDING, f"{answer.door}: answers outside of this update")
        if not answer.has_database:
            return Seen(Look.PENDING, f"{answer.door}: its database cannot be read or written")
        if not answer.beats:
            return Seen(Look.PENDING, f"{answer.door}: its scheduler does not beat")
        ill = sorted(answer.issues - wanted.tolerated)
        if ill:
            return Seen(Look.PENDING, f"{answer.door}: {ill[0]} was well before and is not now")
    if not running.is_active:
        return Seen(Look.PENDING, "the service is not active")
    return Seen(Look.OK) if answers else Seen(Look.PENDING, "nothing answers")


def judge(world: World, wanted: Wanted, *, within_s: float, settle_s: float) -> Seen:
    """Look until the verdict is settled; the answer is OK or BAD, with its reason."""
    if world.service is None or not world.is_judged:
        return Seen(Look.OK, "nothing runs it")
    clock = world.ground.clock
    deadline = clock.monotonic() + within_s
    good_since: float | None = None
    while True:
        seen = look_once(world, wanted)
        now = clock.monotonic()
        if seen.look is Look.OK:
            good_since = now if good_since is None else good_since
            if now - good_since >= settle_s:
                return seen
        else:
            good_since = None
            if seen.look is Look.BAD:
                return seen
            if now >= deadline:
                return Seen(Look.BAD, f"not steadily well within {within_s:g} s: {seen.reason}")
        clock.sleep(world.timing.every_s)


def look_once(world: World, wanted: Wanted) -> Seen:
    """Look now."""
    if world.service is None:
        return Seen(Look.OK, "nothing runs it")
    try:
        running = world.service.look()
    except PodupError as error:
        return Seen(Look.PENDING, error.message)
    if running.is_failed or running.restarts > 0:
        return read(wanted, running, ())
    return read(wanted, running, world.prober.ask())
