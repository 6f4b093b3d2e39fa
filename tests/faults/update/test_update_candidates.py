"""Every bad candidate, built and run: the old version answers in the end, and the bad one is remembered."""

import hashlib
import json
import sqlite3
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from candidates import CANDIDATES, EXITS, PUT_OFF, Candidate
from programs import publish, serving
from supervised import Host, running
from waiting import eventually

pytestmark = pytest.mark.slow

SETTINGS = {"PODUP_UPDATE_TRIAL_SECS": "12", "PODUP_UPDATE_SETTLE_SECS": "3"}
AT_ONCE = 4  # most of the time they wait


@dataclass(frozen=True)
class Tried:
    """What was left by an update to a candidate, and by one more."""

    exit: int
    exit_again: int
    log: str
    log_again: str
    version: str
    is_program_the_same: bool
    is_schema_the_same: bool
    rejected: dict[str, str]
    left: list[str]
    sha256: str


@pytest.fixture(scope="module")
def tried(tmp_path_factory: pytest.TempPathFactory, built: Path, newer: Path) -> Iterator[dict[str, Future]]:
    """All of them, a few at once, each on a host of its own."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield {
            name: pool.submit(attempt, candidate, tmp_path_factory.mktemp("host"), built, newer)
            for name, candidate in CANDIDATES.items()
        }


def attempt(candidate: Candidate, root: Path, built: Path, newer: Path) -> Tried:
    bad = candidate.build(newer, root / "bad.pyz")
    publish(root / "mirror", "1.1.0", bad)
    with serving(root / "mirror") as url, running(Host(root, ["dash"], built, url, SETTINGS)) as host:
        program, schema = host.target.read_bytes(), schema_of(host)
        first = host.ask("self-update")
        log = (host.state / "update.log").read_text()
        eventually(lambda: host.is_at_rest("1.0.0"), within_s=60)
        again = host.ask("self-update", *(["--automatic"] if candidate.ends == PUT_OFF else []))
        rejected = json.loads((host.state / "rejected.json").read_text())
        marks = (".new.", ".tmp", "update-request-")
        return Tried(
            exit=first.returncode,
            exit_again=again.returncode,
            log=log,
            log_again=(host.state / "update.log").read_text()[len(log) :],
            version=host.version(),
            is_program_the_same=host.target.read_bytes() == program,
            is_schema_the_same=schema_of(host) == schema,
            rejected={name: about["sha256"] for name, about in rejected["versions"].items()},
            left=[path.name for path in root.rglob("*") if any(mark in path.name for mark in marks)],
            sha256=hashlib.sha256(bad.read_bytes()).hexdigest(),
        )


def schema_of(host: Host) -> list[tuple[str, str]]:
    with sqlite3.connect(host.state / "data/pod-upgrade-trigger.db") as cx:
        return cx.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()


@pytest.mark.parametrize("name", CANDIDATES)
def test_the_old_version_answers_and_the_bad_one_is_remembered(tried: dict[str, Future], name: str) -> None:
    candidate, seen = CANDIDATES[name], tried[name].result(240)
    assert (seen.exit, candidate.why in seen.log) == (EXITS[candidate.ends], True), seen.log
    assert (seen.version, seen.is_program_the_same, seen.is_schema_the_same) == ("1.0.0", True, True)
    is_put_off = candidate.ends == PUT_OFF  # the machine may be slow; automatic updates leave it for a while
    assert seen.rejected == ({} if is_put_off else {"1.1.0": seen.sha256})
    assert seen.exit_again == (0 if is_put_off else 3), seen.log_again
    assert "dry start of" not in seen.log_again, "it is not tried again by itself"
    assert seen.left == []
