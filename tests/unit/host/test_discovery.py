from pathlib import Path

import pytest

from podup.host.discovery import Discovery
from podup.host.podman import Podman
from podup.host.simulator.clock import ManualClock
from podup.host.simulator.parts import Fault, SimulatedUnit
from podup.host.simulator.simulator import Simulator
from podup.host.systemd import Systemd

HOME = "/home/podup/.config/systemd/user"
RUNS = """[Service]
Type=notify
ExecStart=/usr/bin/podman run --name {name} --label io.podup.probe=tcp://127.0.0.1:80 {options}{image}
"""
PULLING = "[Service]\nExecStartPre=/usr/bin/podman pull ghcr.io/acme/api:1\n"


def unit(name: str, text: str, *drop_ins: str, **more) -> SimulatedUnit:
    files = [(f"{HOME}/{name}", text)]
    files += [(f"{HOME}/{name}.d/{at}.conf", drop_in) for at, drop_in in enumerate(drop_ins)]
    return SimulatedUnit(name, kind=more.pop("kind", "service"), files=tuple(files), **more)


def runs(name: str, image: str, options: str = "") -> str:
    return RUNS.format(name=name, image=image, options=options)


@pytest.fixture
def machine() -> Simulator:
    return Simulator(ManualClock())


def discovery(machine: Simulator, **given) -> Discovery:
    return Discovery(Systemd(machine), Podman(machine), **given)


def test_a_unit_that_runs_podman_says_what_it_runs(machine: Simulator) -> None:
    machine.add(unit("web.service", runs("web", "ghcr.io/acme/web:1", "--pull=always ")))
    config = discovery(machine).config_of("web.service")
    assert (config.source, config.image, config.container_name) == ("podman-run", "ghcr.io/acme/web:1", "web")
    assert (config.pull_policy, config.pulls_at_start, config.pinned) == ("always", True, False)
    assert config.probe == "tcp://127.0.0.1:80"
    assert config.path == f"{HOME}/web.service"


def test_drop_ins_count(machine: Simulator) -> None:
    changed = "[Service]\nExecStart=\n" + runs("web", "ghcr.io/acme/web@sha256:" + "a" * 64)
    machine.add(unit("web.service", runs("web", "ghcr.io/acme/web:1"), changed))
    assert discovery(machine).config_of("web.service").pinned
    machine.add(unit("api.service", runs("api", "ghcr.io/acme/api:1"), PULLING))
    assert discovery(machine).config_of("api.service").pulls_at_start


def test_an_environment_file_may_hold_the_tag(machine: Simulator, tmp_path: Path) -> None:
    (tmp_path / "web.env").write_text("# versions\nTAG='1.2'\nPASSWORD=x\n")
    text = f"[Service]\nEnvironmentFile={tmp_path}/web.env\n" + runs("web", "ghcr.io/acme/web:${TAG}")
    machine.add(unit("web.service", text))
    assert discovery(machine).config_of("web.service").image == "ghcr.io/acme/web:1.2"


def test_a_quadlet_file_with_drop_ins_tells_more_than_the_unit_made_of_it(
    machine: Simulator, tmp_path: Path
) -> None:
    text = "[Container]\nImage=ghcr.io/acme/web:1\nLabel=io.podup.probe=tcp://h:1\n"
    (tmp_path / "web.container").write_text(text)
    (tmp_path / "web.container.d").mkdir()
    newer = "[Container]\nImage=ghcr.io/acme/web:2\nPull=newer\n"
    (tmp_path / "web.container.d/10-next.conf").write_text(newer)
    machine.add(unit("web.service", runs("systemd-web", "ghcr.io/acme/web:1"), file_state="generated"))
    config = discovery(machine, container_dir=tmp_path).config_of("web.service")
    assert (config.source, config.image) == ("quadlet", "ghcr.io/acme/web:2")
    assert config.container_name == "systemd-web"
    assert (config.pull_policy, config.pulls_at_start, config.probe) == ("newer", True, "tcp://h:1")
    assert config.path == str(tmp_path / "web.container")


def test_a_quadlet_file_is_found_through_the_unit_made_of_it(machine: Simulator, tmp_path: Path) -> None:
    (tmp_path / "web.container").write_text("[Container]\nImage=web.image\nAutoUpdate=registry\n")
    (tmp_path / "web.image").write_text("[Image]\nImage=ghcr.io/acme/web:3\n")
    source = f"[Unit]\nSourcePath={tmp_path}/web.container\n"
    machine.add(unit("web.service", source + runs("systemd-web", "ghcr.io/acme/web:1")))
    config = discovery(machine).config_of("web.service")
    assert (config.source, config.image, config.auto_update) == ("quadlet", "ghcr.io/acme/web:3", "registry")


def test_an_image_built_here_is_none_to_deploy(machine: Simulator, tmp_path: Path) -> None:
    (tmp_path / "web.container").write_text("[Container]\nImage=web.build\n")
    machine.add(unit("web.service", runs("systemd-web", "localhost/web:latest")))
    assert discovery(machine, container_dir=tmp_path).config_of("web.service").image == ""


def test_where_no_file_tells_the_container_does(machine: Simulator) -> None:
    script = "[Service]\nExecStart=/home/podup/start-web\n"
    machine.add(unit("web.service", script, kind="container", image="ghcr.io/acme/web:1"))
    machine.push("ghcr.io/acme/web:1", "v1")
    assert discovery(machine).config_of("web.service").image == ""
    Systemd(machine).start("web.service")
    config = discovery(machine).config_of("web.service")
    assert (config.source, config.image) == ("unknown", "ghcr.io/acme/web:1")


