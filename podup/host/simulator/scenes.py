"""Units as people write them, and a small machine to show things on."""

from podup.core.unit_files import AUTO_UPDATE_LABEL
from podup.host.run import Command
from podup.host.simulator.parts import SimulatedUnit
from podup.host.simulator.simulator import Simulator
from podup.recipes.facts import PROBE_LABEL

UNIT_DIRECTORY = "/home/podup/.config/systemd/user"
AUTO_UPDATE_UNIT = "podman-auto-update.service"
_TEXT = """[Unit]
Description=The {name} container
{needs}
[Service]
Environment=PODMAN_SYSTEMD_UNIT=%n
Type=notify
Restart={restart}
ExecStart=/usr/bin/podman run --cidfile=%t/%n.ctr-id --replace --rm -d --sdnotify={notify} \\
  --name {name} {options}{image}
ExecStop=/usr/bin/podman stop --ignore --cidfile=%t/%n.ctr-id

[Install]
WantedBy=default.target
"""


def container_unit(
    name: str,
    image: str,
    *,
    port: int = 0,
    probe: str = "",
    needs: tuple[str, ...] = (),
    traits: SimulatedUnit | None = None,
) -> SimulatedUnit:
    """Return a unit that runs `image`, with the files `podman generate systemd --new` would write.

    `probe` becomes its label, `needs` the units it Requires=; what else is unusual comes from `traits`.
    """
    like = traits or SimulatedUnit(name)
    labels = {AUTO_UPDATE_LABEL: "registry", **dict(like.labels)}
    if probe:
        labels[PROBE_LABEL] = probe
    options = [f"--label {key}={value}" for key, value in labels.items()]
    options += [f"--pull={like.pull}"] if like.pull != "missing" else []
    text = _TEXT.format(
        name=name,
        image=image,
        needs="".join(f"Requires={unit}\nAfter={unit}\n" for unit in needs),
        restart=like.restart,
        notify=like.notify,
        options="".join(f"{option} " for option in options),
    )
    return SimulatedUnit(
        f"{name}.service",
        image=image,
        container=name,
        labels=tuple(sorted(labels.items())),
        files=((f"{UNIT_DIRECTORY}/{name}.service", text),),
        notify=like.notify,
        pull=like.pull,
        port=port,
        requires=needs,
        restart=like.restart,
        burst=like.burst,
        start_s=like.start_s,
        start_timeout_s=like.start_timeout_s,
        stubborn=like.stubborn,
    )


def auto_update_unit() -> SimulatedUnit:
    """Return podman's own unit that updates what is labelled for it."""
    text = "[Service]\nType=oneshot\nExecStart=/usr/bin/podman auto-update\n"
    path = f"/usr/lib/systemd/user/{AUTO_UPDATE_UNIT}"
    return SimulatedUnit(AUTO_UPDATE_UNIT, kind="auto-update", restart="no", files=((path, text),))


def set_up_demo(simulator: Simulator) -> tuple[str, ...]:
    """Put a shop on the machine and start it; return its units. Nothing is done where it stands already.

    A proxy needs the web service, and every version `v1` is good: what is pushed next decides the story.
    """
    shop = (
        container_unit("web", "ghcr.io/acme/web:latest", port=8080, probe="http://127.0.0.1:8080/health"),
        container_unit("api", "ghcr.io/acme/api:latest", port=8081),
        container_unit("worker", "ghcr.io/acme/worker:stable"),
        container_unit("proxy", "docker.io/library/caddy:2", port=8443, needs=("web.service",)),
    )
    units = tuple(unit.name for unit in shop)
    with simulator.open() as machine:
        if machine.units:
            return units
    for unit in shop:
        simulator.push(unit.image, "v1", "healthy" if unit.name == "api.service" else "good")
    simulator.add(*shop, auto_update_unit())
    for unit in shop:
        simulator.run(Command(("systemctl", "--user", "start", "--", unit.name), mutates=True))
    return units
