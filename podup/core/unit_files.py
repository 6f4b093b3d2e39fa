"""What a service's files say about the container it runs.

Recognised are `podman run` and `podman create` (a restart makes a new container of the image), `podman
start` (it does not), `podman kube play`, `podman pod start` and `podman auto-update`, called directly,
through env or through `sh -c`. What cannot be told for certain is left empty: an image behind a variable
nobody knows is not guessed.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from podup.core.podman_words import PodmanCall, read_call
from podup.core.unit_text import (
    UnitText,
    expand_specifiers,
    expand_variables,
    read_environment,
    read_unit,
    words_or_none,
)
from podup.late import late
from podup.records import dataclass

if TYPE_CHECKING:
    import shlex
else:
    shlex = late("shlex")

AUTO_UPDATE_LABEL = "io.containers.autoupdate"
UNIT_LABEL = "PODMAN_SYSTEMD_UNIT"
_PULLING = ("always", "newer")
_POLICIES = {"true": "always", "false": "missing"}
_SHELLS = ("sh", "bash", "dash", "ash", "busybox")
_SOURCES = {
    "run": "podman-run", "create": "podman-run", "start": "podman-start", "kube play": "kube",
    "pod start": "pod", "auto-update": "auto-update",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class ServiceFacts:
    """`source` is podman-run, podman-start, kube, pod, auto-update or unknown.

    `image` is as written, empty when it cannot be told. `container` is the name given, which for
    podman-start is what is started. `pull_policy` is missing, always, newer, never or empty. `labels` are
    those the command sets, sorted. `quadlet` is the path of the Quadlet file the unit was made from.
    `is_labelled` tells that podman labels the container with the unit (podman-auto-update(1)).
    """

    unit: str
    source: str = "unknown"
    image: str = ""
    container: str = ""
    pull_policy: str = ""
    pulls_at_start: bool = False
    labels: tuple[tuple[str, str], ...] = ()
    auto_update: str = ""
    quadlet: str = ""
    is_labelled: bool = False


def read_service(
    unit: str, texts: Sequence[str], *, environment: Mapping[str, str] | None = None
) -> ServiceFacts:
    """Return what the unit file and its drop-ins say; `environment` is what EnvironmentFile= adds."""
    text = read_unit(texts)
    known = {**read_environment(text, unit), **(environment or {})}
    before = list(_calls(text, "ExecStartPre", unit, known))
    started = list(_calls(text, "ExecStart", unit, known))
    pulled = any(call.verb == "pull" for call in before + started)
    quadlet = expand_specifiers(text.last("Unit", "SourcePath"), unit)
    call = _main_call(before, started)
    if call is None or _is_about_all(call):
        return ServiceFacts(unit, pulls_at_start=pulled, quadlet=quadlet)
    labels = read_labels(call.every("label"))
    policy = pull_policy(call.last("pull"))
    named = call.operands[0] if call.verb == "start" and call.operands else call.last("name")
    named = "" if "$" in named else named  # a variable nobody knows is no container's name
    return ServiceFacts(
        unit,
        _SOURCES[call.verb],
        call.image,
        named,
        policy,
        pulled or policy in _PULLING,
        labels,
        dict(labels).get(AUTO_UPDATE_LABEL, ""),
        quadlet,
        UNIT_LABEL in known or UNIT_LABEL in dict(labels),
    )


def pull_policy(text: str) -> str:
    """Return the policy in today's words: `true` and `false` were always and missing once."""
    return _POLICIES.get(text.lower(), text.lower())


def is_pulling(policy: str) -> bool:
    """Return whether a start under this policy may bring another image."""
    return policy in _PULLING


def has_pull(text: UnitText, unit: str) -> bool:
    """Return whether the unit pulls an image before or at its start."""
    known = read_environment(text, unit)
    calls = (call for key in ("ExecStartPre", "ExecStart") for call in _calls(text, key, unit, known))
    return any(call.verb == "pull" for call in calls)


def read_labels(words: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Return `name=value` words as sorted pairs; of one name the last counts."""
    pairs = (word.partition("=") for word in words)
    return tuple(sorted({name: value for name, _, value in pairs}.items()))


def _main_call(before: Sequence[PodmanCall], started: Sequence[PodmanCall]) -> PodmanCall | None:
    """Return the call that makes the service: a start of what was created just before counts as a run."""
    main = next((call for call in started if call.verb in _SOURCES), None)
    if main is None or main.verb != "start":
        return main
    created = [call for call in before if call.verb == "create"]
    fitting = [call for call in created if call.last("name") in main.operands]
    return fitting[-1] if fitting else main


def _is_about_all(call: PodmanCall) -> bool:
    """Return whether it starts everything there is, as podman-restart.service does: no service of its own."""
    return call.verb in ("start", "pod start") and any(name == "all" for name, _ in call.options)


def _calls(text: UnitText, key: str, unit: str, environment: Mapping[str, str]) -> Iterator[PodmanCall]:
    for line in text.every("Service", key):
        command = line.lstrip("@-:+!|")
        prefix = line[: len(line) - len(command)]
        words = [expand_specifiers(word, unit) for word in words_or_none(command)]
        if "@" in prefix:
            del words[1:2]
        if ":" not in prefix:
            words = expand_variables(words, environment)
        for part in _commands(words):
            call = read_call(part)
            if call is not None:
                yield call


def _commands(words: list[str]) -> Iterator[list[str]]:
    """Yield the simple commands of a line: parts between `;`, behind env, inside `sh -c`."""
    part: list[str] = []
    for word in [*words, ";"]:
        if word != ";":
            part.append(word)
            continue
        part = _behind_env(part)
        script = _script(part)
        if script is not None:
            yield from _shell_commands(script)
        else:
            yield part
        part = []


def _behind_env(words: list[str]) -> list[str]:
    if not words or words[0].rpartition("/")[2] != "env":
        return words
    at = next((i for i, word in enumerate(words[1:], 1) if word[:1] != "-" and "=" not in word), len(words))
    return words[at:]


def _script(words: list[str]) -> str | None:
    """Return what stands behind `sh -c` (or `-ec`), None for other commands."""
    if not words or words[0].rpartition("/")[2] not in _SHELLS:
        return None
    flags = [i for i, word in enumerate(words[:-1]) if word.startswith("-") and word.endswith("c")]
    return words[flags[0] + 1] if flags else None


def _shell_commands(script: str) -> Iterator[list[str]]:
    """Yield the simple commands of a script, as far as splitting at operators can tell them."""
    lexer = shlex.shlex(script, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    try:
        tokens = list(lexer)
    except ValueError:
        return
    part: list[str] = []
    for token in [*tokens, ";"]:
        if token and set(token) <= set(";&|()"):
            yield _behind_env(part[1:] if part[:1] == ["exec"] else part)
            part = []
        else:
            part.append(token)
