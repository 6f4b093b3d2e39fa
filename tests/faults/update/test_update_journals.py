"""A journal that is empty, corrupt, huge or from a future version, in every state of an update.

The update is cut off in each of its states, its journal is then damaged, and the machine starts again: it has
to rest on a program that was known good, with the database that goes with it and nothing left over; the bad
journal is set aside, and recovering once more changes nothing.
"""

import json
import shutil
from pathlib import Path

import pytest
from sweep import assert_at_rest, copied, fresh, run_recovery
from update_simulator import NEW, OLD, Machine, deliver, delivered, make_machine

from podup.files import trace
from podup.update import guard, journal, kept, recovery
from podup.update.states import State


def changed(data: bytes, **changes: object) -> bytes:
    """Return the journal with other values and a checksum that fits."""
    body = {**json.loads(data), **changes}
    body.pop("checksum")
    return json.dumps({**body, "checksum": journal._checksum(body)}).encode()


DAMAGE = {
    "empty": lambda data: b"",
    "torn": lambda data: data[: len(data) // 2],
    "zeroes": lambda data: b"\0" * len(data),
    "one bit off": lambda data: data[:40] + bytes([data[40] ^ 1]) + data[41:],
    "huge": lambda data: data[:-2] + b" " * journal.LARGEST_BYTES + b"}\n",
    "a state nobody knows": lambda data: changed(data, schema=2, state="thinking"),
    "counts that are none": lambda data: changed(data, schema=2, tries={"now": 1}),
    "a count without end": lambda data: changed(data, schema=2, seq=float("inf")),
    "a schema without end": lambda data: changed(
        data, schema=2, **{"from": {"version": OLD, "sha256": "", "schema": float("inf")}}
    ),
    "names that are none": lambda data: changed(data, schema=2, txid=["tx1"], report={"name": "x"}),
}
FUTURE = {"schema": 7, "colour": "blue", "canary": {"share": 0.5}}


@pytest.fixture(scope="module")
def cut_off(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same update cut off in each of its states, on the way forward and on the way back."""
    base = tmp_path_factory.mktemp("cut")
    found: dict[str, Path] = {}
    for path in ("happy", "rollback"):
        root = fresh(base, path, path)
        machine = make_machine(root)

        def watcher(call: trace.Call, machine: Machine = machine) -> None:
            seen = journal.load(machine.places.journal)
            if isinstance(seen, journal.Record):
                schema = machine.ground.database.look(machine.places.database).schema
                case = f"{seen.state}, {kept.read_version(machine.places.target)} over schema {schema}"
                if case not in found:
                    found[case] = copied(machine.root, base / f"cut-{len(found)}")

        with trace.watched(watcher):
            machine.update()
    return found


def assert_recovers(root: Path) -> str:
    run_recovery(root)
    return assert_at_rest(root, set_aside=("UPDATE_LOCK.damaged",))


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_bad_journal_in_every_state(tmp_path, cut_off, damage):
    assert {name.partition(",")[0] for name in cut_off} == {state.value for state in State}
    assert any(f"rolling-back, {OLD} over schema 2" in name for name in cut_off), "code is back, data is not"
    cases = sorted(cut_off)[:: 1 if damage == "empty" else 3]
    for number, case in enumerate(cases):
        root = copied(cut_off[case], tmp_path / f"cut-{number}")
        places = make_machine(root).places
        known = kept.good(places)
        good = known.version if known else OLD
        bad = DAMAGE[damage](places.journal.read_bytes())
        places.journal.write_bytes(bad)
        assert assert_recovers(root) == good, case
        assert places.journal.with_suffix(".damaged").read_bytes() == bad
        shutil.rmtree(root)


def test_a_journal_with_the_keys_of_a_future_version_is_acted_on(tmp_path, cut_off):
    for number, case in enumerate(sorted(cut_off)):
        state = case.partition(",")[0]
        root = copied(cut_off[case], tmp_path / f"cut-{number}")
        places = make_machine(root).places
        places.journal.write_bytes(changed(places.journal.read_bytes(), **FUTURE))
        run_recovery(root)
        assert assert_at_rest(root) == (NEW if state == State.COMMITTING else OLD), case
        shutil.rmtree(root)


def test_a_directory_or_a_link_in_place_of_the_journal(tmp_path):
    """Neither is followed nor read; both are set aside, and an update can be made afterwards."""
    for name in ("directory", "link"):
        machine = make_machine(tmp_path / name)
        if name == "link":
            machine.places.journal.symlink_to("/dev/zero")
        else:
            machine.places.journal.mkdir()
        assert guard.guard(machine.ground, wait_s=0) is guard.Act.LEAVE
        assert not machine.places.journal.is_symlink() and not machine.places.journal.exists()
        machine.update()
        assert kept.read_version(machine.places.target) == NEW


def test_what_was_written_since_is_not_given_up_for_a_lost_journal(tmp_path, cut_off):
    """Rows that came after the backup stay: the database is not put back over them."""
    case = next(name for name in cut_off if name.startswith(State.COMMITTING))
    root = copied(cut_off[case], tmp_path / "cut")
    machine = make_machine(root)
    deliver(machine.places.database, [("since", b"")])
    machine.places.journal.write_bytes(b"")
    assert recovery.load_or_make(machine.ground).backup is None
    assert "since" in delivered(machine.places.database)
