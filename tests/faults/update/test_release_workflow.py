"""The workflows' own words, run here: what a tag does, in order, in a fresh clone, with a simulated `gh`.

Not run: what `uses:` names, installing tools, and the test suites themselves.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[3]
WORKFLOWS = ROOT / ".github/workflows"
NAME = "pod-upgrade-trigger.pyz"
BEFORE, TAG = "0.0.9", "v99.1.0"
GH = """#!/bin/sh
# gh(1), as far as the workflow uses it: `release download` gives the release before, `release create` keeps.
printf '%s\\n' "$*" >>"$GH_PLACE/calls"
[ -n "$GH_TOKEN" ] || { echo "gh: no token" >&2; exit 4; }
case "$1 $2" in
    "release download")
        [ -d "$GH_PLACE/before" ] || { echo "release not found" >&2; exit 1; }
        while [ "$1" != --dir ]; do shift; done
        cp "$GH_PLACE"/before/* "$2" ;;
    "release create")
        mkdir "$GH_PLACE/published"
        for file; do case $file in dist/*) cp "$file" "$GH_PLACE/published" || exit 1 ;; esac; done ;;
    *) echo "gh: unknown command $*" >&2; exit 1 ;;
esac
"""


def steps(workflow: str, job: str) -> dict[str, str]:
    """Return the scripts of a job's steps by name (unnamed: by their first line), in order."""
    text = (WORKFLOWS / workflow).read_text()
    body = re.search(rf"^  {job}:\n((?:    .*\n|\n)+)", text, re.MULTILINE)
    assert body, f"{workflow} has no job {job}"
    found: dict[str, str] = {}
    for step in re.split(r"^      - ", body[1], flags=re.MULTILINE)[1:]:
        fields = re.sub(r"^        ", "", step, flags=re.MULTILINE)
        block = re.search(r"^run: (?:\|\n((?:  .*\n|\n)+)|(.*)\n?)", fields, re.MULTILINE)
        if block:
            script = re.sub(r"^  ", "", block[1], flags=re.MULTILINE) if block[1] else block[2] + "\n"
            name = re.search(r"^name: (.*)$", fields, re.MULTILINE)
            found[name[1] if name else script.splitlines()[0]] = script
    return found


class Runner:
    """A machine of the service: a fresh clone, its own temporary directory, one environment."""

    def __init__(self, root: Path) -> None:
        self.clone, self.place = root / "clone", root / "gh"
        for directory in (root / "bin", root / "temp", self.place):
            directory.mkdir()
        (root / "bin/gh").write_text(GH)
        (root / "bin/gh").chmod(0o755)
        (root / "bin/python").symlink_to(sys.executable)
        self.environment = {
            "PATH": f"{root / 'bin'}:{os.environ['PATH']}",
            "HOME": str(root),
            "RUNNER_TEMP": str(root / "temp"),
            "GITHUB_REF_NAME": TAG,
            "GITHUB_REPOSITORY": "acme/pod-upgrade-trigger",
            "GH_PLACE": str(self.place),
            "ASSET": NAME,
        }

    def run(self, script: str, **more: str) -> str:
        """Run a step as GitHub does: bash -e; values of ${{ }} are given as variables."""
        assert "${{" not in script, "an expression in a script is an injection waiting to happen"
        argv = ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", script]
        how = {"cwd": self.clone, "env": {**self.environment, **more}}
        done = subprocess.run(argv, **how, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr


@pytest.fixture(scope="module")
def runner(tmp_path_factory):
    """A clone of what stands here, committed or not."""
    found = Runner(tmp_path_factory.mktemp("runner"))
    ignored = shutil.ignore_patterns(".git", "dist", "__pycache__", ".?*_cache", "bench")
    shutil.copytree(ROOT, found.clone, ignore=ignored)
    author = "-c user.name=t -c user.email=t@example.org -c init.defaultBranch=main"
    found.run(f"git init -q . && git {author} add -A && git {author} commit -qm all && git tag {TAG}")
    before = found.place / "before"
    found.run(f"python build_zipapp.py --version {BEFORE} --output {before} >/dev/null")
    return found


def test_a_tag_becomes_a_release(runner, tmp_path):
    publish = steps("release.yml", "publish")
    names = ["Build twice and compare", "Rehearse the update from the release before", "Sign", "Publish"]
    assert list(publish) == names
    assert "99.1.0" in runner.run(publish[names[0]])
    said = runner.run(publish[names[1]], GH_TOKEN="token")
    assert f"{BEFORE} -> 99.1.0 -> {BEFORE}: well" in said
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "release", "-f", key], check=True)
    runner.run(publish[names[2]], KEY=key.read_text())
    runner.run(publish[names[3]], GH_TOKEN="token")
    published = runner.place / "published"
    assert sorted(path.name for path in published.iterdir()) == [NAME, f"{NAME}.sha256", f"{NAME}.sig"]
    call = (runner.place / "calls").read_text().splitlines()[-1]
    assert call.startswith(f"release create {TAG} --latest --verify-tag")
    signers = tmp_path / "allowed_signers"
    signers.write_text(f"release {key.with_suffix('.pub').read_text()}")
    about = ["-f", str(signers), "-I", "release", "-n", "file", "-s", str(published / f"{NAME}.sig")]
    with (published / NAME).open("rb") as program:
        subprocess.run(["ssh-keygen", "-Y", "verify", *about], stdin=program, check=True, capture_output=True)
    subprocess.run(["sha256sum", "-c", f"{NAME}.sha256"], cwd=published, check=True, capture_output=True)
    assert not (Path(runner.environment["RUNNER_TEMP"]) / "key").exists(), "the key is left nowhere"


def test_without_a_key_and_a_release_before(runner):
    publish = steps("release.yml", "publish")
    shutil.rmtree(runner.clone / "before", ignore_errors=True)
    (runner.place / "before").rename(runner.place / "away")
    try:
        said = runner.run(publish["Rehearse the update from the release before"], GH_TOKEN="token")
        assert "there is no release before this one" in said
    finally:
        (runner.place / "away").rename(runner.place / "before")
    assert "no signature" in runner.run(publish["Sign"], KEY="")


def test_a_broken_build_is_not_published(runner, tmp_path):
    """The rehearsal fails for a build that cannot start, and its step with it."""
    broken = tmp_path / NAME
    shutil.copy(runner.place / "before" / NAME, broken)
    with broken.open("r+b") as file:
        file.seek(-200, os.SEEK_END)
        file.write(b"\0" * 100)
    argv = [runner.clone / "scripts/rehearse-update.sh", runner.place / "before" / NAME, broken]
    assert subprocess.run(argv, capture_output=True, timeout=60, check=False).returncode != 0


def test_two_builds_are_one_as_ci_says(runner):
    runner.run(steps("ci.yml", "build")["Two builds are one"].replace("/tmp/two", "$RUNNER_TEMP/two"))


def test_every_step_calls_what_is_there():
    scripts = [
        script
        for workflow, job in (("ci.yml", "unit"), ("ci.yml", "everything"), ("release.yml", "test"))
        for script in steps(workflow, job).values()
    ]
    ours = re.compile(r"(?<![\w/.])(?:scripts|\.ci)/[\w.-]+")
    called = {word for script in scripts for word in ours.findall(script)}
    assert called == {"scripts/test", ".ci/run"}
    assert all(os.access(ROOT / word, os.X_OK) for word in called)


def test_the_workflows_are_yaml():
    yaml = pytest.importorskip("yaml", reason="no YAML parser here (podman-compose brings one)")
    for path in WORKFLOWS.iterdir():
        whole = yaml.safe_load(path.read_text())
        for name, job in whole["jobs"].items():
            told = [step["run"] for step in job["steps"] if "run" in step]
            mine = list(steps(path.name, name).values())
            assert [text.strip() for text in told] == [text.strip() for text in mine], json.dumps(name)
            assert job["runs-on"] == "ubuntu-latest"
