"""Quadlet files: which service the generator makes of them, and of which image.

Read are `.container`, `.pod`, `.kube` and `.image` files with their drop-ins; `Image=` may name an
`.image` file instead of an image. An image from a `.build` file is made here, not pulled: it is left empty.
Source: podman-systemd.unit(5).
"""

from collections.abc import Mapping, Sequence

from podup.core.podman_words import read_run_options
from podup.core.unit_files import AUTO_UPDATE_LABEL, has_pull, is_pulling, pull_policy, read_labels
from podup.core.unit_text import UnitText, expand_specifiers, read_unit, words_or_none
from podup.errors import Invalid
from podup.records import dataclass

_SUFFIXES = {"container": "", "kube": "", "pod": "-pod", "image": "-image"}


@dataclass(frozen=True, slots=True)
class QuadletFacts:
    """One Quadlet file. `unit` is the service made of it, `kind` container, pod, kube or image.

    `image` is as written, empty when there is none; `image_file` the `.image` or `.build` file it comes
    from instead; of an `.image` file `image_tag` is its ImageTag=. The other fields are as in `ServiceFacts`.
    """

    kind: str
    unit: str
    image: str = ""
    image_file: str = ""
    image_tag: str = ""
    container: str = ""
    pull_policy: str = ""
    pulls_at_start: bool = False
    labels: tuple[tuple[str, str], ...] = ()
    auto_update: str = ""


def is_quadlet(file_name: str) -> bool:
    """Return whether the file's name is one the generator reads and we do."""
    stem, _, kind = file_name.rpartition(".")
    return bool(stem) and kind in _SUFFIXES


def drop_in_directories(file_name: str) -> tuple[str, ...]:
    """Return the names of the directories whose `*.conf` belong to the file, the most specific first.

    Of two drop-ins with one file name the more specific counts; what is left is merged by file name.
    """
    stem, _, kind = file_name.rpartition(".")
    prefix, at, instance = stem.partition("@")
    names = [stem]
    if at and instance:
        names.append(f"{prefix}@")
    parts = prefix.rstrip("-").split("-")
    names += ["-".join(parts[:count]) + "-" for count in range(len(parts) - 1, 0, -1)]
    return (*(f"{name}.{kind}.d" for name in names), f"{kind}.d")


def read_quadlet(file_name: str, texts: Sequence[str]) -> QuadletFacts:
    """Return what the file and its drop-ins say; raises Invalid('not-a-quadlet') for another kind of file."""
    if not is_quadlet(file_name):
        raise Invalid("not-a-quadlet", f"not a Quadlet file: {file_name[:120]!r}")
    kind = file_name.rpartition(".")[2]
    section = kind.capitalize()
    text = read_unit(texts)
    unit = _service_name(file_name, text.last(section, "ServiceName"))
    call = read_run_options(_all_words(text, section, "PodmanArgs"))
    labels = read_labels([expand_specifiers(w, unit) for w in _all_words(text, section, "Label")])
    labels = tuple(sorted({**dict(labels), **dict(read_labels(call.every("label")))}.items()))
    policy = pull_policy(call.last("pull") or _value(text, section, "Policy" if kind == "image" else "Pull"))
    image = expand_specifiers(_value(text, section, "Image"), unit) if kind in ("container", "image") else ""
    from_file = image.endswith((".image", ".build"))
    return QuadletFacts(
        kind,
        unit,
        "" if from_file else image.removeprefix("docker://"),
        image if from_file else "",
        _value(text, section, "ImageTag"),
        _container_name(kind, unit, call.last("name") or _value(text, section, "ContainerName")),
        policy,
        is_pulling(policy) or has_pull(text, unit),
        labels,
        _value(text, section, "AutoUpdate") or dict(labels).get(AUTO_UPDATE_LABEL, ""),
    )


def image_behind(quadlet: QuadletFacts, known: Mapping[str, QuadletFacts]) -> str:
    """Return the image the service runs, looked up in the `.image` file (by file name) it may come from."""
    if not quadlet.image_file:
        return quadlet.image
    source = known.get(quadlet.image_file)
    return (source.image_tag or source.image) if source is not None and source.kind == "image" else ""


def _service_name(file_name: str, told: str) -> str:
    stem, _, kind = file_name.rpartition(".")
    if told:
        return f"{told.removesuffix('.service')}.service"
    prefix, at, instance = stem.partition("@")
    return f"{prefix}{_SUFFIXES[kind]}{at}{instance}.service"


def _container_name(kind: str, unit: str, told: str) -> str:
    if kind != "container":
        return ""
    return expand_specifiers(told or ("systemd-%p_%i" if "@" in unit else "systemd-%N"), unit)


def _value(text: UnitText, section: str, key: str) -> str:
    """Return a single value; Quadlet takes double quotes off the ends."""
    return text.last(section, key).strip('"')


def _all_words(text: UnitText, section: str, key: str) -> list[str]:
    return [word for line in text.every(section, key) for word in words_or_none(line)]
