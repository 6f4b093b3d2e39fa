"""A model of a disk that loses power: replays recorded calls to every state a restart may find.

Rules, more pessimistic than ext4 with its defaults: a file's bytes written since its last fsync may be
absent, short, or zeros; each name changed in a directory since its last sync may be lost for itself, in no
order; a rename inside one directory is atomic; fsync of a file does not keep its name.
"""

import contextlib
import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from podup.files import trace
from podup.files.trace import Call

State = dict[str, bytes | None]
SYNCS = ("fsync", "sync_dir")


def note(text: str) -> None:
    """Mark in the recording that something was promised."""
    trace.announce("note", text)


def record(work: Callable[[], None]) -> list[Call]:
    """Run `work` and return its calls in order."""
    calls: list[Call] = []
    with trace.watched(calls.append):
        work()
    return calls


@dataclass
class _Node:
    """A file or directory: what is on the disk, and what was changed since."""

    is_dir: bool
    data: bytes = b""
    writes: list[tuple[str, int, bytes]] = field(default_factory=list)
    names: dict[str, "_Node"] = field(default_factory=dict)
    changes: list[tuple[tuple[str, "_Node | None"], ...]] = field(default_factory=list)

    def view(self, kept: int = -1) -> dict[str, "_Node"]:
        """Return the names when those changes happened whose bit is set in `kept`."""
        seen = dict(self.names)
        for number, change in enumerate(self.changes):
            for name, node in change if kept >> number & 1 else ():
                if node is None:
                    seen.pop(name, None)
                else:
                    seen[name] = node
        return seen

    def sync(self) -> None:
        if self.is_dir:
            self.names, self.changes = self.view(), []
        else:
            self.data, self.writes = _written(self.data, self.writes), []

    def contents(self) -> list[bytes]:
        found = {self.data: None}
        for count in range(1, len(self.writes) + 1):
            before, whole = self.writes[: count - 1], self.writes[:count]
            name, offset, data = self.writes[count - 1]
            found[_written(self.data, whole)] = None
            if name == "write" and data:
                found[_written(self.data, [*before, (name, offset, data[: len(data) // 2])])] = None
                found[_written(self.data, [*before, (name, offset, bytes(len(data)))])] = None
        return list(found)


def _written(data: bytes, writes: Iterable[tuple[str, int, bytes]]) -> bytes:
    for name, offset, piece in writes:
        data = data[:offset].ljust(offset, b"\0") if name == "truncate" else (
            data[:offset].ljust(offset, b"\0") + piece + data[offset + len(piece) :]
        )
    return data


class Disk:
    """The files below one directory, as they are before the recording begins."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.node = self._load(root)

    def _load(self, path: Path) -> _Node:
        if path.is_dir():
            return _Node(True, names={child.name: self._load(child) for child in path.iterdir()})
        return _Node(False, data=path.read_bytes())

    def _parts(self, path: str) -> tuple[str, ...]:
        return Path(path).relative_to(self.root).parts

    def _find(self, path: str) -> _Node:
        node = self.node
        for part in self._parts(path):
            node = node.view()[part]
        return node

    def _change(self, *entries: tuple[str, _Node | None]) -> None:
        by_parent: dict[int, tuple[_Node, list[tuple[str, _Node | None]]]] = {}
        for path, node in entries:
            parent = self._find(str(Path(path).parent))
            by_parent.setdefault(id(parent), (parent, []))[1].append((Path(path).name, node))
        for parent, changes in by_parent.values():
            parent.changes.append(tuple(changes))

    def apply(self, call: Call) -> None:
        """Let one call happen, in memory only until a sync."""
        if call.name in ("note", "chmod", "chown"):
            return
        if call.name in ("create", "mkdir"):
            self._change((call.path, _Node(call.name == "mkdir")))
        elif call.name in ("unlink", "rmdir"):
            with contextlib.suppress(KeyError):  # announced, and then there was not even its directory
                self._change((call.path, None))
        elif call.name == "link":
            self._change((call.other, self._find(call.path)))
        elif call.name == "rename":
            self._change((call.other, self._find(call.path)), (call.path, None))
        elif call.name in ("write", "truncate"):
            self._find(call.path).writes.append((call.name, call.offset, call.data))
        elif call.name in SYNCS:
            self._find(call.path).sync()
        else:
            raise AssertionError(f"the model does not know {call.name}")

    def states(self) -> Iterator[State]:
        """Yield what a restart may find: relative path -> bytes, or None for a directory."""
        nodes: dict[int, _Node] = {}
        self._collect(self.node, nodes)
        choices = [
            [(key, kept) for kept in range(1 << len(node.changes))]
            if node.is_dir
            else [(key, data) for data in node.contents()]
            for key, node in nodes.items()
        ]
        seen = set()
        for choice in itertools.product(*choices):
            state: State = {}
            self._walk(self.node, "", dict(choice), state)
            key = frozenset(state.items())
            if key not in seen:
                seen.add(key)
                yield state

    def _collect(self, node: _Node, nodes: dict[int, _Node]) -> None:
        nodes[id(node)] = node
        children = list(node.names.values())
        children += [child for change in node.changes for _, child in change if child is not None]
        for child in children:
            if id(child) not in nodes:
                self._collect(child, nodes)

    def _walk(self, node: _Node, path: str, choice: dict, state: State) -> None:
        for name, child in node.view(choice[id(node)]).items():
            inner = f"{path}/{name}" if path else name
            state[inner] = None if child.is_dir else choice[id(child)]
            if child.is_dir:
                self._walk(child, inner, choice, state)


def after_power_cuts(disk: Disk, calls: Iterable[Call]) -> Iterator[tuple[list[str], State]]:
    """Cut the power before the first call and after each; yield the promises made and a state found."""
    promises: list[str] = []
    yield from (([], state) for state in disk.states())
    for call in calls:
        disk.apply(call)
        if call.name == "note":
            promises.append(call.path)
        yield from ((list(promises), state) for state in disk.states())


def lay_out(state: State, root: Path) -> Path:
    """Write a state to a real, new directory; two names of one file (one bytes object) are links again."""
    root.mkdir()
    first: dict[int, Path] = {}
    for path, data in sorted(state.items()):
        if data is None:
            (root / path).mkdir()
        elif data and id(data) in first:
            (root / path).hardlink_to(first[id(data)])
        else:
            (root / path).write_bytes(data)
            first[id(data)] = root / path
    return root
