"""The spool keeps work that was acknowledged, once per key."""

from pathlib import Path

from podup.files import Spool


def test_items_come_back_oldest_first(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    for key in ("c", "a", "b/../\n"):
        spool.put(key, key.encode() + b"\n\xff")
    assert [key for key, _ in spool.items()] == ["c", "a", "b/../\n"]
    assert next(spool.items())[1] == b"c\n\xff"
    assert len(spool) == 3


def test_a_key_put_again_keeps_the_first(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    spool.put("k", b"1")
    spool.put("k", b"2")
    assert list(spool.items()) == [("k", b"1")]


def test_order_goes_on_after_a_restart_and_leftovers_go(tmp_path: Path) -> None:
    Spool(tmp_path / "spool").put("first", b"")
    (tmp_path / "spool" / ".x.1.1.tmp").write_bytes(b"half")
    spool = Spool(tmp_path / "spool")
    spool.put("second", b"")
    assert [key for key, _ in spool.items()] == ["first", "second"]
    assert not (tmp_path / "spool" / ".x.1.1.tmp").exists()


def test_removing_is_idempotent(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    spool.put("k", b"")
    spool.remove("k")
    spool.remove("k")
    assert len(spool) == 0
    spool.put("k", b"again")
    assert list(spool.items()) == [("k", b"again")]


def test_some_are_removed_at_once(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    for key in "abc":
        spool.put(key, b"")
    spool.remove("a", "x", "c")
    assert [key for key, _ in Spool(tmp_path / "spool").items()] == ["b"]
    assert len(spool) == 1
