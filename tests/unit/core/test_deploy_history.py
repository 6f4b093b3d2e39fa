import re

from podup.core.deploy_history import HistoryRecord as Line
from podup.core.deploy_history import good_versions, parse, read, render

SEED = """\
2026-01-30 10:00:00 | odoo18-prod | prod | deploy | sha-19b9b98 | success |
2026-01-30 10:15:00 | odoo18-prod | prod | rollback | sha-4b1ce21 | success | smoke failed
"""


def test_the_seeds_lines_are_read_and_written_the_same() -> None:
    records, broken = read(SEED)
    assert broken == 0
    assert "".join(render(record) + "\n" for record in records) == SEED


def test_the_seeds_three_greps_find_their_lines() -> None:
    lines = [
        render(Line("2026-01-30 10:00:00", "odoo18-prod", "prod", "deploy", "sha-1", "success")),
        render(Line("2026-01-30 10:01:00", "odoo18-prod", "prod", "deploy", "sha-2", "fail", "pull failed")),
        render(Line("2026-01-30 10:02:00", "ocr", "prod", "deploy", "sha-3", "fail")),
    ]

    def grep(pattern: str) -> list[str]:
        return [line for line in lines if re.search(pattern.replace("|", r"\|"), line)]

    assert grep("| odoo18-prod |") == lines[:2]
    assert grep("| .* | fail |") == lines[1:]
    assert grep("| odoo18-prod | prod | deploy | .* | success |") == lines[:1]


def test_notes_cannot_break_the_line() -> None:
    line = render(Line("2026-01-30 10:00:00", "a", "prod", "deploy", "", "fail", "a | b\nc" + "x" * 5000))
    assert "\n" not in line and len(line) <= 2000
    record = parse(line)
    assert record is not None and record.notes.startswith("a / b c") and record.version == "-"


def test_broken_lines_are_skipped_and_counted() -> None:
    text = "garbage\n" + SEED + "2026-01-30 10:16:00 | odoo18-prod | prod | dep"
    records, broken = read(text)
    assert len(records) == 2 and broken == 2
    assert read("") == ((), 0)


def history(*rows: str) -> tuple[Line, ...]:
    found = [Line("2026-01-30 10:00:00", "s", "prod", *row.split()) for row in rows]
    return tuple(found)


def test_good_versions_newest_first() -> None:
    records = history(
        "deploy v1 success", "deploy v2 success", "backup - success", "deploy v3 fail", "rollback v2 success"
    )
    assert good_versions(records, "s") == ("v2", "v1")
    assert good_versions(records, "other") == ()


def test_a_version_whose_newest_deployment_failed_is_not_good() -> None:
    assert good_versions(history("deploy v1 success", "deploy v1 fail"), "s") == ()
