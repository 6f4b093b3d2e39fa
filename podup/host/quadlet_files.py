"""Finds Quadlet files with their drop-ins in a directory; `podup.core.quadlet` understands them."""

from collections.abc import Iterator
from pathlib import Path

from podup.core.quadlet import QuadletFacts, drop_in_directories, image_behind, is_quadlet, read_quadlet
from podup.records import dataclass


@dataclass(frozen=True, slots=True)
class QuadletFile:
    """A Quadlet file: where it is, what it says with its drop-ins, and the image behind it."""

    path: str
    facts: QuadletFacts
    image: str


def read_quadlet_files(directory: Path) -> dict[str, QuadletFile]:
    """Return the Quadlet files below `directory` by the unit made of them; none when there is no directory.

    Files that cannot be read are left out: the generator leaves them out too.
    """
    paths = {path.name: path for path in sorted(_files(directory))}
    known: dict[str, QuadletFacts] = {}
    for name, path in paths.items():
        text = _text(path)
        if text is not None:
            added = (_text(drop_in) or "" for drop_in in _drop_ins(directory, name))
            known[name] = read_quadlet(name, (text, *added))
    return {
        facts.unit: QuadletFile(str(paths[name]), facts, image_behind(facts, known))
        for name, facts in known.items()
    }


def _files(directory: Path) -> Iterator[Path]:
    for path in directory.rglob("*"):
        if is_quadlet(path.name) and not path.parent.name.endswith(".d") and path.is_file():
            yield path


def _drop_ins(directory: Path, file_name: str) -> list[Path]:
    """Return the drop-ins in the order they are merged; of one name the most specific directory's counts."""
    chosen: dict[str, Path] = {}
    for folder in drop_in_directories(file_name):
        for place in sorted(directory.rglob(folder)):
            for path in place.glob("*.conf"):
                chosen.setdefault(path.name, path)
    return [chosen[name] for name in sorted(chosen)]


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
