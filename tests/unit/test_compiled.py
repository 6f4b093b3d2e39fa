"""Compiled code is kept for the next start, and whatever happens to it, a start is only slower."""

import os
import resource
from pathlib import Path

import pytest

from podup.compiled import Compiled, cache_directory

CODE = bytes(range(256)) * 8


def kept_at(root: Path, name: str = "sources-magic") -> Compiled:
    return Compiled(name, root=str(root))


def test_the_next_start_has_what_was_kept(tmp_path: Path) -> None:
    root = tmp_path / "cache/pod-upgrade-trigger"
    first = kept_at(root)
    assert first.get("podup.core") is None
    first.put("podup.core", CODE)
    first.put("podup.core.images", b"")
    assert kept_at(root).get("podup.core") == CODE
    assert kept_at(root).get("podup.core.images") == b""
    assert kept_at(root).get("podup.clock") is None
    assert kept_at(root, "other sources").get("podup.core") is None
    assert [oct(path.stat().st_mode & 0o777) for path in (root, *root.rglob("*"))] == [
        "0o700", "0o700", "0o600", "0o600",
    ]  # fmt: skip


def test_a_torn_file_is_as_none_and_is_replaced(tmp_path: Path) -> None:
    kept_at(tmp_path).put("podup.core", CODE)
    file = tmp_path / "sources-magic/podup.core"
    whole = file.read_bytes()
    for torn in (*(whole[:length] for length in range(0, len(whole), 7)), whole + b"x", whole[::-1]):
        file.write_bytes(torn)
        assert kept_at(tmp_path).get("podup.core") is None
    kept_at(tmp_path).put("podup.core", CODE)
    assert kept_at(tmp_path).get("podup.core") == CODE


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    kept_at(tmp_path).put("podup.core", CODE)
    file = tmp_path / "sources-magic/podup.core"
    file.rename(tmp_path / "elsewhere")
    file.symlink_to(tmp_path / "elsewhere")
    assert kept_at(tmp_path).get("podup.core") is None


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o777, 0o720])
def test_a_directory_others_may_write_to_is_refused(tmp_path: Path, mode: int) -> None:
    root = tmp_path / "cache"
    kept_at(root).put("podup.core", CODE)
    root.chmod(mode)
    assert kept_at(root).get("podup.core") is None
    kept_at(root).put("podup.clock", CODE)
    assert not list(root.rglob("podup.clock*"))


def test_another_users_directory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "cache"
    kept_at(root).put("podup.core", CODE)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert kept_at(root).get("podup.core") is None
    kept_at(root).put("podup.clock", CODE)
    kept_at(tmp_path / "home/.cache/new").put("podup.clock", CODE)
    assert not list(tmp_path.rglob("podup.clock*"))
    assert not (tmp_path / "home").exists()


def test_what_cannot_be_kept_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a directory")
    compiled = kept_at(tmp_path / "file/cache")
    compiled.put("podup.core", CODE)
    assert compiled.get("podup.core") is None


def test_a_full_disk_leaves_nothing_half_written(tmp_path: Path) -> None:
    compiled = kept_at(tmp_path)
    compiled.put("podup.core", b"")
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, usual[1]))
    try:
        compiled.put("podup.clock", CODE)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
    assert [path.name for path in (tmp_path / "sources-magic").iterdir()] == ["podup.core"]


def test_the_newest_versions_stay(tmp_path: Path) -> None:
    for number in range(6):
        kept_at(tmp_path, f"v{number}").put("podup.core", CODE)
        os.utime(tmp_path / f"v{number}", (number, number))
    (tmp_path / "note").write_text("not ours")
    os.utime(tmp_path / "note", (0, 0))
    kept_at(tmp_path, "v6").put("podup.core", CODE)
    assert {path.name for path in tmp_path.iterdir()} == {"v3", "v4", "v5", "v6", "note"}


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"HOME": "/home/jo"}, "/home/jo/.cache/pod-upgrade-trigger"),
        ({"HOME": "/home/jo", "XDG_CACHE_HOME": "/var/tmp/jo"}, "/var/tmp/jo/pod-upgrade-trigger"),
        ({"HOME": "/home/jo", "XDG_CACHE_HOME": "relative"}, "/home/jo/.cache/pod-upgrade-trigger"),
        ({"HOME": "relative"}, ""),
    ],
)
def test_where_it_is(variables: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", variables)
    assert cache_directory() == expected


def test_without_a_home_nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", {"HOME": "relative"})
    compiled = Compiled("sources-magic")
    compiled.put("podup.core", CODE)
    assert compiled.get("podup.core") is None
