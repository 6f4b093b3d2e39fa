import json
import tracemalloc
import zipfile

import pytest
from update_simulator import build

from podup.core.states import Status
from podup.errors import NotFound, Refused, Unavailable
from podup.records import replace
from podup.update import kept, remembered, reports
from podup.update.journal import Build
from podup.update.places import Places, behind, check_target

MINIMAL = {
    "type": "self-update-run",
    "started_at": 10,
    "finished_at": 12,
    "status": "succeeded",
    "exit_code": 0,
    "binary_path": "/b",
    "release_tag": "v1.0.0",
    "stderr_tail": "",
    "runner_host": "h",
    "runner_pid": 5,
}


def put(directory, name, content):
    text = content if isinstance(content, str) else json.dumps(content)
    (directory / name).write_text(text)


def test_the_seeds_minimal_report_is_read(tmp_path):
    put(tmp_path, "self-update-10-5.json", MINIMAL)
    (report,) = reports.waiting(tmp_path)
    assert (report.status, report.dry_run, report.release_tag) == (Status.SUCCEEDED, False, "v1.0.0")
    assert reports.mark_imported(report).name == "self-update-10-5.json.imported"
    assert list(reports.waiting(tmp_path)) == []
    assert reports.read(tmp_path / "self-update-10-5.json").exit_code == 0


@pytest.mark.parametrize("moment", [-1, 1e300, "NaN", 2**40, None])
def test_a_report_from_no_time_there_is_is_bad(tmp_path, moment):
    put(tmp_path, "self-update-10-5.json", {**MINIMAL, "started_at": moment})
    (report,) = reports.waiting(tmp_path)
    assert isinstance(report, reports.BadReport)


STATUSES = [
    ("succeeded", 0, Status.SUCCEEDED),
    ("failed", 1, Status.FAILED),
    ("rolled_back", 4, Status.ROLLED_BACK),
]
STATUSES += [("skipped", 0, Status.SKIPPED), ("planned", 0, Status.PLANNED), ("busy", 75, Status.SKIPPED)]
STATUSES += [("who knows", 0, Status.SUCCEEDED), ("running", 3, Status.FAILED)]


@pytest.mark.parametrize(("word", "exit_code", "status"), STATUSES)
def test_statuses(tmp_path, word, exit_code, status):
    put(tmp_path, "self-update-1-1.json", {**MINIMAL, "status": word, "exit_code": exit_code})
    (report,) = reports.waiting(tmp_path)
    assert report.status is status


