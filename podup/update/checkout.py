"""The checkout layer 1 runs from (source `git`): its files are changed by layer 1's script, never here.

A commit is a build whose version carries it (`1.2.3+gabcdef012345`) and whose digest it is. The script that
works, and the code recovery runs from, are those of the good copy: the code as it was before the update.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from podup.core.versions import tag_of
from podup.errors import PodupError
from podup.host.run import Command, Completed, Runner
from podup.late import late
from podup.settings.environment import Environment
from podup.settings.load import Loaded
from podup.update.journal import Build
from podup.update.places import Places, behind

if TYPE_CHECKING:
    from podup.core import pip_words
    from podup.core.host_faults import Problem
else:
    pip_words = late("podup.core.pip_words")

SOURCE = "UPDATE_SOURCE"
GIT = "git"
DEFAULT_CODE = Path("/app")
VARIABLES = (SOURCE, "CODE_DIR", "UPDATE_REMOTE", "UPDATE_BRANCH", "PYTHON", "PYTHONPATH", "REQUIREMENTS")
_OF_THEIRS = ("GIT_", "PIP_", "SSH_AUTH_SOCK")  # settings of git and pip: an index, a key
_LOOK_S = 30.0
_FETCH_S = 600.0
_PIP_S = 3600.0
_SHORT = 12


def is_source(environment: Environment) -> bool:
    """Return whether the program is updated from a checkout."""
    return environment.get(SOURCE) == GIT


def code_dir(environment: Environment) -> Path:
    """Return where the checkout is."""
    return Path(environment.get("CODE_DIR") or DEFAULT_CODE)


def places_of(loaded: Loaded) -> Places:
    """Return where things are, or would be: nothing need be installed."""
    settings = loaded.settings
    is_checkout = is_source(loaded.environment)
    code = code_dir(loaded.environment) if is_checkout else settings.updates.target
    state = settings.state
    return Places(state.directory, behind(code), state.database, settings.updates.report_dir, is_checkout)


def asked_for(environment: Environment, text: str) -> str:
    """Return what somebody named as a release's tag; of a checkout anything git knows. Raises Invalid."""
    return text if is_source(environment) else tag_of(text)


def variables(environment: Environment) -> dict[str, str]:
    """Return what layer 1's script is to be given besides what every child gets."""
    names = (*VARIABLES, *(name for name in environment.variables if name.startswith(_OF_THEIRS)))
    return {name: environment.get(name) for name in names if environment.get(name)}


class ScriptedCheckout:
    """Meets `Checkout` by calling `entrypoint.sh code ...`. What git said is in the PodupError."""

    def __init__(self, runner: Runner, places: Places, given: Mapping[str, str]) -> None:
        self._runner = runner
        self._places = places
        self._env = {**given, "PODUP_STATE_DIR": str(places.state)}

    def head(self) -> Build:
        return _build(self._do("head", timeout_s=_LOOK_S, mutates=False).stdout)

    def fetch(self, wanted: str) -> Build:
        return _build(self._do("fetch", *((wanted,) if wanted else ()), timeout_s=_FETCH_S).stdout)

    def lay_out(self, commit: Build, directory: Path) -> "Problem | None":
        self._do("lay-out", commit.sha256, str(directory), timeout_s=_FETCH_S)
        done = self._run("lay-packages", str(directory), timeout_s=_PIP_S)
        return None if done.ok else pip_words.read(done.stderr)

    def keep(self) -> Path:
        self._do("keep", timeout_s=_FETCH_S, script=self._places.target)
        return self._places.good_code

    def back_up(self, stamp: int) -> None:
        self._do("backup", str(stamp), timeout_s=_FETCH_S)

    def switch(self, after: Build) -> None:
        self._do("switch", after.sha256, timeout_s=_PIP_S)

    def restore(self, before: Build, after: Build, stamp: int) -> None:
        self._do("restore", before.sha256, after.sha256 or before.sha256, str(stamp), timeout_s=_PIP_S)

    def _do(
        self, verb: str, *words: str, timeout_s: float, mutates: bool = True, script: Path | None = None
    ) -> Completed:
        done = self._run(verb, *words, timeout_s=timeout_s, mutates=mutates, script=script)
        return done.check(f"code-{verb}-failed", f"the checkout {self._places.target}, {verb}")

    def _run(
        self, verb: str, *words: str, timeout_s: float, mutates: bool = True, script: Path | None = None
    ) -> Completed:
        good = self._places.good_code
        root = script or (good if good.is_dir() else self._places.target)
        argv = ("sh", str(root / "scripts/entrypoint.sh"), "code", verb, *words)
        return self._runner.run(Command(argv, mutates=mutates, timeout_s=timeout_s, env=self._env))


def _build(line: str) -> Build:
    commit, _, version = line.strip().partition(" ")
    if not commit or not version:
        raise PodupError("not-a-checkout", "the code does not say its commit and version")
    return Build(f"{version}+g{commit[:_SHORT]}", commit)
