"""Staging and production of one product on one host, as the tests of stacks want them."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from labkit.daemon import Daemon
from labkit.postgres import push_postgres
from labkit.stacks import ROWS, LabStack, settings_for

OLD, NEW = "sha-4b1ce21", "sha-19b9b98"


class Site:
    """Staging and production of one product, run by the daemon of one user."""

    def __init__(self, base: Path, registry: str) -> None:
        self.base = base
        self.staging = LabStack("odoo18-staging", "staging", base, registry)
        self.prod = LabStack("odoo18-prod", "prod", base, registry)
        self.daemon = Daemon(base / "state", settings_for(base, self.staging, self.prod))

    @property
    def stacks(self) -> tuple[LabStack, LabStack]:
        return self.staging, self.prod

    def script(self, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """One of the scripts, in a user's shell."""
        environment = {**self.daemon.shell(), "TARGET_BIN": str(self.daemon.program)}
        return subprocess.run(
            [f"scripts/{name}.sh", *arguments],
            env=environment,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=180,
        )

    def begin(self, version: str) -> str:
        """Begin a forced deployment to production; the id of its task."""
        answer = self.daemon.api("/api/stacks/odoo18-prod/deploy", {"version": version, "force": True})
        assert answer.status == 202, answer
        return str(answer.body["task_id"])

    def records(self, task_id: str) -> list[dict[str, Any]]:
        """The whole lines of a task's journal so far."""
        journal = self.daemon.state / "tasks" / f"{task_id}.jsonl"
        whole = journal.read_text().rpartition("\n")[0] if journal.exists() else ""
        return [json.loads(line) for line in whole.splitlines()]

    def has_begun(self, task_id: str, step: str) -> bool:
        """Whether a step whose sentence begins so has begun."""
        return any(str(record.get("says", "")).startswith(step) for record in self.records(task_id))

    def configure(self, old: str, new: str) -> None:
        """Edit the configuration file and start the daemon anew, as it is read at the start."""
        config = self.base / "config.toml"
        config.write_text(config.read_text().replace(old, new))
        self.daemon.stop()
        self.daemon.start()

    @contextmanager
    def configured(self, old: str, new: str) -> Iterator[None]:
        """So for a while."""
        self.configure(old, new)
        try:
            yield
        finally:
            self.configure(new, old)

    def forget_records(self) -> None:
        """No history and no backup, as before the first deployment."""
        (self.base / "deploy-history.log").unlink(missing_ok=True)
        for backup in self.prod.backups.glob("*"):
            shutil.rmtree(backup)

    def history(self) -> list[str]:
        log = self.base / "deploy-history.log"
        return log.read_text().splitlines() if log.exists() else []

    def grep(self, pattern: str) -> list[str]:
        argv = ["grep", pattern, str(self.base / "deploy-history.log")]
        return subprocess.run(argv, capture_output=True, text=True).stdout.splitlines()


@contextmanager
def site_running(base: Path, registry: str, *, with_staging: bool) -> Iterator[Site]:
    """Stacks that were started by hand on the old version, with rows in their databases.

    Staging is started on request only: a database more costs seconds.
    """
    push_postgres(f"{registry}/acme/postgres:15")
    made = Site(base, registry)
    for version in (OLD, NEW):
        made.prod.push(version)
    for stack in made.stacks:
        stack.write(OLD)
        if stack is made.prod or with_staging:
            stack.start_by_hand()
    made.daemon.install()
    made.daemon.start()
    try:
        yield made
    finally:
        made.daemon.stop()
        for stack in made.stacks:
            stack.remove()


def is_as_before(stack: LabStack, env: bytes) -> bool:
    return stack.serves() == OLD and stack.env_file.read_bytes() == env and stack.rows() == ROWS
