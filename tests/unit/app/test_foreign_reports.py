"""A report directory full of torn, foreign and huge files: the good ones among them become tasks.

What is no report is set aside as `.json.bad` and told in one event; nothing huge is read whole, no link is
followed out of the directory, and the next look finds nothing left to do.
"""

import json
import os
from pathlib import Path

import pytest
from test_self_updates import REPORT, Told
from whole import Whole

HUGE_BYTES = 20 * 1024**3
TEXTS = {
    "empty": "",
    "torn": json.dumps(REPORT)[:-40],
    "not-json": "<html>\x00",
    "not-text": "\ufeff{}",
    "another-type": json.dumps({**REPORT, "type": "backup-run"}),
    "a-list": "[]",
    "deep": "[" * 200_000,
    "no-time": json.dumps({**REPORT, "started_at": -1}),
    "no-end-of-time": json.dumps(REPORT).replace('"finished_at": 12', '"finished_at": 1e999'),
    "no-exit-code": json.dumps(REPORT).replace('"exit_code": 0', '"exit_code": Infinity'),
    "no-such-pid": json.dumps({**REPORT, "runner_pid": 10**30}),
    "no-such-exit-code": json.dumps({**REPORT, "exit_code": -(10**30)}),
    "half-a-letter": json.dumps({**REPORT, "release_tag": "v1\ud800"}),
    "half-a-letter-told": json.dumps({**REPORT, "stderr_tail": "x\udfff"}),
}


def fill(directory: Path, outside: Path) -> set[str]:
    """Put one good report between every two bad ones; return the names of the bad ones."""
    directory.mkdir(exist_ok=True)
    for number, (name, text) in enumerate(TEXTS.items()):
        (directory / f"self-update-{name}.json").write_text(text)
        (directory / f"self-update-{name}~.json").write_text(json.dumps({**REPORT, "started_at": number}))
    with (directory / "self-update-huge.json").open("wb") as file:
        file.truncate(HUGE_BYTES)
    outside.write_text(json.dumps({**REPORT, "release_tag": "from-outside"}))
    (directory / "self-update-link.json").symlink_to(outside)
    (directory / "self-update-nowhere.json").symlink_to("nowhere")
    (directory / "self-update-loop.json").symlink_to("self-update-loop.json")
    (directory / "self-update-folder.json").mkdir()
    Path(os.fsdecode(bytes(directory) + b"/self-update-\xff.json")).write_text(json.dumps(REPORT))
    os.mkfifo(directory / "self-update-pipe.json")
    (directory / "notes.txt").write_text("not ours")
    return {*TEXTS, "huge", "link", "nowhere", "loop", "folder", "pipe", "\udcff"}


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_the_good_ones_among_foreign_torn_and_huge_files(
    whole: Whole, told: Told, tmp_path: Path
) -> None:
    directory, outside = told.updates.places.reports, tmp_path / "outside.json"
    bad = fill(directory, outside)
    told.updates.turn()
    left = names(directory)
    assert [name for name in left if name.endswith(".json")] == []
    aside = {name for name in left if name.endswith(".bad")}
    assert aside == {f"self-update-{name}.json.bad" for name in bad}
    assert len([name for name in left if name.endswith(".imported")]) == len(TEXTS)
    assert "notes.txt" in left
    assert whole.ask("GET", "/api/tasks?kind=self-update").json["total"] == len(TEXTS)
    assert "from-outside" not in json.dumps(whole.ask("GET", "/api/tasks?kind=self-update").json)
    assert "from-outside" in outside.read_text()
    events = whole.events("action=self-update-report-bad&per_page=100")
    assert sorted(event["meta"]["file"] for event in events) == sorted(
        f"self-update-{name}.json".encode(errors="backslashreplace").decode() for name in bad
    )
    whole.clock.sleep(61)
    told.lines.clear()
    told.updates.turn()
    assert (names(directory), told.lines) == (left, [])


def test_a_bad_report_whose_place_is_taken_keeps_no_good_one_waiting(whole: Whole, told: Told) -> None:
    """Somebody made a directory where the bad one is to go; it stays, is told once, and the rest goes on."""
    directory = told.updates.places.reports
    (directory / "self-update-1.json.bad" / "in the way").mkdir(parents=True)
    (directory / "self-update-1.json").write_text("{torn")
    (directory / "self-update-2.json").write_text(json.dumps(REPORT))
    for _ in range(3):
        told.updates.turn()
        whole.clock.sleep(61)
    assert whole.ask("GET", "/api/tasks?kind=self-update").json["total"] == 1
    assert len(whole.events("action=self-update-report-bad")) == 1
    assert "self-update-2.json.imported" in names(directory)


@pytest.fixture
def told(whole: Whole) -> Told:
    return Told(whole)
