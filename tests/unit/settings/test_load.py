"""Which value wins, what is refused, what is only reported."""

from pathlib import Path

import pytest

from podup.core.secrets import Secret
from podup.errors import Invalid
from podup.settings.environment import Environment
from podup.settings.load import Loaded, load, shown_value
from podup.settings.parsers import Address
from podup.settings.table import BY_ENV


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / ".config").mkdir()
    return tmp_path


def loaded(home: Path, **variables: str) -> Loaded:
    return load(Environment(variables, home, 1000), shared_state=home / "srv")


def refused(home: Path, **variables: str) -> Invalid:
    with pytest.raises(Invalid) as caught:
        loaded(home, **variables)
    return caught.value


def test_nothing_given(home: Path) -> None:
    found = loaded(home)
    settings = found.settings
    assert settings.http.address == Address("0.0.0.0", 25111)
    assert settings.state.directory == home / ".local/state/pod-upgrade-trigger"
    assert settings.state.database == settings.state.directory / "data/pod-upgrade-trigger.db"
    assert settings.updates.report_dir == settings.state.directory / "self-update-reports"
    assert settings.updates.target == home / ".local/bin/pod-upgrade-trigger"
    assert settings.services.container_dir == home / ".config/containers/systemd"
    assert not found.warnings
    assert {str(origin) for origin in found.origins.values()} == {"default"}


def test_the_environment_wins_over_the_environment_file_over_toml(home: Path) -> None:
    (home / ".config/pod-upgrade-trigger-http.env").write_text("PODUP_LIMIT1_COUNT=3\nPODUP_LIMIT2_COUNT=4\n")
    toml = "[settings]\nlimit1_count = 5\nlimit2_count = 6\nimage_limit_count = 7\ntarget_bin = '/opt/p'\n"
    (home / ".config/pod-upgrade-trigger.toml").write_text(toml)
    found = loaded(home, PODUP_LIMIT1_COUNT="2")
    limits = found.settings.limits
    assert (limits.first_count, limits.second_count, limits.image_count) == (2, 4, 7)
    assert found.settings.updates.target == Path("/opt/p")
    origins = [found.origins[f"PODUP_{name}_COUNT"].kind for name in ("LIMIT1", "LIMIT2", "IMAGE_LIMIT")]
    assert origins == ["environment", "env-file", "config"]


def test_an_empty_variable_is_an_absent_one(home: Path) -> None:
    assert loaded(home, PODUP_LIMIT1_COUNT="").settings.limits.first_count == 2


@pytest.mark.parametrize(
    ("given", "database"),
    [
        ("sqlite:///var/lib/p.db", "/var/lib/p.db"),
        ("sqlite://data/p.db", "/state/data/p.db"),
        ("sqlite:///p.db?mode=rwc", "/p.db"),
        ("/p.db", "/p.db"),
        ("other.db", "/state/other.db"),
    ],
)
def test_the_database(home: Path, given: str, database: str) -> None:
    found = loaded(home, PODUP_STATE_DIR="/state", PODUP_DB_URL=given)
    assert found.settings.state.database == Path(database)


@pytest.mark.parametrize("url", ["postgres://db/x", "sqlite::memory:", "mysql:x"])
def test_another_database_is_refused(home: Path, url: str) -> None:
    assert "PODUP_DB_URL" in refused(home, PODUP_DB_URL=url).message


def test_the_shared_state_directory_is_taken_when_it_is_writable(home: Path) -> None:
    (home / "srv").mkdir()
    assert loaded(home).settings.state.directory == home / "srv"


def test_paths_may_begin_at_home(home: Path) -> None:
    found = loaded(home, PODUP_STATE_DIR="~/state", XDG_STATE_HOME="/ignored")
    assert found.settings.state.directory == home / "state"
    assert "relative" in str(refused(home, PODUP_STATE_DIR="relative"))


def test_root_is_an_instance_of_its_own(home: Path) -> None:
    found = load(Environment({}, home, 0), shared_state=home / "srv")
    assert found.settings.services.container_dir == Path("/etc/containers/systemd")


def test_older_names_work_with_one_warning(home: Path) -> None:
    found = loaded(
        home, WEBHOOK_TOKEN="abc", GITHUB_WEBHOOK_SECRET="one two", UPDATE_CANARY_PROBABILITY="25%"
    )
    assert found.settings.access.token == Secret("abc")
    assert found.settings.access.webhook_secrets == (Secret("one"), Secret("two"))
    assert found.settings.updates.canary == 0.25
    assert len(found.warnings) == 1
    assert "WEBHOOK_TOKEN is now PODUP_TOKEN" in found.warnings[0]


def test_the_new_name_wins_over_the_older_one(home: Path) -> None:
    assert loaded(home, WEBHOOK_TOKEN="old", PODUP_TOKEN="new").settings.access.token == Secret("new")


def test_an_unknown_name_is_told_with_the_nearest_one(home: Path) -> None:
    (warning,) = loaded(home, PODUP_HTTP_ADR="x").warnings
    assert warning == "PODUP_HTTP_ADR (environment) is no setting; did you mean PODUP_HTTP_ADDR?"
    assert not loaded(home, PODUP_UNIT="told to hooks", PODUP_TOKEN_FILE="").warnings


