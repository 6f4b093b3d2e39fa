"""Single checks of the preflight, where the whole road is not needed to tell."""

import hashlib
from typing import Any

import pytest

from podup.core import compose, preflight
from podup.core.preflight import Check, Mark, Mounted
from podup.core.stack_map import Stack, stacks_from

FILE = """\
services:
  db:
    image: postgres:15
    ports: ["5432:5432"]
    volumes: ["data:/var/lib/postgresql/data", "./logs:/logs", "/var/cache"]
volumes: {data: }
"""


def volumes(mounted: Mounted) -> Check:
    composition = compose.read_file(FILE, {}, "odoo")
    return next(check for check in preflight.check_shape(composition, [mounted]) if check.name == "volumes")


@pytest.mark.parametrize(
    "name", ["odoo_data", "./logs", f"odoo_db_{hashlib.sha256(b'/var/cache').hexdigest()}"]
)
def test_a_volume_that_is_still_mounted_is_unchanged(name: str) -> None:
    assert volumes(Mounted("db", (), (name,))).mark is Mark.PASS


@pytest.mark.parametrize("name", ["odoo_pgdata", "./data", "/srv/data"])
def test_a_volume_or_directory_that_would_go_away_blocks(name: str) -> None:
    check = volumes(Mounted("db", (), (name,)))
    assert (check.mark, check.code) == (Mark.BLOCK, "volumes-changed") and name in check.says


@pytest.mark.parametrize(
    ("databases", "mark", "says"),
    [
        ([], Mark.WARN, "no volumes: db data"),
        ([{"name": "odoo", "service": "db"}], Mark.PASS, "dumps odoo"),
        ([{"name": "odoo", "host": "db.example"}], Mark.PASS, "dumps odoo; no volumes: db data"),
    ],
)
def test_what_a_backup_does_not_hold_is_told(databases: list[Any], mark: Mark, says: str) -> None:
    composition = compose.read_file(FILE, {}, "odoo")
    made = stacks_from({"odoo": {"databases": databases}}, stacks_dir="/srv")[0]
    check = preflight.check_backup(composition, made)
    assert check.mark is mark and check.says.endswith(says)


def stack(**row: str) -> Stack:
    return stacks_from({"odoo": {"run_dir": "/srv/Odoo.18", **row}}, stacks_dir="/srv")[0]


@pytest.mark.parametrize(
    ("own", "row", "mark"),
    [
        ("", {}, Mark.PASS),
        ("odoo18", {}, Mark.PASS),
        ("shop", {}, Mark.BLOCK),
        ("shop", {"project": "shop"}, Mark.PASS),
        ("shop", {"project": "odoo-staging"}, Mark.PASS),
    ],
)
def test_the_project_is_the_one_whose_volumes_hold_the_data(
    own: str, row: dict[str, str], mark: Mark
) -> None:
    """A project named in the configuration is somebody's decision; one made up from the directory is not."""
    composition = compose.read_file(f"name: {own}\n{FILE}" if own else FILE, {}, "odoo")
    assert preflight.check_project(composition, stack(**row)).mark is mark
