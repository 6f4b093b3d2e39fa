"""`demo`: the whole program on a simulated host, for trying it anywhere without podman and systemd.

The daemon, its database and its task processes are the real ones; only the machine they manage is a file.
It listens on loopback, lets everybody who reaches it be an administrator, and leaves nothing behind.
"""

import json
import os
import signal
import threading
import traceback
from collections.abc import Callable
from pathlib import Path

from podup.app import daemon
from podup.app.api import api_of
from podup.app.machine import Ground
from podup.app.places import control_socket
from podup.cli.calls import Api
from podup.clock import Clock
from podup.core.secrets import Secret
from podup.core.signatures import sign
from podup.core.units import slug
from podup.errors import Invalid, PodupError, Unavailable
from podup.files import make_dirs, remove_tree
from podup.host.simulator.scenes import set_up_demo
from podup.host.simulator.simulator import Simulator
from podup.host.task_process import ChildTasks
from podup.log import say
from podup.net.control import DAEMON_AWAY, is_answering
from podup.net.http import Http
from podup.settings.environment import Environment
from podup.settings.load import Loaded, load
from podup.update import boot
from podup.update.checkout import places_of

_READY_WITHIN_S = 30.0
_LOOK_EVERY_S = 0.1
_LONGEST_TMPDIR = 30
_LOOPBACK = ("127.0.0.1:", "localhost:", "[::1]:")

Story = Callable[["Stage"], None]


class Stage:
    """What a story is told on: the simulated host, and the daemon that looks after it."""

    def __init__(self, loaded: Loaded, simulator: Simulator, clock: Clock) -> None:
        self._loaded = loaded
        self._simulator = simulator
        self._clock = clock
        self._secret = loaded.settings.access.webhook_secrets[0]

    @property
    def url(self) -> str:
        """Where the daemon listens."""
        return boot.read_listening(places_of(self._loaded)).url

    @property
    def shell(self) -> str:
        """What a shell sets so that commands meet this daemon, and not one of the user's own."""
        state_dir = self._loaded.settings.state.directory
        return f"PODUP_STATE_DIR={state_dir} XDG_RUNTIME_DIR={state_dir.parent}"

    @property
    def api(self) -> Api:
        """The daemon's API."""
        return api_of(self._loaded, self._clock)

    def wait_until_ready(self) -> None:
        """Wait for the daemon. Raises Unavailable when it does not answer in time."""
        deadline_s = self._clock.monotonic() + _READY_WITHIN_S
        while not is_answering(control_socket(self._loaded)):
            if self._clock.monotonic() > deadline_s:
                raise Unavailable("not-ready", "the daemon of the demo does not answer")
            self._clock.sleep(_LOOK_EVERY_S)
        self.api.call("GET", "/api/manual/services", query={"refresh": "1"})

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self._clock.sleep(seconds)

    def push(self, unit: str, image: str, version: str, behaviour: str) -> str:
        """Push a version to the simulated registry, send the signed webhook, and return the task's id."""
        digest = self._simulator.push(image, version, behaviour).digest
        name, _, tag = image.rpartition(":")
        body = json.dumps({"image": name, "tag": tag, "digest": digest}).encode()
        headers = {"Content-Type": "application/json", "X-Podup-Signature-256": sign(body, self._secret)}
        url = f"{self.url}/github-package-update/{slug(unit)}"
        answer = Http(self._clock).fetch("POST", url, headers=headers, body=body)
        told = json.loads(answer.body)
        if "task_id" not in told:
            raise PodupError("not-accepted", f"the webhook was answered {answer.status}: {told}")
        return str(told["task_id"])


def run(environment: Environment, clock: Clock, *, address: str, story: Story) -> int:
    """Serve the demo while `story` is told, then end; return the exit code. Raises Invalid off loopback."""
    if not address.startswith(_LOOPBACK):
        raise Invalid("not-loopback", f"{address} is not on loopback", "the demo lets everybody in")
    place = _temporary(environment) / f"podup-demo-{os.urandom(6).hex()}"
    make_dirs(place)
    loaded = load(_environment(environment, place), config_text="", shared_state=place / "srv")
    processes = ChildTasks(loaded.environment.for_children)
    try:
        simulator = Simulator(clock, path=place / "machine.json")
        ground = Ground(simulator, processes)
        set_up_demo(simulator)
        teller = _Teller(story, Stage(loaded, simulator, clock))
        teller.start()
        code = daemon.serve(loaded, clock, address=address, ground=ground)
        return teller.code or code
    finally:
        processes.stop_all()
        remove_tree(place)


class _Teller:
    """Tells the story in a thread of its own and ends the daemon after it."""

    def __init__(self, story: Story, stage: Stage) -> None:
        self._story = story
        self._stage = stage
        self.code = 0

    def start(self) -> None:
        threading.Thread(target=self._tell, name="story", daemon=True).start()

    def _tell(self) -> None:
        try:
            self._stage.wait_until_ready()
            self._story(self._stage)
        except PodupError as error:
            if error.code == DAEMON_AWAY:
                return  # somebody ended it, and the demo with it
            self.code = error.exit_code
            say(f"the demo ends: {error.message}")
        except (OSError, KeyError, ValueError):
            self.code = 1
            say(traceback.format_exc())
        main = threading.main_thread().ident
        if main is not None:
            signal.pthread_kill(main, signal.SIGTERM)


def _temporary(environment: Environment) -> Path:
    """Return where temporary files go: $TMPDIR, unless its name is too long for a socket below it."""
    given = environment.get("TMPDIR")
    return Path(given) if given.startswith("/") and len(given) <= _LONGEST_TMPDIR else Path("/tmp")


def _environment(environment: Environment, place: Path) -> Environment:
    """Return settings of the demo's own: nothing of this machine's installation is read."""
    variables = {
        "PATH": environment.get("PATH"),
        "XDG_RUNTIME_DIR": str(place),
        "PODUP_STATE_DIR": str(place / "state"),
        "PODUP_GH_WEBHOOK_SECRET": Secret(os.urandom(16).hex()).reveal(),
        "PODUP_DEV_OPEN_ADMIN": "1",
        "PODUP_VERIFY_TIMEOUT_SECS": "10",
        "PODUP_VERIFY_SETTLE_SECS": "2",
        "PODUP_SCHEDULER_MODE": "services",
    }
    return Environment(variables, place, environment.uid)
