"""How the queries and actions about services are answered on a machine: one row each."""

from collections.abc import Callable

from podup.engine.run import Postponed
from podup.engine.world import World
from podup.errors import EXIT_BUSY, PodupError
from podup.host.discovery import Discovery
from podup.host.journal import Journal
from podup.host.podman import Podman
from podup.host.probe import Prober
from podup.host.run import Command, Runner
from podup.host.systemd import Systemd
from podup.recipes import actions, facts
from podup.recipes.health_checks import HealthCheckNow
from podup.recipes.policy import Policy, PolicyOf
from podup.records import dataclass

_HOOK_POSTPONES_S = 300


@dataclass(frozen=True, slots=True)
class ServiceHost:
    """The parts of the machine that services are made of.

    `resolve` and `tags` ask the registry; `hear` is told what long work says of its progress.
    """

    runner: Runner
    podman: Podman
    systemd: Systemd
    journal: Journal
    discovery: Discovery
    prober: Prober
    resolve: Callable[[str], facts.RemoteImage]
    tags: Callable[[str], tuple[str, ...]]
    policy: Policy
    hear: Callable[[str], None]


def service_world(host: ServiceHost) -> World:
    """Return the rows of both tables for services."""
    podman, systemd = host.podman, host.systemd
    return World(
        observers={
            PolicyOf: lambda query: host.policy,
            facts.UnitStateOf: lambda query: systemd.show(query.unit)[0],
            facts.UnitConfigOf: lambda query: host.discovery.config_of(query.unit),
            facts.ContainerOf: lambda query: host.discovery.container_of(query.unit),
            facts.ImageAt: lambda query: podman.image(query.ref),
            facts.ImagesOf: lambda query: podman.images_of(query.repositories),
            facts.RemoteImageOf: lambda query: host.resolve(query.ref),
            facts.RemoteTagsOf: lambda query: host.tags(query.ref),
            facts.Dependants: lambda query: systemd.dependants(query.unit),
            facts.DiskRoom: lambda query: podman.disk("" if query.what == "images" else query.what),
            facts.ProbeResult: lambda query: host.prober.probe(query.spec, timeout_s=query.timeout_s),
            HealthCheckNow: lambda query: podman.check_health(query.container),
            facts.Diagnostics: lambda query: _diagnose(host, query),
            facts.AutoUpdateOutlook: lambda query: podman.auto_update_outlook(),
        },
        performers={
            actions.PullImage: lambda action: podman.pull(
                action.ref, timeout_s=action.timeout_s, on_line=host.hear
            ),
            actions.TagImage: lambda action: podman.tag(action.source, action.name),
            actions.UntagImage: lambda action: podman.untag(action.name),
            actions.RemoveImage: lambda action: podman.remove_image(action.image_id),
            actions.RestartUnit: lambda action: systemd.restart(action.unit, timeout_s=action.timeout_s),
            actions.StartUnit: lambda action: systemd.start(
                action.unit, wait=action.wait, timeout_s=action.timeout_s
            ),
            actions.StopUnit: lambda action: systemd.stop(action.unit, timeout_s=action.timeout_s),
            actions.ResetFailed: lambda action: systemd.reset_failed(action.unit),
            actions.RunHook: lambda action: _hook(host.runner, action),
        },
    )


def _hook(runner: Runner, action: actions.RunHook) -> None:
    hook = Command(action.argv, mutates=True, timeout_s=action.timeout_s, env=dict(action.environment))
    done = runner.run(hook)
    if done.exit == EXIT_BUSY:
        raise Postponed(
            "postponed", f"the hook {action.argv[0]} asks for later", retry_after_s=_HOOK_POSTPONES_S
        )
    done.check("hook-failed", f"the hook {action.argv[0]} failed")


def _diagnose(host: ServiceHost, query: facts.Diagnostics) -> facts.DiagnosticReport:
    """Read all there is; that the container has no log any more is no reason not to show the rest."""
    status = host.systemd.status(query.unit)
    journal = host.journal.tail(query.unit, lines=query.lines)
    try:
        container = host.discovery.container_of(query.unit)
        log = host.podman.logs(container.name, lines=query.lines) if container is not None else ""
    except PodupError as error:
        log = f"no container log: {error.message}"
    return facts.DiagnosticReport(status, journal, log)
