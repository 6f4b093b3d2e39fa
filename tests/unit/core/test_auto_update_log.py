"""Lines of a wrapper's log: whatever it writes is read, and nothing is asked of it."""

import pytest

from podup.core.auto_update_log import UpdateLine, read_update_lines


@pytest.mark.parametrize(
    ("line", "read"),
    [
        ('{"message": "new", "unit": "web.service", "else": [1]}', UpdateLine("new: unit web.service")),
        ('{"type": "summary", "status": "succeeded"}', UpdateLine("summary: status succeeded")),
        ('{"type": "dry-run-error", "image": "a"}', UpdateLine("dry-run-error: image a", True)),
        ('{"msg": "no", "level": "ERROR"}', UpdateLine("no", True)),
        ('{"error": "pull failed"}', UpdateLine("error pull failed", True)),
        ('{"at": 1}', UpdateLine('{"at": 1}')),
        ("[1, 2]", UpdateLine("[1, 2]")),
        ("plain words", UpdateLine("plain words")),
    ],
)
def test_a_line_says_what_it_says(line: str, read: UpdateLine) -> None:
    assert read_update_lines(f"{line}\n".encode()) == (read,)


def test_a_torn_last_line_waits_for_its_end() -> None:
    assert read_update_lines(b'{"msg": "a"}\n{"msg": "b') == (UpdateLine("a"),)
    assert read_update_lines(b'{"msg": "b') == ()


@pytest.mark.parametrize("data", [b"\xff\xfe\n", b"[" * 100_000 + b"\n", b"\n\n", b'{"msg": NaN}\n', b"\0\n"])
def test_hostile_bytes_are_no_error(data: bytes) -> None:
    assert all(len(line.says) <= 500 for line in read_update_lines(data))
