"""Dumps that are whole and dumps that are not, over a fake that writes and reads real files."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from podup.core.stack_map import Database
from podup.errors import PodupError
from podup.files import NewFile
from podup.host.postgres import Postgres, Reach, reach_container, reach_host, tables_in
from podup.host.run import Command, Completed

WHOLE = b"PGDMP" + b"x" * 995
LISTING = """\
;
; Archive created at 2026-01-30
;     TOC Entries: 9
215; 1259 16386 TABLE public res_users postgres
3333; 0 16386 TABLE DATA public res_users postgres
3334; 0 16390 TABLE DATA public ir_module_module postgres
"""


class FakeTools:
    """pg_dump writes `dump`, pg_restore reads its file and fails when it is not WHOLE."""

    def __init__(self, dump: bytes = WHOLE, exit_code: int = 0) -> None:
        self.dump = dump
        self.exit_code = exit_code
        self.asked: list[tuple[str, ...]] = []
        self.env: Mapping[str, str] = {}

    def run(self, command: Command) -> Completed:
        words, source = command.argv, command.stdin
        self.asked.append(words)
        self.env = command.env
        if command.stdout is not None:
            os.write(command.stdout.fileno(), self.dump)
            return Completed(command, self.exit_code, "", "pg_dump: error: connection refused\n", 1)
        whole = isinstance(source, Path) and source.read_bytes() == WHOLE
        if "--list" in words:
            return Completed(command, 0, LISTING, "", 1)
        return Completed(command, 0 if whole else 1, "", "" if whole else "could not read: end of file\n", 1)


DATABASE = Database("odoo", service="db", user="odoo", tables=("res_users",))
REACH = reach_container("podman", "c1", DATABASE)


def dumped(tmp_path: Path, tools: FakeTools) -> Path:
    path = tmp_path / "odoo.dump"
    with NewFile(path) as sink:
        Postgres(tools).dump(REACH, DATABASE, sink)
    return path


def test_a_dump_is_the_tools_own_output(tmp_path: Path) -> None:
    tools = FakeTools()
    path = dumped(tmp_path, tools)
    assert path.read_bytes() == WHOLE and path.stat().st_mode & 0o777 == 0o600
    line = "podman exec c1 pg_dump --format=custom --username odoo --dbname odoo"
    assert " ".join(tools.asked[0]) == line
    assert Postgres(tools).verify(REACH, DATABASE, path) == ("public.ir_module_module", "public.res_users")
    assert " ".join(tools.asked[-1]) == "podman exec --interactive c1 pg_restore --file=/dev/null"


def test_a_dump_that_fails_is_no_dump(tmp_path: Path) -> None:
    with pytest.raises(PodupError) as caught:
        dumped(tmp_path, FakeTools(exit_code=1))
    assert caught.value.code == "dump-failed" and "connection refused" in caught.value.message
    assert not (tmp_path / "odoo.dump").exists()


@pytest.mark.parametrize(
    ("dump", "database", "code"),
    [
        (WHOLE[:500], DATABASE, "dump-broken"),
        (b"", DATABASE, "dump-too-small"),
        (WHOLE, Database("odoo", service="db", min_bytes=5000), "dump-too-small"),
        (WHOLE, Database("odoo", service="db", tables=("res_users", "gone")), "dump-tables-missing"),
    ],
)
def test_a_dump_that_is_not_whole_is_found_out(
    tmp_path: Path, dump: bytes, database: Database, code: str
) -> None:
    tools = FakeTools(dump)
    path = dumped(tmp_path, tools)
    with pytest.raises(PodupError) as caught:
        Postgres(tools).verify(REACH, database, path)
    assert caught.value.code == code


def test_a_restore_is_one_transaction(tmp_path: Path) -> None:
    tools = FakeTools()
    Postgres(tools).restore(REACH, DATABASE, dumped(tmp_path, tools))
    assert {"--single-transaction", "--exit-on-error", "--clean"} <= set(tools.asked[-1])


def test_a_database_by_host_takes_its_password_from_a_file() -> None:
    database = Database("odoo", host="db.lan", port=5433, password_file="/etc/pgpass")
    reach: Reach = reach_host(database)
    assert reach.connection == (
        "--host",
        "db.lan",
        "--port",
        "5433",
        "--username",
        "postgres",
        "--no-password",
    )
    assert dict(reach.env) == {"PGPASSFILE": "/etc/pgpass"}


def test_tables_of_a_listing() -> None:
    assert tables_in(LISTING) == ("public.ir_module_module", "public.res_users")
    assert tables_in("") == ()
