"""The `settings` command, run as `main` runs it."""

import io
import json
from pathlib import Path

import pytest

from podup.cli.context import Context
from podup.cli.main import run
from podup.cli.output import Output
from podup.errors import Invalid
from podup.settings.environment import Environment
from podup.settings.load import load


def printed(home: Path, *words: str, **variables: str) -> tuple[str, str]:
    stdout, stderr = io.StringIO(), io.StringIO()
    context = Context(
        program="podup",
        out=Output(stdout, stderr, environment={}, columns=lambda: 80),
        settings=lambda: load(Environment(variables, home, 1000), shared_state=home / "srv"),
        app=lambda: None,
    )
    assert run("podup", list(words), context) == 0
    return stdout.getvalue(), stderr.getvalue()


def test_only_what_was_changed(tmp_path: Path) -> None:
    text, _ = printed(tmp_path, "settings", "--changed", PODUP_KEEP_IMAGES="5", PODUP_TOKEN="s3cret")
    assert text.splitlines()[1:] == [
        "PODUP_TOKEN        environment  set",
        "PODUP_KEEP_IMAGES  environment  5",
    ]


def test_another_name_a_value_stands_under_is_told(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cret")
    text, _ = printed(tmp_path, "settings", "--changed", PODUP_TOKEN_FILE=str(tmp_path / "token"))
    assert text.splitlines()[1:] == ["PODUP_TOKEN  environment PODUP_TOKEN_FILE  set"]


def test_as_json_without_secrets(tmp_path: Path) -> None:
    text, _ = printed(tmp_path, "settings", "--json", PODUP_TOKEN="s3cret")
    rows = {row["name"]: row for row in json.loads(text)["settings"]}
    assert rows["PODUP_TOKEN"]["value"] == "set"
    assert rows["PODUP_HTTP_ADDR"]["default"] == "0.0.0.0:25111"
    assert "s3cret" not in text


def test_one_setting_by_its_short_name(tmp_path: Path) -> None:
    text, _ = printed(tmp_path, "settings", "keep_images")
    assert text.splitlines()[1].split() == ["PODUP_KEEP_IMAGES", "default", "2"]
    with pytest.raises(Invalid, match="there is no setting 'keep_image'"):
        printed(tmp_path, "settings", "keep_image")


def test_warnings_are_told(tmp_path: Path) -> None:
    _, notes = printed(tmp_path, "settings", PODUP_KEP_IMAGES="5")
    assert notes == "warning: PODUP_KEP_IMAGES (environment) is no setting; did you mean PODUP_KEEP_IMAGES?\n"


def test_the_environment_file_explains_every_setting(tmp_path: Path) -> None:
    text, _ = printed(tmp_path, "settings", "--env-example")
    assert "#PODUP_KEEP_IMAGES=2\n" in text
    changed = text.replace("#PODUP_KEEP_IMAGES=2", "PODUP_KEEP_IMAGES=3")
    (tmp_path / "file.env").write_text(changed)
    shown, notes = printed(tmp_path, "settings", "--changed", PODUP_ENV_FILE=str(tmp_path / "file.env"))
    assert "PODUP_KEEP_IMAGES" in shown and not notes


def test_no_variable_of_the_example_is_set(tmp_path: Path) -> None:
    text, _ = printed(tmp_path, "settings", "--env-example")
    assert all(line.startswith("#") or not line for line in text.splitlines())