@pytest.mark.parametrize(
    ("written", "running", "means"),
    [
        ("acme/web", "quay.io/acme/web:latest", "quay.io/acme/web:latest"),
        ("web:1", "quay.io/team/web:1", "quay.io/team/web:1"),
        ("web:2", "quay.io/team/web:1", "web:2"),
        ("b/web:1", "quay.io/ab/web:1", "b/web:1"),
        ("ghcr.io/acme/web", "quay.io/acme/web:latest", "ghcr.io/acme/web"),
    ],
)
def test_a_short_name_is_what_podman_made_of_it(
    machine: Simulator, written: str, running: str, means: str
) -> None:
    machine.add(unit("web.service", runs("web", written), kind="container", image=running))
    machine.push(running, "v1")
    assert discovery(machine).config_of("web.service").image == written
    Systemd(machine).start("web.service")
    assert discovery(machine).config_of("web.service").image == means
    assert [one.image for one in discovery(machine).discover().services] == [means]


def test_a_unit_nobody_knows_is_unknown(machine: Simulator) -> None:
    config = discovery(machine).config_of("none.service")
    assert (config.source, config.image, config.path) == ("unknown", "", "")


def test_services_come_from_four_sources(machine: Simulator, tmp_path: Path) -> None:
    (tmp_path / "quad.container").write_text("[Container]\nImage=ghcr.io/acme/quad:1\n")
    (tmp_path / "many@.container").write_text("[Container]\nImage=ghcr.io/acme/many:1\n")
    (tmp_path / "app.pod").write_text("[Pod]\n")
    script = "[Service]\nExecStart=/home/podup/start\n"
    machine.add(
        unit("quad.service", runs("systemd-quad", "ghcr.io/acme/quad:1"), file_state="generated"),
        unit("web.service", runs("web", "ghcr.io/acme/web:1")),
        unit("old.service", "[Service]\nExecStart=/usr/bin/podman start old\n"),
        unit("many@.service", runs("many", "ghcr.io/acme/many:1")),
        unit("many@a.service", runs("many-a", "ghcr.io/acme/many:1")),
        unit("dbus.service", "[Service]\nExecStart=/usr/bin/dbus-daemon\n"),
        unit("away.service", runs("away", "ghcr.io/acme/away:1"), file_state="masked"),
        unit("wrapped.service", script, kind="container", image="ghcr.io/acme/wrapped:1"),
        unit("manual.service", script),
    )
    machine.push("ghcr.io/acme/wrapped:1", "v1")
    Systemd(machine).start("wrapped.service")
    found = discovery(machine, container_dir=tmp_path, units=("manual", "gone", "-bad")).discover()
    assert found.unseen == ()
    assert [(one.unit, one.source, one.kind, one.image) for one in found.services] == [
        ("app-pod.service", "quadlet", "pod", ""),
        ("gone.service", "manual", "unknown", ""),
        ("manual.service", "manual", "unknown", ""),
        ("many@a.service", "systemd", "podman-run", "ghcr.io/acme/many:1"),
        ("old.service", "systemd", "podman-start", ""),
        ("quad.service", "quadlet", "quadlet", "ghcr.io/acme/quad:1"),
        ("web.service", "systemd", "podman-run", "ghcr.io/acme/web:1"),
        ("wrapped.service", "podman", "unknown", "ghcr.io/acme/wrapped:1"),
    ]


@pytest.mark.parametrize(
    ("broken", "unseen", "left"),
    [
        ("podman ps", "podman", ["quad.service", "web.service"]),
        ("systemctl --user list-unit-files", "systemd", ["quad.service"]),
    ],
)
def test_what_one_source_cannot_tell_does_not_hide_the_rest(
    machine: Simulator, tmp_path: Path, broken: str, unseen: str, left: list[str]
) -> None:
    (tmp_path / "quad.container").write_text("[Container]\nImage=ghcr.io/acme/quad:1\n")
    machine.add(unit("web.service", runs("web", "ghcr.io/acme/web:1")))
    machine.fault(Fault(broken, stderr="Error: database is locked"))
    found = discovery(machine, container_dir=tmp_path).discover()
    assert [one.unit for one in found.services] == left
    assert found.unseen == (unseen,)


def test_a_container_without_the_label_is_found_by_its_name(machine: Simulator) -> None:
    machine.add(
        unit("web.service", runs("web", "ghcr.io/acme/web:1")),
        unit("other.service", "", kind="container", container="web", image="ghcr.io/acme/web:1"),
    )
    machine.push("ghcr.io/acme/web:1", "v1")
    assert discovery(machine).container_of("web.service") is None
    Systemd(machine).start("other.service")
    found = discovery(machine).container_of("web.service")
    assert found is not None
    assert found.name == "web"


def test_a_unit_that_starts_all_containers_is_no_service_of_its_own(machine: Simulator) -> None:
    text = "[Service]\nExecStart=/usr/bin/podman $LOGGING start --all --filter restart-policy=always\n"
    old = "[Service]\nExecStart=/usr/bin/podman start old\n"
    machine.add(unit("podman-restart.service", text), unit("old.service", old))
    assert [one.unit for one in discovery(machine).discover().services] == ["old.service"]
