"""The stacks of the configuration file: where they live, what proves them, what is backed up and checked.

One table a stack, `[stacks.NAME]`. Names follow the grammar of compose projects, so a name can never leave
its directory. Unknown keys and values of the wrong type are refused with the place they stand at.
"""

import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any, NoReturn

from podup.core.cron import parse_cron
from podup.core.nearest import nearest
from podup.errors import Invalid, NotFound
from podup.patterns import regex
from podup.records import dataclass, fields

_NAME = regex(r"[a-z0-9][a-z0-9_-]{0,62}")
_VERSION = regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_VARIABLE = regex(r"[A-Za-z_][A-Za-z0-9_]*")
_PLAIN_NAME = regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")


@dataclass(frozen=True, slots=True)
class Database:
    """A PostgreSQL database: in the container of `service`, or reached at `host` and `port`."""

    name: str
    service: str = ""
    user: str = "postgres"
    host: str = ""
    port: int = 5432
    password_file: str = ""
    tables: tuple[str, ...] = ()
    min_bytes: int = 1


@dataclass(frozen=True, slots=True)
class SmokeCheck:
    """One check: `http` (a URL), `database` (a name of the stack's databases) or `command` (argv, exit 0)."""

    http: str = ""
    status: int = 200
    contains: str = ""
    database: str = ""
    command: tuple[str, ...] = ()
    timeout_s: float = 10.0

    @property
    def says(self) -> str:
        return self.http or (f"database {self.database}" if self.database else " ".join(self.command))


@dataclass(frozen=True, slots=True)
class Stack:
    """One stack.

    `proves`: a good deployment is proof for its family; `needs_proof`: it is only given proven versions.
    """

    name: str
    env: str
    run_dir: str
    project: str
    family: str
    source_dir: str = ""
    compose_file: str = "docker-compose.yml"
    tag_variable: str = "IMAGE_TAG"
    edge_network: str = ""
    key_services: tuple[str, ...] = ()
    one_shot: tuple[str, ...] = ()
    databases: tuple[Database, ...] = ()
    smoke: tuple[SmokeCheck, ...] = ()
    proves: bool = False
    needs_proof: bool = False
    proof_max_age_h: float = 720.0
    settle_s: float = 10.0
    deadline_s: float = 120.0
    pull_timeout_s: float = 600.0
    keep_backups: int = 10
    backup_cron: str = ""
    min_free_percent: float = 20.0


def stacks_from(table: Mapping[str, Any], *, stacks_dir: str) -> tuple[Stack, ...]:
    """Return the stacks of the file's `stacks` table. Raises Invalid naming the place that is wrong."""
    rows = [_stack(name, row, stacks_dir) for name, row in table.items()]
    proven = {row.family for row in rows if row.proves}
    return tuple(_with_proof(row, table[row.name], proven) for row in rows)


def find_stack(stacks: tuple[Stack, ...], name: str) -> Stack:
    """Return the stack of that name; raises Invalid, or NotFound that names those there are."""
    check_name(name)
    for stack in stacks:
        if stack.name == name:
            return stack
    known = ", ".join(sorted(stack.name for stack in stacks)) or "none are configured"
    raise NotFound("stack-unknown", f"there is no stack {name}", f"known stacks: {known}")


def project_of(run_dir: str) -> str:
    """Return the project that compose takes a directory for when nothing else names one."""
    return re.sub(r"[^a-z0-9_-]", "", PurePosixPath(run_dir).name.lower()).lstrip("_-")


def check_name(name: str) -> str:
    """Return `name` when it can name a stack; raises Invalid otherwise."""
    if not _NAME.fullmatch(name):
        raise Invalid(
            "stack-name",
            f"{name!r} cannot name a stack",
            "small letters, digits, - and _, at most 63 of them",
        )
    return name


def check_version(version: str) -> str:
    """Return `version` when it can be an image tag (OCI distribution specification); else raises Invalid."""
    if not _VERSION.fullmatch(version):
        raise Invalid(
            "stack-version", f"{version!r} cannot be the tag of an image", "for example sha-19b9b98"
        )
    return version