BROKEN = {
    "torn": '{"type": "self-update-run", "sta',
    "foreign type": {**MINIMAL, "type": "other"},
    "not an object": [1],
    "missing field": {key: value for key, value in MINIMAL.items() if key != "exit_code"},
    "wrong kind": {**MINIMAL, "started_at": "yesterday"},
    "huge": " " * (300 * 1024),
    "empty": "",
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_a_broken_report_is_set_aside(tmp_path, content):
    put(tmp_path, "self-update-1-1.json", content)
    (bad,) = reports.waiting(tmp_path)
    assert isinstance(bad, reports.BadReport)
    assert reports.mark_imported(bad).name.endswith(".json.bad")


def test_foreign_files_and_unfinished_ones_are_left_alone(tmp_path):
    for name in (
        "self-update-1-1.json.tmp",
        "notes.json",
        ".self-update-1-1.json.3.1.tmp",
        "self-update-2-2.json.imported",
    ):
        put(tmp_path, name, MINIMAL)
    assert list(reports.waiting(tmp_path)) == []
    (tmp_path / "self-update-3-3.json").symlink_to(tmp_path / "notes.json")
    (tmp_path / "self-update-4-4.json").mkdir()
    assert all(isinstance(one, reports.BadReport) for one in reports.waiting(tmp_path))


@pytest.fixture
def places(tmp_path):
    return Places(tmp_path / "s", tmp_path / "t", tmp_path / "s" / "db", tmp_path / "s" / "r")


def keep(places, tmp_path, version):
    program = build(tmp_path / f"p-{version}", version)
    built = Build(version, kept.digest(program), 1)
    kept.keep(places, program, built)
    return built


def test_kept_versions_are_found_by_version_tag_and_digest(places, tmp_path):
    built = [keep(places, tmp_path, version) for version in ("1.9.0", "1.10.0", "2.0.0-rc.1")]
    assert kept.versions(places) == ["2.0.0-rc.1", "1.10.0", "1.9.0"]
    assert kept.find(places, "v1.10.0")[0] == kept.find(places, built[1].sha256[:10])[0] == "1.10.0"
    with pytest.raises(NotFound, match=r"1\.2\.3 is not kept"):
        kept.find(places, "1.2.3")
    assert kept.prune(places, keep_count=1, protected=("1.9.0",)) == ["1.10.0"]


def test_the_good_copy(places, tmp_path):
    assert kept.good(places) is None
    for version in ("1.0.0", "1.1.0"):
        built = keep(places, tmp_path, version)
        kept.set_good(places, built)
        assert kept.good(places) == built
        assert kept.digest(places.good) == built.sha256


@pytest.mark.parametrize("content", [b"", b"#!/bin/sh\n", b"PK\x03\x04broken", b"<html>"])
def test_what_is_no_program_is_refused(tmp_path, content):
    path = tmp_path / "x.pyz"
    path.write_bytes(content)
    with pytest.raises(Refused, match="not a program of ours"):
        kept.read_version(path)


def test_bytes_made_to_harm_are_no_program(tmp_path):
    """A checksum that fits says only that they came as they were published."""
    path, good = tmp_path / "x.pyz", tmp_path / "good.pyz"
    with zipfile.ZipFile(good, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("podup/version.py", 'VERSION = "1.0.0"\n' + "# é\n" * 1000)
    data = good.read_bytes()
    assert kept.read_version(good) == "1.0.0"
    refused = 0
    for place in range(len(data)):
        for value in (0, 0xFF, data[place] ^ 0x10):
            path.write_bytes(data[:place] + bytes([value]) + data[place + 1 :])
            try:
                kept.read_version(path)
            except Refused:
                refused += 1
    assert refused > len(data) / 3


def test_no_more_is_read_of_a_program_than_a_version_needs(tmp_path):
    path = tmp_path / "bomb.pyz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("podup/version.py", b" " * 100_000_000)
    assert path.stat().st_size < 200_000
    tracemalloc.start()
    try:
        with pytest.raises(Refused, match="does not say its version"):
            kept.read_version(path)
        assert tracemalloc.get_traced_memory()[1] < 16_000_000
    finally:
        tracemalloc.stop()


def target_refused(places, target, **more):
    with pytest.raises(Refused) as caught:
        check_target(replace(places, target=behind(target), **more))
    assert caught.value.hint
    return caught.value.code


def test_targets(places, tmp_path):
    assert target_refused(places, tmp_path / "none") == "target-missing"
    assert target_refused(places, tmp_path) == "target-not-a-file"
    real = build(tmp_path / "real", "1.0.0")
    (tmp_path / "link").symlink_to(real)
    assert behind(tmp_path / "link") == real
    check_target(replace(places, target=real))
    (tmp_path / "nowhere").symlink_to("gone")
    (tmp_path / "round").symlink_to("round")
    for name in ("nowhere", "round", "real/below"):
        assert target_refused(places, tmp_path / name) == "target-missing"
    assert target_refused(places, real, is_checkout=True) == "target-missing"
    check_target(replace(places, target=tmp_path, is_checkout=True))


def test_rejections_are_remembered_and_released(places):
    places.state.mkdir()
    remembered.reject(places, "1.1.0", remembered.Rejection("crashed", 5))
    remembered.reject(places, "1.1.0", remembered.Rejection("again", 6))
    assert remembered.count_attempt(places, "1.2.0") == 1
    assert remembered.count_attempt(places, "1.2.0") == 2
    assert remembered.load_rejected(places).reasons() == {"1.1.0": "crashed"}
    remembered.release(places, "1.1.0")
    with pytest.raises(NotFound):
        remembered.release(places, "1.1.0")
    assert remembered.load_rejected(places).attempts == {"1.2.0": 2}


def test_a_damaged_memory_is_set_aside_and_begun_anew(places):
    places.state.mkdir()
    places.rejected.write_text("{torn")
    assert remembered.load_rejected(places).versions == {}
    remembered.reject(places, "1.1.0", remembered.Rejection("crashed", 5))
    assert remembered.load_rejected(places).reasons() == {"1.1.0": "crashed"}
    assert places.rejected.with_suffix(".damaged").exists()


def test_a_program_that_cannot_be_read_is_an_error_of_ours(tmp_path):
    with pytest.raises(Unavailable, match="cannot read"):
        kept.digest(tmp_path)
