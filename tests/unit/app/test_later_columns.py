"""A column that a later version added bothers no reader: older code may go back to such a database."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from simulated_host import WEB, Host
from whole import Whole

from podup.core.states import Status
from podup.store import outbox
from podup.store.db import Store

LISTS = (
    "/api/tasks", "/api/events", "/api/events?format=csv", "/api/deliveries", "/api/manual/services",
    "/api/webhooks/status", "/api/image-locks", "/api/stacks", "/api/deploy-history", "/health",
)  # fmt: skip


def add_columns(store: Store) -> None:
    with store.write() as cx:
        found = cx.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'")
        for (table,) in found.fetchall():
            cx.execute(f"ALTER TABLE {table} ADD COLUMN later TEXT NOT NULL DEFAULT 'x'")


def test_every_list_and_a_delivery(whole: Whole) -> None:
    add_columns(whole.database)
    answer = whole.deliver(WEB, {"image": "ghcr.io/acme/web:latest"})
    assert answer.status == 202, answer.json
    whole.events()
    for path in LISTS:
        answer = whole.ask("GET", path)
        assert answer.status == 200, (path, answer.body)
    [task] = whole.ask("GET", "/api/tasks").json["tasks"]
    assert whole.ask("GET", f"/api/tasks/{task['task_id']}").status == 200


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    found = Host(tmp_path, {})
    yield found
    found.close()


def test_a_deployment_that_is_taken_back_and_told(host: Host) -> None:
    add_columns(host.built.engine.store)
    host.machine.push("ghcr.io/acme/web:latest", "v2", "exits")
    assert host.deploy().status is Status.ROLLED_BACK
    host.machine.push("ghcr.io/acme/web:latest", "v3")
    assert host.deploy().status is Status.SUCCEEDED
    host.built.outbox.turn()
    assert host.channel.events == ["rolled_back", "recovered"]
    with host.built.engine.store.read() as cx:
        assert len(outbox.recent(cx)) == 2
        assert outbox.incidents(cx) == []