def _stack(name: str, row: Any, stacks_dir: str) -> Stack:
    place = f"stacks.{name}"
    check_name(name)
    values = _checked(row, Stack, place, ("name",))
    values.setdefault("env", "prod")
    values["run_dir"] = _directory(values.get("run_dir", f"{stacks_dir}/{name}"), f"{place}.run_dir")
    if values.get("source_dir"):
        values["source_dir"] = _directory(values["source_dir"], f"{place}.source_dir")
    values.setdefault("project", project_of(values["run_dir"]))
    values.setdefault("family", name.removesuffix(f"-{values['env']}"))
    values["databases"] = tuple(
        _database(item, f"{place}.databases[{index}]")
        for index, item in enumerate(values.get("databases", ()))
    )
    values["smoke"] = tuple(
        _smoke(item, f"{place}.smoke[{index}]") for index, item in enumerate(values.get("smoke", ()))
    )
    values.setdefault("proves", values["env"] == "staging")
    stack = Stack(name=name, **values)
    _check_words(stack, place)
    return stack


def _with_proof(stack: Stack, row: Mapping[str, Any], proven: set[str]) -> Stack:
    """Production asks for a proof where the family has one to give, unless the row says otherwise."""
    if "needs_proof" in row or stack.proves or stack.env not in ("prod", "production"):
        return stack
    values = {field.name: getattr(stack, field.name) for field in fields(Stack)}
    return Stack(**{**values, "needs_proof": stack.family in proven})


def _check_words(stack: Stack, place: str) -> None:
    check_name(stack.project)
    check_name(stack.family)
    check_name(stack.env)
    if stack.tag_variable and not _VARIABLE.fullmatch(stack.tag_variable):
        _refuse(f"{place}.tag_variable", f"{stack.tag_variable!r} cannot name a variable")
    if PurePosixPath(stack.compose_file).name != stack.compose_file:
        _refuse(f"{place}.compose_file", "is the name of a file in the run directory")
    if stack.backup_cron:
        try:
            parse_cron(stack.backup_cron)
        except ValueError as error:
            _refuse(f"{place}.backup_cron", f"is no cron expression: {error}")
    if stack.keep_backups < 1:
        _refuse(f"{place}.keep_backups", "is at least 1")
    known = {database.name for database in stack.databases}
    if len(known) < len(stack.databases):
        _refuse(f"{place}.databases", "names one database twice: a backup has one dump of each name")
    for check in stack.smoke:
        if check.database and check.database not in known:
            _refuse(f"{place}.smoke", f"names the database {check.database!r}, which the stack does not have")


def _database(row: Any, place: str) -> Database:
    values = _checked(row, Database, place)
    if bool(values.get("service")) == bool(values.get("host")):
        _refuse(place, "names either the service it runs in or a host")
    for key in ("name", "user"):
        if key in values and not _PLAIN_NAME.fullmatch(values[key]):
            _refuse(f"{place}.{key}", f"{values[key]!r} is not a plain name")
    if "name" not in values:
        _refuse(place, "has no name")
    return Database(**values)


def _smoke(row: Any, place: str) -> SmokeCheck:
    check = SmokeCheck(**_checked(row, SmokeCheck, place))
    if (bool(check.http), bool(check.database), bool(check.command)).count(True) != 1:
        _refuse(place, "is one of http, database or command")
    if check.http and not check.http.startswith(("http://", "https://")):
        _refuse(f"{place}.http", f"{check.http!r} is no http or https address")
    return check


def _checked(row: Any, kind: type[Any], place: str, without: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return the row's values, each of the type of the field it is for."""
    if not isinstance(row, Mapping):
        _refuse(place, "is not a table")
    known = {field.name: field.type for field in fields(kind) if field.name not in without}
    values: dict[str, Any] = {}
    for key, value in row.items():
        if key not in known:
            near = nearest(key, known)
            others = f"did you mean {near}?" if near else f"there are {', '.join(sorted(known))}"
            _refuse(f"{place}.{key}", f"is not known; {others}")
        values[key] = _typed(value, known[key], f"{place}.{key}")
    return values


def _typed(value: Any, kind: Any, place: str) -> Any:
    if kind in (str, bool):
        if type(value) is not kind:
            _refuse(place, f"is not {'a text' if kind is str else 'true or false'}")
        return value
    if kind in (int, float):
        if type(value) not in (int, kind) or value < 0:
            _refuse(place, "is not a number of at least 0")
        return kind(value)
    if not isinstance(value, list):
        _refuse(place, "is not a list")
    if kind == tuple[str, ...] and not all(isinstance(item, str) for item in value):
        _refuse(place, "is not a list of texts")
    return tuple(value)


def _directory(value: str, place: str) -> str:
    path = PurePosixPath(value)
    if not path.is_absolute() or ".." in path.parts:
        _refuse(place, f"{value!r} is not an absolute path without ..")
    return str(path)


def _refuse(place: str, what: str) -> NoReturn:
    raise Invalid("stack-config", f"{place} {what}")
