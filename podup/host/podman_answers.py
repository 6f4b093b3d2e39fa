"""What podman prints, read into facts: pure, and tolerant of what a release leaves out or adds.

The differences between releases that are met here: `State.Healthcheck` became `State.Health` in 4.0 and
may be absent since 5.0; `images` repeats an image once a name; an image's `Names` may hold digests; ids
come without `sha256:`.
"""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from podup.core.unit_files import UNIT_LABEL
from podup.errors import PodupError
from podup.host.run import Completed
from podup.patterns import regex
from podup.recipes.facts import AutoUpdateRow, ContainerState, LocalImage
from podup.recipes.health_checks import HealthCheck
from podup.records import dataclass

_HEALTH = ("starting", "healthy", "unhealthy")
_PULL_FAILURES = tuple(
    (code, regex(pattern))
    for code, pattern in (
        ("registry-unauthorized", r"unauthorized|forbidden|authentication required|\bdenied\b|bad username"),
        ("registry-rate-limited", r"toomanyrequests|too many requests"),
        ("disk-full", r"no space left|disk quota exceeded"),
        ("registry-unreachable", r"dial tcp|connection re|no such host|pinging container registry|\beof\b"),
        ("image-not-found", r"manifest unknown|name unknown|not found|does not exist"),
        ("registry-slow", r"timeout|deadline exceeded"),
    )
)
_NAMED = regex(r"docker://\S+|sha256:[0-9a-f]+")
_PULL_HINTS = {
    "registry-unauthorized": "Run `podman login` for this registry as the user podup runs as.",
    "registry-rate-limited": "Wait, or log in: registries allow more to those they know.",
    "disk-full": "Make room where podman keeps its images: `podman system df`.",
    "image-not-found": "Was the tag deleted, or does the name have a typing error?",
    "registry-slow": "The registry or the network is slow; the pull can be tried again.",
    "registry-unreachable": "Is the registry up, and can this machine reach it?",
}


@dataclass(frozen=True, slots=True)
class ListedContainer:
    """A container as `podman ps` lists it; `created_at` in Unix seconds, `unit` as its label says."""

    id: str
    name: str
    image_ref: str
    image_id: str
    status: str
    created_at: float
    is_infra: bool
    unit: str


def repository_of(name: str) -> str:
    """Return an image name without its tag and digest."""
    bare = name.partition("@")[0]
    head, slash, last = bare.rpartition("/")
    return f"{head}{slash}{last.partition(':')[0]}"


def parse(done: Completed) -> Any:
    """Return the JSON a command printed, None for nothing; raises PodupError `podman-answer`."""
    try:
        return json.loads(done.stdout or "null")
    except ValueError:
        raise PodupError("podman-answer", f"{' '.join(done.command.argv[:3])} did not print JSON") from None


def pull_error(ref: str, done: Completed) -> PodupError:
    """Return what a failed pull means; the codes are those of `podup.net.registry`."""
    lines = done.stderr.strip().splitlines() or [f"exit {done.exit}"]
    if done.timed_out:
        hint = _PULL_HINTS["registry-slow"]
        return PodupError("pull-timeout", f"{ref} was not fetched in time: {lines[-1]}", hint)
    said = _NAMED.sub("", lines[-1].replace(ref, "")).lower()
    code = next((code for code, pattern in _PULL_FAILURES if pattern.search(said)), "pull-failed")
    return PodupError(code, f"{ref} could not be fetched: {lines[-1]}", _PULL_HINTS.get(code, ""))


def sha256_id(text: str) -> str:
    """Return an image id in the form digests have."""
    return text if not text or ":" in text else f"sha256:{text}"


def read_listed(row: Mapping[str, Any]) -> ListedContainer:
    """Read a row of `podman ps`."""
    return ListedContainer(
        id=str(row.get("Id", "")),
        name=(row.get("Names") or [""])[0],
        image_ref=str(row.get("Image", "")),
        image_id=sha256_id(str(row.get("ImageID", ""))),
        status=str(row.get("State", "")).lower(),
        created_at=_unix(row.get("Created")),
        is_infra=bool(row.get("IsInfra")),
        unit=(row.get("Labels") or {}).get(UNIT_LABEL, ""),
    )


