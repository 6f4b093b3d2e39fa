"""Units that were stopped, have odd names, or never come to the end of their start."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from labkit.commands import eventually
from labkit.daemon import Daemon
from labkit.images import Build, push
from labkit.services import (
    Service,
    Variation,
    image_id,
    launch,
    served_version,
    systemctl,
    units_directory,
    wait_for_version,
    write_unit,
)

Make = Callable[..., Service]


def state_of(unit: str) -> str:
    return systemctl("show", "--value", "--property=ActiveState", unit)


def test_a_stopped_unit_with_an_escaped_name(daemon: Daemon, new_service: Make) -> None:
    web = new_service()
    unit = rf"{web.name}\x2dodd.service"
    file = units_directory() / unit
    file.write_text((units_directory() / web.unit).read_text())
    push(Build("v1"), web.image)
    systemctl("daemon-reload")
    systemctl("start", unit)
    wait_for_version(web, "v1")
    systemctl("stop", unit)
    good = image_id(web.image)
    daemon.look_again()

    push(Build("v2", "exits"), web.image)
    assert daemon.command("deploy", unit).returncode == 4
    assert (state_of(unit), image_id(web.image)) == ("inactive", good)
    assert daemon.command("deploy", unit).returncode == 3, "it is quarantined"
    push(Build("v3"), web.image)
    assert daemon.command("deploy", unit).returncode == 0
    wait_for_version(web, "v3")
    systemctl("stop", unit)
    file.unlink()


@pytest.mark.parametrize("daemon", [{"PODUP_VERIFY_TIMEOUT_SECS": "60"}], indirect=True)
def test_a_start_that_never_ends_is_ended_by_force(daemon: Daemon, new_service: Make) -> None:
    web = new_service()
    waits = f"until podman exec {web.name} grep -q v1 /www/version; do sleep 0.3; done"
    lines = ("[Service]", "TimeoutStartSec=infinity", f"ExecStartPost=/bin/sh -c '{waits}'")
    write_unit(web, Variation(unit_lines=lines))
    launch(web)
    daemon.look_again()
    push(Build("v2"), web.image)
    task_id = daemon.command("deploy", web.unit, "--no-wait").stdout.strip()
    eventually("the new image runs", lambda: served_version(web) == "v2")
    daemon.api(f"/api/tasks/{task_id}/force-stop", {})
    task = daemon.wait_for_task(task_id)
    assert task["status"] == "cancelled", task
    assert (state_of(web.unit), served_version(web)) == ("active", "v1")


@pytest.mark.parametrize("daemon", [{"PODUP_VERIFY_TIMEOUT_SECS": "3"}], indirect=True)
def test_an_old_version_that_stops_slowly_is_not_held_against_the_new_one(
    daemon: Daemon, new_service: Make
) -> None:
    web = new_service()
    write_unit(web, Variation(unit_lines=("[Service]", "ExecStop=/bin/sleep 8")))
    launch(web)
    daemon.look_again()
    push(Build("v2"), web.image)
    deployed = daemon.command("deploy", web.unit)
    assert deployed.returncode == 0, deployed.stdout + deployed.stderr
    wait_for_version(web, "v2")
