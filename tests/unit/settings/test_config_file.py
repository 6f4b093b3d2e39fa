"""The TOML file: what it gives, and that a typo never passes."""

import pytest

from podup.core.secrets import Secret
from podup.core.windows import parse_window
from podup.errors import Invalid
from podup.settings.config_file import Config, Hooks, parse_config
from podup.settings.render import CONFIG_EXAMPLE

FULL = """
[settings]
http_addr = "127.0.0.1:1"
manual_units = ["a", "b"]
dev_open_admin = true

[[windows]]
open = "sat,sun 02:00-04:00"

[[windows]]
open = "daily 03:00-04:00"
units = ["web", "api.service"]

[hooks]
before = ["/usr/bin/check", "--fast"]

[units.web]
image = "ghcr.io/acme/web:stable"
webhook_secret = ["s3cret", "new"]
webhook_secret_file = "/run/secret"
probe = "http://127.0.0.1/health"
verify_timeout = "2m"
verify_settle = 5
keep_images = 4
hooks = { after = ["/bin/tell"] }

[stacks.shop]
env = "prod"
"""


def parsed(text: str) -> Config:
    return parse_config(text, name="podup.toml", read_secret=lambda path: Secret(f"from {path}"))


def test_a_full_file() -> None:
    config = parsed(FULL)
    web = config.units["web.service"]
    assert web.webhook_secrets == (Secret("s3cret"), Secret("new"), Secret("from /run/secret"))
    assert (web.verify_timeout_s, web.verify_settle_s, web.cooldown_s, web.keep_images) == (120, 5, None, 4)
    assert config.hooks_for("web.service") == Hooks(after=("/bin/tell",))
    assert config.hooks_for("db.service") == Hooks(before=("/usr/bin/check", "--fast"))
    assert config.windows_for("web.service") == (parse_window("daily 03:00-04:00"),)
    assert config.windows_for("api.service") == config.windows_for("web.service")
    assert config.windows_for("db.service") == (parse_window("sat,sun 02:00-04:00"),)
    assert config.stacks["shop"] == {"env": "prod"}
    assert config.settings == {"http_addr": "127.0.0.1:1", "manual_units": "a,b", "dev_open_admin": "1"}
    assert "s3cret" not in repr(config)


def test_the_file_the_documentation_shows() -> None:
    config = parsed(CONFIG_EXAMPLE)
    assert config.settings == {"scheduler_mode": "services"}
    web = config.units["web.service"]
    assert all(getattr(web, name) for name in web.__slots__ if name != "hooks")
    assert config.hooks_for("web.service").before == ()
    assert config.windows_for("db.service") == (parse_window("sat,sun 02:00-04:00"),)


def test_no_file() -> None:
    assert parsed("") == Config()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("x = ", "is not TOML"),
        ("[unit.web]", "the file does not know 'unit'"),
        ("[units.web]\nverify_timout = 1", "units.web does not know 'verify_timout'"),
        ("[units.web]\nverify_timeout = 'soon'", "units.web.verify_timeout = 'soon' is not possible"),
        ("[units.web]\nkeep_images = 0", "units.web.keep_images is not a whole number"),
        ("[units]\nweb = 1", "units.web is not a table"),
        ("[units.'a b']", "units.a b not a unit name"),
        ("[units.web]\nimage = 1", "units.web.image is not a text"),
        ("[hooks]\nbefore = 'rm -rf'", "hooks.before is not a list of words"),
        ("[hooks]\nbefore = ['rm']", "does not begin with an absolute path"),
        ("[[windows]]\nopen = 'always'", "is not a window"),
        ("[windows]\nopen = 'x'", "windows is not a list of tables"),
        ("[stacks]\nshop = 1", "stacks. shop is not a table"),
        ("[notifications.ops]\nkind = 'slack'", "notifications is nothing this version reads"),
        ("[settings]\nhttp_addr = { a = 1 }", "settings.http_addr is neither"),
    ],
)
def test_what_is_refused(text: str, says: str) -> None:
    with pytest.raises(Invalid) as caught:
        parsed(text)
    assert says in caught.value.message
    assert caught.value.message.startswith("podup.toml")


def test_the_nearest_name_is_offered() -> None:
    with pytest.raises(Invalid) as caught:
        parsed("[units.web]\nverify_timout = 1")
    assert caught.value.hint == "did you mean 'verify_timeout'?"
