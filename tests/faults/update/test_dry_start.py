"""The dry start of real programs: what the machine fails at is told from what the program is bad at."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from candidates import MIGRATION
from namespace import in_memory, read_only, with_own_mounts
from programs import GOOD, changed, publish, serving
from test_update_strace import Place

from podup.clock import SystemClock
from podup.core.host_faults import Blame
from podup.host.run import HostRunner
from podup.update import kept
from podup.update.machine import dry_start
from podup.update.world import DryStart

pytestmark = pytest.mark.slow

LARGE = """-- oldest-reader: 0.1.0
CREATE TABLE large (much BLOB NOT NULL);
INSERT INTO large VALUES (randomblob(3000000));
"""


def try_out(program: Path, copy: Path | None, *, limit: str = "", home: Path) -> DryStart:
    """Start it as an update does; `limit` are words of sh(1) that leave it less than it may need."""
    python = sys.executable
    if limit:
        python = str(home / "python")
        Path(python).write_text(f'#!/bin/sh\n{limit}\nexec {sys.executable} "$@"\n')
        Path(python).chmod(0o755)
    runner = HostRunner(SystemClock(), {"PATH": os.environ["PATH"], "HOME": str(home)})
    return dry_start(runner, python, program, copy)


def is_of_world(seen: DryStart) -> bool:
    return seen.problem is not None and seen.problem.blame is Blame.WORLD


@pytest.fixture(scope="module")
def growing(newer: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A good release whose migration needs three megabytes."""
    target = tmp_path_factory.mktemp("growing") / "growing.pyz"
    return changed(newer, target, main=GOOD, files={MIGRATION: LARGE})


@pytest.fixture(scope="module")
def home(built: Path, newer: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One in which both versions were started before."""
    found = tmp_path_factory.mktemp("home")
    for program in (built, newer):
        assert not try_out(program, None, home=found).problem
    return found


def test_a_disk_that_fills_in_the_dry_start(tmp_path, built, growing, home):
    def work() -> None:
        seen = []
        for kib in (400, 800, 1600, 3200, 6400, 12800, 25600):
            device = in_memory(tmp_path / str(kib), kib=kib)
            copy = device / "x.db"
            made = try_out(built, copy, home=home)
            assert not made.problem or is_of_world(made), (kib, made)
            if made.problem:
                continue
            found = try_out(growing, copy, home=home)
            assert not found.problem or is_of_world(found), (kib, found)
            seen.append(is_of_world(found))
        assert seen[0] and not seen[-1], seen

    if why := with_own_mounts(work):
        pytest.skip(why)


def test_a_disk_that_is_read_only_in_the_dry_start(tmp_path, built, growing, home):
    def work() -> None:
        device = in_memory(tmp_path / "disk", kib=25600)
        assert not try_out(built, device / "x.db", home=home).problem
        read_only(device, is_on=True)
        assert is_of_world(try_out(growing, device / "x.db", home=home))

    if why := with_own_mounts(work):
        pytest.skip(why)


@pytest.mark.parametrize(
    ("limit", "steps"), [("ulimit -n {}", range(5, 13)), ("ulimit -v {}", range(25_000, 400_000, 53_000))]
)
def test_too_few_descriptors_or_too_little_memory(tmp_path, built, limit, steps, home):
    seen = []
    for step in steps:
        found = try_out(built, tmp_path / f"{step}.db", limit=limit.format(step), home=home)
        assert not found.problem or is_of_world(found), (step, found)
        seen.append(is_of_world(found))
    assert seen[0] and not seen[-1], seen


def test_the_kernel_kills_it_for_memory(built, home):
    found = try_out(built, None, limit="kill -9 $$", home=home)
    assert is_of_world(found) and "ended with -9" in found.problem.says


def test_a_disk_that_has_room_and_a_migration_that_fails(tmp_path, newer, home):
    fails = {MIGRATION: f"{LARGE}INSERT INTO no VALUES (1);"}
    bad = changed(newer, tmp_path / "bad.pyz", main=GOOD, files=fails)
    found = try_out(bad, tmp_path / "x.db", home=home)
    assert "no such table: no" in found.problem.says and not is_of_world(found)


COUNTED = """
import runpy, sys
made = []
sys.addaudithook(lambda event, given: made.append(str(given[1])) if event == "compile" else None)
program, *sys.argv[1:] = sys.argv[1:]
sys.argv[0] = program
try:
    runpy.run_path(program, run_name="__main__")
except SystemExit as ended:
    assert not ended.code, ended.code
print(sum(name.endswith(".py") and "/lib/python" not in name for name in made))
"""


def compiled_at_a_start(program: Path, environment: dict[str, str]) -> int:
    """Start the program with all its modules; return how many of them had to be compiled."""
    argv = [sys.executable, "-c", COUNTED, str(program), "boot-check"]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=120, check=True)
    return int(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("cache", ["", "elsewhere"])
def test_the_new_program_starts_first_with_nothing_left_to_compile(tmp_path, built, newer, cache):
    """What its dry start compiled is kept: the service is down for as long as a start takes."""
    with serving(tmp_path / "mirror") as url:
        publish(tmp_path / "mirror", "1.1.0", newer)
        place = Place(tmp_path / "host", url)
        place.target.parent.mkdir(parents=True)
        shutil.copy2(built, place.target)
        environment = place.environment()
        if cache:
            environment["XDG_CACHE_HOME"] = str(place.root / cache)
        cold = compiled_at_a_start(newer, {**environment, "HOME": str(tmp_path), "XDG_CACHE_HOME": ""})
        words = [sys.executable, str(place.target), "self-update"]
        subprocess.run(words, env=environment, capture_output=True, timeout=120, check=True)
        assert kept.read_version(place.target) == "1.1.0"
        warm = compiled_at_a_start(place.target, environment)
    assert cold > 200 and warm < cold / 20, (cold, warm)
