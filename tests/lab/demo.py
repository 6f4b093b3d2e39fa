"""The whole story on a real host: a good push goes live by itself, a broken one is taken back by itself.

Runs inside the lab as its user: `scripts/lab demo`. With --once it ends after the story; it fails when that
was not as told. Otherwise the daemon and its pages stay until Ctrl-C.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from host.containers import free_port
from labkit.commands import eventually
from labkit.daemon import BUILT, SECRET, TOKEN, Daemon
from labkit.images import Build, push
from labkit.registries import lab_registry
from labkit.services import Service, served_version, start, wait_for_version, write_unit
from labkit.webhooks import deliver, package_event, send


def main(arguments: list[str]) -> int:
    if not BUILT.exists():
        print(f"scripts/lab demo: {BUILT} is missing; python3 build_zipapp.py makes it", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="podup-demo-") as directory:
        daemon = Daemon(Path(directory, "state"))
        web, worker = prepare_host(daemon)
        good_push(daemon, web)
        broken_push(daemon, web)
        say("The other service was left alone")
        show(worker)
        if "--once" not in arguments:
            stay_open(daemon)
        daemon.stop()
    return 0


def prepare_host(daemon: Daemon) -> tuple[Service, Service]:
    say("A host: rootless Podman, systemd --user, a registry; two services at v1")
    services = []
    for name in ("web", "worker"):
        service = Service(name, f"{lab_registry()}/acme/{name}:latest", free_port())
        push(Build("v1"), service.image)
        write_unit(service)
        start(service, serves="v1")
        show(service)
        services.append(service)
    say("pod-upgrade-trigger starts")
    daemon.install()
    daemon.start()
    daemon.look_again()
    follow(daemon, "services")
    return services[0], services[1]


def good_push(daemon: Daemon, web: Service) -> None:
    say(f"v2 is pushed to {web.image}, and GitHub's signed webhook arrives")
    task_id = push_and_tell(daemon, web, Build("v2"))
    follow(daemon, "tasks", "follow", task_id)
    wait_for_version(web, "v2")
    show(web)


def broken_push(daemon: Daemon, web: Service) -> None:
    say("v3 is pushed; its program exits at once")
    task_id = push_and_tell(daemon, web, Build("v3", "exits"))
    follow(daemon, "tasks", "follow", task_id)
    status = daemon.wait_for_task(task_id)["status"]
    if status != "rolled_back":
        raise AssertionError(f"the broken push ended as {status}, not as rolled_back")
    wait_for_version(web, "v2")
    show(web)


def push_and_tell(daemon: Daemon, service: Service, build: Build) -> str:
    """Push the build, send the webhook GitHub would send, and return the id of the task it led to."""
    digest = push(build, service.image)
    answer = send(daemon.url, deliver(service.unit, package_event(service.image, digest), SECRET))
    print(f"webhook answered {answer.status}")
    if answer.status != 202:
        raise AssertionError(f"the webhook was answered {answer.status}: {answer.body}")
    return str(eventually("the delivery has its task", lambda: daemon.newest_task(service.unit)))


def follow(daemon: Daemon, *command: str) -> None:
    print(f"$ pod-upgrade-trigger {' '.join(command)}", flush=True)
    subprocess.run([str(daemon.program), *command], env=daemon.shell(), stdin=subprocess.DEVNULL, timeout=120)


def show(service: Service) -> None:
    print(f"$ curl {service.url}\n{served_version(service)}", flush=True)


def say(what: str) -> None:
    bold, plain = ("\033[1m", "\033[0m") if sys.stdout.isatty() else ("", "")
    print(f"\n{bold}== {what}{plain}", flush=True)


def stay_open(daemon: Daemon) -> None:
    say("Over. It stays as it is until Ctrl-C")
    print(f"pages      {daemon.url}/\ntoken      {TOKEN}", flush=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        signal.pause()
    except KeyboardInterrupt:
        print()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