def test_all_wrong_values_are_told_at_once_without_secrets(home: Path) -> None:
    error = refused(home, PODUP_LIMIT1_COUNT="many", PODUP_HTTP_ADDR="here", PODUP_TOKEN="s3cret")
    assert "PODUP_LIMIT1_COUNT: 'many' is not possible: want a whole number from 1" in error.message
    assert "PODUP_HTTP_ADDR: 'here'" in error.message
    assert "s3cret" not in error.message
    assert error.hint == "`settings --env-example` explains them"  # it works with wrong values


def test_a_wrong_value_is_told_with_the_file_it_stands_in(home: Path) -> None:
    path = home / "http.env"
    path.write_text("PODUP_LIMIT1_COUNT=many\n")
    error = refused(home, PODUP_ENV_FILE=str(path))
    assert error.message.startswith(f"PODUP_LIMIT1_COUNT in {path}: 'many' is not possible")


def test_a_secret_from_a_file(home: Path) -> None:
    path = home / "token"
    path.write_text("from-file\n")
    found = loaded(home, PODUP_TOKEN_FILE=str(path))
    assert found.settings.access.token == Secret("from-file")
    assert str(found.origins["PODUP_TOKEN"]) == f"environment PODUP_TOKEN_FILE {path}"
    assert refused(home, PODUP_TOKEN_FILE=str(path), PODUP_TOKEN="x").code == "setting-twice"
    assert refused(home, PODUP_TOKEN_FILE=str(home / "none")).code == "setting-file-unreadable"
    path.write_text("\n")
    assert refused(home, PODUP_TOKEN_FILE=str(path)).code == "setting-file-empty"


@pytest.mark.parametrize("name", ["PODUP_TOKEN", "podup_token", "podup-token"])
def test_a_secret_from_a_systemd_credential(home: Path, name: str) -> None:
    (home / name).write_text("credential")
    found = loaded(home, CREDENTIALS_DIRECTORY=str(home))
    assert found.settings.access.token == Secret("credential")
    assert found.origins["PODUP_TOKEN"].kind == "credential"


def test_half_a_forward_auth_configuration_is_refused(home: Path) -> None:
    header = {"PODUP_FWD_AUTH_HEADER": "Remote-User"}
    assert "PODUP_FWD_AUTH_ADMIN_VALUE is missing" in refused(home, **header).message
    value = {"PODUP_FWD_AUTH_ADMIN_VALUE": "ivan"}
    assert "PODUP_FWD_AUTH_HEADER is missing" in refused(home, **value).message
    assert "PODUP_TRUSTED_PROXIES is missing" in refused(home, **header, **value).message
    found = loaded(home, **header, **value, PODUP_TRUSTED_PROXIES="127.0.0.1, 10.0.0.0/8")
    assert [str(network) for network in found.settings.access.trusted_proxies] == [
        "127.0.0.1/32",
        "10.0.0.0/8",
    ]


def test_what_is_odd_is_reported(home: Path) -> None:
    found = loaded(home, PODUP_SELF_UPDATE_CRON="often", PODUP_DEV_OPEN_ADMIN="yes")
    assert [warning.split()[0] for warning in found.warnings] == [
        "PODUP_SELF_UPDATE_CRON:",
        "PODUP_SELF_UPDATE_CRON",
        "PODUP_DEV_OPEN_ADMIN",
    ]


def test_another_process_loads_the_same_from_the_texts(home: Path) -> None:
    (home / "token").write_text("from-file\n")
    config = home / "config.toml"
    config.write_text('[units.web]\nprobe = "tcp://127.0.0.1:80"\n')
    first = loaded(home, PODUP_TOKEN_FILE=str(home / "token"), PODUP_CONFIG=str(config), PODUP_COOLDOWN="2h")
    (home / "token").unlink()
    config.unlink()
    again = load(Environment(first.texts, home / "elsewhere", 1000), config_text=first.config_text)
    assert again.settings.access == first.settings.access
    assert again.settings.services.cooldown_s == 7200
    assert again.settings.state == first.settings.state
    assert again.config == first.config


def test_secrets_are_known_and_not_shown(home: Path) -> None:
    found = loaded(home, PODUP_TOKEN="s3cret-token", PODUP_GH_WEBHOOK_SECRET="s3cret-one s3cret-two")
    assert len(found.secrets()) == 4
    assert "s3cret" not in repr(found)
    assert shown_value(found, BY_ENV["PODUP_TOKEN"]) == "set"
    assert shown_value(found, BY_ENV["PODUP_RELEASE_TOKEN"]) == ""


def test_an_env_file_that_was_named_must_exist(home: Path) -> None:
    assert refused(home, PODUP_ENV_FILE=str(home / "none")).code == "setting-file-unreadable"
    (home / "other.env").write_text("not an assignment\nPODUP_KEEP_IMAGES=4\n")
    found = loaded(home, PODUP_ENV_FILE="~/other.env")
    assert found.settings.services.keep_images == 4
    assert "line 1 is not NAME=VALUE" in found.warnings[0]
