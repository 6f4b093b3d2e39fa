"""Every fsync of the program is needed: where one is left out, a power cut breaks a promise.

The places are found in the sources, so a new one is missed here until a case shows what it is for.
"""

import ast
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from power_cut import SYNCS, Disk, State, after_power_cuts, note
from sync_cases import CASES, Case

import podup
from podup.files import trace
from podup.files.trace import Call

PACKAGE = Path(podup.__file__).parent
NAMES = {"fsync", "sync_dir", "sync_file", "sync"}
PASSED_THROUGH = {"NewFile.sync", "sync_file"}
"""Functions that sync for their caller: the caller is the place."""

HELD_ELSEWHERE = {
    "store/backup.py finish_restore": "test_leaving_out_any_one_sync_of_a_restore_breaks_it",
    "files/durable.py set_mode": "modes are not in the model; test_a_mode_is_synced_after_it_is_set",
}

Place = tuple[str, int]


def places_in_the_sources() -> dict[Place, str]:
    """File and line of every call that syncs -> file and function."""
    found: dict[Place, str] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        name = str(path.relative_to(PACKAGE))
        if name != "files/calls.py":
            for function, call in calls_in(ast.parse(path.read_text()), ""):
                target = call.func
                called = getattr(target, "attr", getattr(target, "id", ""))
                is_other = called == "sync" and call.args  # `sync(stack)` is no fsync
                if called in NAMES and not is_other and function not in PASSED_THROUGH:
                    found[name, call.lineno] = f"{name} {function}"
    return found


def calls_in(node: ast.AST, function: str) -> Iterator[tuple[str, ast.Call]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.ClassDef):
            yield from calls_in(child, f"{function}.{child.name}".lstrip("."))
        else:
            if isinstance(child, ast.Call):
                yield function, child
            yield from calls_in(child, function)


def place_of_this_call() -> Place:
    frame = sys._getframe(1)
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        if path.is_relative_to(PACKAGE):
            name = str(path.relative_to(PACKAGE))
            is_door = name in ("files/calls.py", "files/trace.py")
            if not is_door and frame.f_code.co_qualname not in PASSED_THROUGH:
                return name, frame.f_lineno
        frame = frame.f_back
    raise AssertionError("a sync from outside of the package")


class Recording:
    """One case, run once: its calls, the place of each sync, and the directory before and after."""

    def __init__(self, case: Case, root: Path) -> None:
        root.mkdir()
        case.prepare(root)
        self.case, self.root = case, root
        self.before = snapshot(root)
        self.disk_root = root.with_name(f"{root.name}-before")
        lay_out_plainly(self.before, self.disk_root)
        self.calls: list[Call] = []
        self.places: dict[int, Place] = {}
        with trace.watched(self._hear):
            case.work(root)
            note("done")
        self.after = self._trimmed(snapshot(root))

    def _hear(self, call: Call) -> None:
        if call.name == "fsync" and call.path.endswith(".backup-in-progress"):
            data = Path(call.path).read_bytes()  # SQLite wrote it, past our door
            self.calls.append(Call(0, "write", self._moved(call.path), data=data))
        if call.name in SYNCS:
            self.places[len(self.calls)] = place_of_this_call()
        self.calls.append(replace(call, path=self._moved(call.path), other=self._moved(call.other)))

    def _moved(self, path: str) -> str:
        return path.replace(str(self.root), str(self.disk_root))

    def _trimmed(self, state: State) -> State:
        return {name: data for name, data in state.items() if name not in self.case.ignored}

    def is_broken(self, left_out: int | None = None) -> bool:
        some = [call for index, call in enumerate(self.calls) if index != left_out]
        for promises, state in after_power_cuts(Disk(self.disk_root), some):
            if not self.case.holds(state) or (promises and self._trimmed(state) != self.after):
                return True
        return False


def snapshot(root: Path) -> State:
    return {
        str(path.relative_to(root)): None if path.is_dir() else path.read_bytes()
        for path in sorted(root.rglob("*"))
    }


def lay_out_plainly(state: State, root: Path) -> None:
    root.mkdir()
    for name, data in state.items():
        if data is None:
            (root / name).mkdir()
        else:
            (root / name).write_bytes(data)


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> list[Recording]:
    root = tmp_path_factory.mktemp("cases")
    return [Recording(case, root / case.name) for case in CASES]


@pytest.mark.parametrize("index", range(len(CASES)), ids=[case.name for case in CASES])
def test_what_a_function_returned_from_survives_a_power_cut(recordings: list[Recording], index: int) -> None:
    assert not recordings[index].is_broken()


def test_every_sync_is_needed(recordings: list[Recording]) -> None:
    needed: set[Place] = set()
    for recording in recordings:
        for index, place in recording.places.items():
            if place not in needed and recording.is_broken(left_out=index):
                needed.add(place)
    known = places_in_the_sources()
    assert len(known) > 25
    assert needed <= known.keys()
    unproven = {place: says for place, says in known.items() if place not in needed}
    assert {place: says for place, says in unproven.items() if says not in HELD_ELSEWHERE} == {}
    assert HELD_ELSEWHERE.keys() <= set(unproven.values()), "it is held here as well"


def test_a_mode_is_synced_after_it_is_set(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"")
    seen: list[str] = []
    with trace.watched(lambda call: seen.append(call.name)):
        podup.files.set_mode(path, 0o755)
    assert seen == ["chmod", "fsync"]
