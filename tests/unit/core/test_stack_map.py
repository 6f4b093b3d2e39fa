import tomllib
from typing import Any

import pytest

from podup.core.stack_map import check_version, find_stack, stacks_from
from podup.errors import Invalid, NotFound

ROWS = """
[odoo18-prod]
source_dir = "/opt/addons/infra/stacks/odoo18-prod"
tag_variable = "ODOO_TAG"
edge_network = "edge"
key_services = ["web"]
databases = [{ name = "odoo", service = "db", user = "odoo", tables = ["res_users"] }]
smoke = [{ http = "https://a.example/web/health", contains = "ok" }, { database = "odoo" }]
[odoo18-staging]
env = "staging"
[ocr]
run_dir = "/srv/ocr"
settle_s = 3
"""


def rows(text: str = ROWS) -> Any:
    return stacks_from(tomllib.loads(text), stacks_dir="/srv/stacks")


def test_defaults_follow_the_name_and_env() -> None:
    prod, staging, ocr = rows()
    assert (prod.env, prod.run_dir, prod.project, prod.family) == (
        "prod",
        "/srv/stacks/odoo18-prod",
        "odoo18-prod",
        "odoo18",
    )
    assert staging.family == "odoo18" and staging.proves and not staging.needs_proof
    assert prod.needs_proof and not prod.proves
    assert (ocr.run_dir, ocr.project, ocr.family, ocr.needs_proof) == ("/srv/ocr", "ocr", "ocr", False)
    assert ocr.settle_s == 3.0
    assert prod.databases[0].tables == ("res_users",)


def test_a_row_can_say_it_needs_no_proof() -> None:
    assert not rows(ROWS.replace("[odoo18-prod]", "[odoo18-prod]\nneeds_proof = false"))[0].needs_proof


@pytest.mark.parametrize(
    "text",
    [
        '["../etc"]\nenv = "prod"',
        '["a.b"]',
        '["A"]',
        '[a]\nrun_dir = "relative"',
        '[a]\nrun_dir = "/srv/../etc"',
        "[a]\nunknown = 1",
        "[a]\nenv = 1",
        '[a]\nproves = "yes"',
        '[a]\ntag_variable = "A B"',
        '[a]\ncompose_file = "../x.yml"',
        "[a]\nkeep_backups = 0",
        '[a]\nbackup_cron = "every day"',
        '[a]\nkey_services = "web"',
        "[a]\nkey_services = [1]",
        "[a]\nsettle_s = -1",
        '[a]\ndatabases = [{ name = "x" }]',
        '[a]\ndatabases = [{ name = "x; drop", service = "db" }]',
        '[a]\ndatabases = [{ name = "x", service = "a" }, { name = "x", service = "b" }]',
        '[a]\nsmoke = [{ http = "ftp://x" }]',
        "[a]\nsmoke = [{ status = 200 }]",
        '[a]\nsmoke = [{ database = "none" }]',
        "a = 1",
    ],
)
def test_refuses(text: str) -> None:
    with pytest.raises(Invalid):
        rows(text)


@pytest.mark.parametrize("name", ["..", "../x", "a/b", "", "a b", "-a", "a" * 64])
def test_names_that_cannot_be_stacks(name: str) -> None:
    with pytest.raises(Invalid):
        find_stack(rows(), name)


def test_an_unknown_stack_is_named_with_those_there_are() -> None:
    with pytest.raises(NotFound) as caught:
        find_stack(rows(), "nope")
    assert "odoo18-prod" in caught.value.hint


def test_versions_are_image_tags() -> None:
    assert check_version("sha-19b9b98") == "sha-19b9b98"
    for wrong in ("", "a b", "-a", "a/b", "x" * 129, "a\n"):
        with pytest.raises(Invalid):
            check_version(wrong)


def test_a_key_nobody_knows_is_told_with_the_nearest_one() -> None:
    with pytest.raises(Invalid, match=r"web\.tag_varible is not known; did you mean tag_variable\?"):
        rows("[web]\ntag_varible = 'TAG'")
