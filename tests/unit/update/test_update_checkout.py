"""What layer 1's script is given, and what is made of its answers; the script itself runs in tests/faults."""

from pathlib import Path

import pytest

from podup.core.host_faults import Blame
from podup.errors import PodupError
from podup.host.run import Completed
from podup.settings.environment import Environment
from podup.update.checkout import ScriptedCheckout, variables
from podup.update.journal import Build
from podup.update.places import Places

COMMIT = Build("1.1.0+gbbbbbbbbbbbb", "b" * 40)


class Script:
    """Answers each verb with an exit code and words on stderr."""

    def __init__(self, **answers: tuple[int, str]) -> None:
        self.answers, self.asked, self.env = answers, [], {}

    def run(self, command):
        words = command.argv[command.argv.index("code") + 1 :]
        self.asked.append(words)
        self.env = command.env
        exit_code, said = self.answers.get(words[0].replace("-", "_"), (0, ""))
        return Completed(command, exit_code, "", said, 1)


def checkout_of(root: Path, script: Script, **given: str) -> ScriptedCheckout:
    environment = Environment({"UPDATE_SOURCE": "git", **given}, root, 1000)
    places = Places(root / "state", root / "code", root / "state/x.db", root / "reports", True)
    return ScriptedCheckout(script, places, variables(environment))


def test_what_git_and_pip_are_set_to_is_given_to_them(tmp_path):
    script = Script()
    index = "https://index.example.org"
    given = {"PIP_INDEX_URL": index, "GIT_SSH_COMMAND": "ssh -i key", "PODUP_TOKEN": "t"}
    assert checkout_of(tmp_path, script, **given).lay_out(COMMIT, tmp_path / "new") is None
    new = str(tmp_path / "new")
    assert script.asked == [("lay-out", COMMIT.sha256, new), ("lay-packages", new)]
    assert script.env["PIP_INDEX_URL"] == index
    assert script.env["GIT_SSH_COMMAND"] == "ssh -i key"
    assert "PODUP_TOKEN" not in script.env


def test_packages_that_cannot_be_had_are_a_problem_and_git_that_fails_an_error(tmp_path):
    away = Script(lay_packages=(1, "ERROR: Read timed out."))
    assert checkout_of(tmp_path, away).lay_out(COMMIT, tmp_path / "new").blame is Blame.WORLD
    with pytest.raises(PodupError, match="no room"):
        checkout_of(tmp_path, Script(lay_out=(1, "no room"))).lay_out(COMMIT, tmp_path / "new")
