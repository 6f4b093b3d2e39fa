"""No secret leaves: one story with planted secrets, then a search of every file, row, answer, log and argv.

What may hold a secret is named below, and only its owner can read it.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from docker_on_paper import DockerOnPaper, registry_behind_login
from whole import CONTROL, SECRET, TOKEN, self_updates
from working import Working, WorkingHere

from podup.core.states import Status
from podup.store import tasks
from podup.store.tasks import TaskFilter

UNIT_SECRET, RELEASE, MANUAL = "planted-unit-secret", "planted-release-token", "planted-manual-token"
REGISTRY, DATABASE, PROXY = "planted-registry-password", "planted-database-password", "planted-proxy-password"
HOOK = "planted-password-of-a-hook"
SECRETS = (SECRET, TOKEN, UNIT_SECRET, RELEASE, MANUAL, REGISTRY, DATABASE, PROXY, HOOK)
LOGIN = base64.b64encode(f"ada:{REGISTRY}".encode()).decode()
NEEDLES = (*SECRETS, LOGIN, *(base64.b64encode(text.encode()).decode() for text in SECRETS))
UNITS = f"""
[units."api.service"]
webhook_secret = "{UNIT_SECRET}"

[units."api.service".hooks]
before = ["/bin/sh", "-c", "backup --password={HOOK}"]
"""
HOLDERS = ("config.toml", ".config/containers/auth.json", "stacks/odoo/.env", "backups/odoo/*/.env")
REPORT = {
    "type": "self-update-run", "started_at": 10, "finished_at": 12, "status": "failed", "exit_code": 1,
    "binary_path": "/b", "release_tag": "v1.2.3", "runner_host": "h", "runner_pid": 5,
    "stderr_tail": f"Authorization: Bearer {RELEASE}\nproxy http://ada:{PROXY}@127.0.0.1:9 is away\n{TOKEN}",
}  # fmt: skip


class Story:
    """Services in one directory and stacks in another, both with every secret there is."""

    def __init__(self, root: Path, registry: str) -> None:
        self.roots = (root / "services", root / "stacks")
        services, stacks = self.roots
        services.mkdir()
        self.paper = DockerOnPaper(stacks, registry, password=DATABASE)
        own = {
            "PODUP_GH_WEBHOOK_SECRET": SECRET,
            "PODUP_MANUAL_TOKEN": MANUAL,
            "PODUP_RELEASE_TOKEN": RELEASE,
            "PODUP_VERIFY_SETTLE_SECS": "1",
            "HTTPS_PROXY": f"http://ada:{PROXY}@127.0.0.1:9",
        }
        for place in self.roots:
            containers = place / ".config/containers"
            containers.mkdir(parents=True)
            rules = f'[[registry]]\nlocation = "{registry}"\ninsecure = true\n'
            (containers / "registries.conf").write_text(rules)
            _private(containers / "auth.json", f'{{"auths": {{"{registry}": {{"auth": "{LOGIN}"}}}}}}')
        _private(services / "config.toml", UNITS)
        (stacks / "config.toml").chmod(0o600)
        settings = {"PATH": "/nowhere", "PODUP_CONFIG": str(services / "config.toml"), **own}
        self.services = Working(services, **settings)
        self.stacks = WorkingHere(stacks, **own, **self.paper.settings)
        self.said: list[str] = []

    def close(self) -> None:
        self.services.close()
        self.stacks.close()

    def deploy_services(self) -> None:
        """Webhooks good and bad, a version that runs and one that does not."""
        for version, behaviour in (("v2", "good"), ("v3", "exits")):
            digest = self.services.machine.push("ghcr.io/acme/web:latest", version, behaviour).digest
            told = {"image": "ghcr.io/acme/web", "tag": "latest", "digest": digest}
            assert self.services.deliver("web", told).status == 202
            assert self.services.deliver("web", {**told, "digest": ""}, secret="wrong").status == 401
            self.services.settle()
            self.services.clock.sleep(3600)
        digest = self.services.machine.push("ghcr.io/acme/api:latest", "v2", "healthy").digest
        told = {"image": "ghcr.io/acme/api", "tag": "latest", "digest": digest}
        assert self.services.deliver("api", told, secret=SECRET).status == 401
        assert self.services.deliver("api", told, secret=UNIT_SECRET).status == 202
        self.services.settle()

    def change_stack(self) -> None:
        """A backup, a version that runs and one that does not, and the way back from it."""
        for verb, body in (
            ("backup", {}), ("deploy", {"version": "v2"}), ("deploy", {"version": "broken"}),
            ("preflight", {"version": "v2"}),
        ):  # fmt: skip
            assert self.stacks.ask("POST", f"/api/stacks/odoo/{verb}", body).status in (200, 202)
            self.stacks.settle()
            self.stacks.clock.sleep(3600)

    def import_report(self) -> None:
        """A self-update that failed and said too much."""
        program = self.services
        updates = self_updates(program, say=self.said.append)
        updates.places.reports.mkdir(parents=True, exist_ok=True)
        name = "self-update-10-5.json"
        (updates.places.reports / name).write_text(json.dumps(REPORT))
        updates.turn()
        for left in updates.places.reports.glob(f"{name}*"):
            left.unlink()  # it was planted, so it is no leak of ours

    def answers(self) -> Iterator[tuple[str, bytes]]:
        """Every answer of every row that only reads, with every task there is."""
        for program in (self.services, self.stacks):
            program.engine.log.flush()
            with program.database.read() as cx:
                ids = [task.id for task in tasks.find(cx, TaskFilter())[0]]
            for route in program.site.router.routes:
                if route.method != "GET" or "/sse" in route.path or route.path.endswith("/stream"):
                    continue
                for name in [*ids, "web.service", "odoo"] if "{" in route.path else [""]:
                    parts = [name if part.startswith("{") else part for part in route.path.split("/")]
                    path = "/".join(parts)
                    for peer in (CONTROL, None):
                        asked = program.ask("GET", path, **({"peer": peer} if peer else {}))
                        yield f"{path} {dict(asked.headers)}", asked.body

    def files(self) -> Iterator[tuple[Path, bytes]]:
        """Every file that is not meant to hold a secret; the mode of those that are is looked at."""
        for root in self.roots:
            for path in sorted(root.rglob("*")):
                if not path.is_file():
                    continue
                if any(path.relative_to(root).match(holder) for holder in HOLDERS):
                    assert path.stat().st_mode & 0o077 == 0, path
                elif path.name.startswith("pod-upgrade-trigger.db"):
                    # a task is carried out from its row, which has the words a hook is started with
                    assert path.stat().st_mode & 0o077 == 0, path
                    yield path, path.read_bytes().replace(HOOK.encode(), b"")
                elif path.suffix == ".jsonl" and path.parent.name == "tasks":
                    # recovery takes the plan up as it was made, hook and all; all else in there is masked
                    assert path.stat().st_mode & 0o077 == 0, path
                    for line in path.read_bytes().splitlines():
                        is_plan = json.loads(line)["type"] in ("plan", "revert")
                        yield path, line.replace(HOOK.encode(), b"") if is_plan else line
                else:
                    yield path, path.read_bytes()


def _private(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o600)


def found_in(data: bytes) -> list[str]:
    return [needle for needle in NEEDLES if needle.encode() in data]


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Story]:
    with registry_behind_login(LOGIN) as registry:
        told = Story(tmp_path, registry)
        yield told
        told.close()


def test_no_secret_leaves(story: Story, capsys: pytest.CaptureFixture[str]) -> None:
    story.deploy_services()
    story.change_stack()
    story.import_report()
    _assert_it_happened(story)
    leaks = [f"{path}: {found}" for path, data in story.files() if (found := found_in(data))]
    leaks += [f"GET {path}: {found}" for path, data in story.answers() if (found := found_in(data))]
    leaks += [f"GET {path}: its headers" for path, _ in story.answers() if found_in(path.encode())]
    with story.services.machine.open() as machine:
        commands = [*machine.changes, *story.paper.asked]
    leaks += [f"argv {line}" for line in commands if found_in(line.encode())]
    printed = capsys.readouterr()
    leaks += [f"log {line}" for line in (*story.said, printed.out, printed.err) if found_in(line.encode())]
    assert not leaks, "\n".join(leaks)


def _assert_it_happened(story: Story) -> None:
    """A story in which nothing happens would prove nothing."""
    ended: list[list[tuple[str, Status]]] = []
    for program in (story.services, story.stacks):
        with program.database.read() as cx:
            found = tasks.find(cx, TaskFilter())[0]
        ended.append([(task.kind, task.status) for task in reversed(found)])
    services, stacks = ended
    assert ("deploy", Status.SUCCEEDED) in services and ("deploy", Status.ROLLED_BACK) in services, services
    assert "self-update" in [kind for kind, _ in services], services
    changes = [row for row in stacks if row[0] == "stack_deploy"]
    assert [status for _, status in changes] == [Status.SUCCEEDED, Status.ROLLED_BACK], stacks
    assert ("stack_backup", Status.SUCCEEDED) in stacks
    assert len([path for root in story.roots for path in root.glob("backups/odoo/*/.env")]) >= 2
