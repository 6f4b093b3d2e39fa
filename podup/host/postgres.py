"""PostgreSQL dumps in the custom format, verified, and put back.

The tools run where the database is (`exec` into its container, so their version fits) or on this machine for
a database reached by host and port. A dump is the standard output of `pg_dump` straight into a file: no
pipe, no second program, so its exit code is the truth about the file. Verified is the file on this
machine, read to its end by `pg_restore`: its table of contents names the expected tables, every data block
can be read, and it is not smaller than told. Source: pg_dump(1), pg_restore(1), PostgreSQL 15.
"""

from pathlib import Path

from podup.core.stack_map import Database
from podup.errors import PodupError
from podup.host.run import Command, Completed, OpenFile, Runner
from podup.records import dataclass

DUMP_TIMEOUT_S = 3600.0
_NO_TABLES_HINT = "is it the right database? the tables are named in the stack's configuration"


@dataclass(frozen=True, slots=True)
class Reach:
    """How the tools are started for one database: the words before them, and their environment."""

    prefix: tuple[str, ...] = ()
    prefix_with_input: tuple[str, ...] = ()
    connection: tuple[str, ...] = ()
    env: tuple[tuple[str, str], ...] = ()


def reach_container(containers: str, container: str, database: Database) -> Reach:
    """Reach a database inside its container, through its local socket."""
    start = (containers, "exec")
    return Reach((*start, container), (*start, "--interactive", container), ("--username", database.user))


def reach_host(database: Database) -> Reach:
    """Reach a database by host and port; the password comes from a file in the form of pgpass."""
    env = (("PGPASSFILE", database.password_file),) if database.password_file else ()
    where = ("--host", database.host, "--port", str(database.port), "--username", database.user)
    return Reach((), (), (*where, "--no-password"), env)


class Postgres:
    """The PostgreSQL tools."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    def dump(self, reach: Reach, database: Database, sink: OpenFile) -> None:
        """Write a dump of the database into `sink`. Raises PodupError `dump-failed`."""
        tool = (*reach.prefix, "pg_dump", "--format=custom", *reach.connection, "--dbname", database.name)
        dump = Command(tool, mutates=True, timeout_s=DUMP_TIMEOUT_S, stdout=sink, env=dict(reach.env))
        done = self._runner.run(dump)
        done.check("dump-failed", f"database {database.name} could not be dumped", "is the database up?")

    def verify(self, reach: Reach, database: Database, dump: Path) -> tuple[str, ...]:
        """Return the tables whose data is in the dump. Raises PodupError when it is not whole."""
        size = dump.stat().st_size
        if size < max(database.min_bytes, 1):
            says = f"the dump of {database.name} has {size} bytes, less than {max(database.min_bytes, 1)}"
            raise PodupError("dump-too-small", says)
        listed = self._restore(reach, ("--list",), dump)
        listed.check("dump-broken", f"the dump of {database.name} has no table of contents")
        tables = tables_in(listed.stdout)
        missing = sorted(set(database.tables) - {table.partition(".")[2] for table in tables} - set(tables))
        if missing:
            says = f"the dump of {database.name} lacks {', '.join(missing)}"
            raise PodupError("dump-tables-missing", says, _NO_TABLES_HINT)
        read = self._restore(reach, ("--file=/dev/null",), dump)
        read.check("dump-broken", f"the dump of {database.name} cannot be read to its end")
        return tables

    def restore(self, reach: Reach, database: Database, dump: Path) -> None:
        """Load a dump in one transaction: all of it, or the database stays as it is."""
        how = ("--clean", "--if-exists", "--single-transaction", "--exit-on-error", "--no-owner")
        words = (*how, *reach.connection, "--dbname", database.name)
        done = self._restore(reach, words, dump)
        done.check("restore-failed", f"the dump of {database.name} could not be loaded; nothing was changed")

    def query(self, reach: Reach, database: Database, statement: str, *, timeout_s: float) -> str:
        """Return what one statement prints, unaligned. Raises PodupError `query-failed`."""
        tool = ("psql", "--no-psqlrc", "--tuples-only", "--no-align", "--command", statement)
        words = (*reach.prefix, *tool, *reach.connection, "--dbname", database.name)
        done = self._runner.run(Command(words, mutates=False, timeout_s=timeout_s, env=dict(reach.env)))
        done.check("query-failed", f"database {database.name} does not answer")
        return done.stdout.strip()

    def _restore(self, reach: Reach, words: tuple[str, ...], dump: Path) -> Completed:
        argv = (*reach.prefix_with_input, "pg_restore", *words)
        load = Command(argv, mutates=True, timeout_s=DUMP_TIMEOUT_S, stdin=dump, env=dict(reach.env))
        return self._runner.run(load)


def tables_in(listing: str) -> tuple[str, ...]:
    """Return `schema.table` of every `TABLE DATA` entry in what `pg_restore --list` prints."""
    found = []
    for line in listing.splitlines():
        _, _, entry = line.partition("TABLE DATA ")
        words = entry.split()
        if words and not line.startswith(";"):
            found.append(f"{words[0]}.{words[1]}" if len(words) > 1 else words[0])
    return tuple(sorted(found))