def read_container(found: Mapping[str, Any]) -> ContainerState:
    """Read an element of `podman container inspect`."""
    state, config = found.get("State") or {}, found.get("Config") or {}
    health, says = _health(state, config)
    return ContainerState(
        id=str(found.get("Id", "")),
        name=str(found.get("Name", "")),
        image_id=sha256_id(str(found.get("Image", ""))),
        image_ref=str(found.get("ImageName", "")),
        image_digest=str(found.get("ImageDigest", "")),
        status=str(state.get("Status", "")),
        running=bool(state.get("Running")),
        exit_code=int(state.get("ExitCode") or 0),
        restarts=int(found.get("RestartCount") or 0),
        started_at=_unix(state.get("StartedAt")),
        health=health,
        health_says=says,
        labels=_labels(config.get("Labels")),
        check=_check(state, config),
    )


def read_image(found: Mapping[str, Any]) -> LocalImage:
    """Read a row of `podman images` or an element of `podman image inspect`."""
    names = found.get("Names") or found.get("RepoTags") or ()
    return LocalImage(
        id=sha256_id(str(found.get("Id", ""))),
        digest=str(found.get("Digest", "")),
        names=tuple(name for name in names if "@" not in name and not name.startswith("<none>")),
        repo_digests=tuple(found.get("RepoDigests") or ()),
        size_bytes=int(found.get("Size") or 0),
        created_at=_unix(found.get("Created")),
        containers=int(found.get("Containers", -1)),
        architecture=str(found.get("Architecture") or found.get("Arch") or ""),
    )


def claimed_units(found: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return the systemd unit each image names in a label of its own, empty for one that names none."""
    return {sha256_id(str(one.get("Id", ""))): (one.get("Labels") or {}).get(UNIT_LABEL, "") for one in found}


def read_outlook(row: Mapping[str, Any]) -> AutoUpdateRow:
    """Read a row of `podman auto-update`."""
    return AutoUpdateRow(
        unit=str(row.get("Unit", "")),
        container=str(row.get("ContainerName") or row.get("Container", "")),
        image=str(row.get("Image", "")),
        policy=str(row.get("Policy", "")),
        updated=str(row.get("Updated", "")),
    )


def _health(state: Mapping[str, Any], config: Mapping[str, Any]) -> tuple[str, str]:
    """Return the health word and what the newest check printed; no check, no word."""
    test = (config.get("Healthcheck") or {}).get("Test")
    if not test or test == ["NONE"]:
        return "", ""
    told = state.get("Health") or state.get("Healthcheck") or {}
    word = str(told.get("Status", ""))
    newest = (told.get("Log") or [{}])[-1]
    return (word if word in _HEALTH else "starting"), str(newest.get("Output") or "").strip()[:500]


def health_command(found: Mapping[str, Any]) -> tuple[tuple[str, ...], float]:
    """Return the command of a container's health check and its seconds (0: not said); no check, no words.

    The forms are those of podman-inspect(1): `CMD` and its words, `CMD-SHELL` and a line for the shell.
    """
    told = (found.get("Config") or {}).get("Healthcheck") or {}
    form, *words = told.get("Test") or ("NONE",)
    timeout_s = _seconds(told.get("Timeout"))
    match form:
        case "NONE" | "":
            return (), 0.0
        case "CMD":
            return tuple(words), timeout_s
        case "CMD-SHELL":
            return ("sh", "-c", " ".join(words)), timeout_s
    return (form, *words), timeout_s


def _check(state: Mapping[str, Any], config: Mapping[str, Any]) -> HealthCheck:
    told = config.get("Healthcheck") or {}
    seen = state.get("Health") or state.get("Healthcheck") or {}
    return HealthCheck(
        interval_s=_seconds(told.get("Interval")),
        start_period_s=_seconds(told.get("StartPeriod")),
        retries=int(told.get("Retries") or 0),
        failing=int(seen.get("FailingStreak") or 0),
        has_passed=any(one.get("ExitCode") == 0 for one in seen.get("Log") or ()),
    )


def _seconds(nanoseconds: object) -> float:
    return nanoseconds / 1e9 if isinstance(nanoseconds, int) else 0.0


def _unix(moment: object) -> float:
    """Return Unix seconds of what are such or an RFC 3339 time; Go's zero time is 0."""
    if isinstance(moment, int | float):
        return max(0.0, float(moment))
    try:
        return max(0.0, datetime.fromisoformat(str(moment)).timestamp())
    except ValueError:
        return 0.0


def _labels(found: Mapping[str, str] | None) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((found or {}).items()))
