"""Which units there are to look after, and what their files say of them.

Told of by the operator, by Quadlet files, by the labels of containers, and by units that call podman. What
a unit's own files say counts; only where they do not name an image, the container that runs tells.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from podup.core.images import DEFAULT_TAG, has_registry, parse_ref
from podup.core.unit_files import ServiceFacts, read_service
from podup.core.units import slug, unit_name_or_none
from podup.errors import Invalid, PodupError
from podup.host.podman import Podman
from podup.host.quadlet_files import QuadletFile, read_quadlet_files
from podup.host.systemd import Systemd, UnitText
from podup.recipes.facts import ContainerState, FoundService, UnitConfig
from podup.recipes.refusals import refuse_config
from podup.records import dataclass, replace

_CALLS_PODMAN = ("podman-run", "podman-start", "kube", "pod")
_NOT_ASKED = ("alias", "masked", "masked-runtime", "transient")


@dataclass(frozen=True, slots=True)
class Discovered:
    """All services found, by unit name; `unseen` are the sources that could not be asked: podman, systemd."""

    services: tuple[FoundService, ...]
    unseen: tuple[str, ...] = ()


class Discovery:
    """Looks around on one machine. `units` are those the operator named, as `web` or `web.service`."""

    def __init__(
        self,
        systemd: Systemd,
        podman: Podman,
        *,
        container_dir: Path | None = None,
        units: Sequence[str] = (),
    ) -> None:
        self._systemd = systemd
        self._podman = podman
        self._container_dir = container_dir
        self._units = tuple(units)

    def config_of(self, unit: str) -> UnitConfig:
        """Return what the files of `unit` say; its container tells the image where they do not.

        And what podman made of a name without a registry: its search list and aliases are its own business.
        """
        config = self._configs((unit,), self._quadlets())[unit]
        if has_registry(config.image) or (not config.image and config.source != "unknown"):
            return config
        container = self._podman.container_of(unit, name=config.container_name)
        return _told_by(config, container.image_ref) if container else config

    def container_of(self, unit: str) -> ContainerState | None:
        """Return the container of `unit`: by its label, else by the name its files give it."""
        found = self._podman.container_of(unit)
        if found is not None:
            return found
        name = self._configs((unit,), self._quadlets())[unit].container_name
        return self._podman.container(name) if name else None

    def discover(self) -> Discovered:
        """Look everywhere. What one source cannot tell does not hide what the others do."""
        unseen: list[str] = []
        sources: dict[str, str] = {}
        images: dict[str, str] = {}
        quadlets = self._quadlets()
        for unit in filter(None, map(unit_name_or_none, self._units)):
            sources.setdefault(unit, "manual")
        for unit in filter(_is_askable, quadlets):
            sources.setdefault(unit, "quadlet")
        try:
            for listed in self._podman.containers():
                if _is_askable(listed.unit) and not listed.is_infra:
                    sources.setdefault(listed.unit, "podman")
                    images.setdefault(listed.unit, listed.image_ref)
        except PodupError:
            unseen.append("podman")  # health tells why
        try:
            found = self._look_through(sources, quadlets)
        except PodupError as error:
            unseen.append("systemd")
            found = [
                FoundService(unit, slug(unit), source, image=images.get(unit, ""), problem=error.message)
                for unit, source in sources.items()
            ]
        services = [
            replace(one, image=_told_image(one.image, one.kind, images.get(one.unit, ""))) for one in found
        ]
        return Discovered(tuple(sorted(services, key=lambda one: one.unit)), tuple(unseen))

    def _look_through(
        self, sources: Mapping[str, str], quadlets: Mapping[str, QuadletFile]
    ) -> list[FoundService]:
        """Ask systemd for all units and keep those told of by others and those that call podman."""
        installed = [
            file.unit
            for file in self._systemd.unit_files()
            if file.state not in _NOT_ASKED and _is_askable(file.unit)
        ]
        services = []
        wanted = tuple(dict.fromkeys((*sources, *installed)))
        for unit, config in self._configs(wanted, quadlets).items():
            if unit in sources or config.source in _CALLS_PODMAN:
                services.append(_service(config, sources.get(unit, "systemd")))
        return services

    def _configs(
        self, units: Sequence[str], quadlets: Mapping[str, QuadletFile]
    ) -> dict[str, UnitConfig]:
        files = _by_unit(self._systemd.cat(*units), units)
        return {unit: self._config(unit, files[unit], quadlets.get(unit)) for unit in units}

    def _config(self, unit: str, files: Sequence[UnitText], quadlet: QuadletFile | None) -> UnitConfig:
        texts = [file.text for file in files]
        facts = read_service(unit, texts)
        if "$" in "".join(texts) and not facts.image:
            environment = _read_environment(self._systemd.environment_files(unit))
            facts = read_service(unit, texts, environment=environment)
        if quadlet is None and facts.quadlet:
            quadlet = read_quadlet_files(Path(facts.quadlet).parent).get(unit)
        path = files[0].path if files else ""
        return _of_service(facts, path) if quadlet is None else _of_quadlet(quadlet, facts)

    def _quadlets(self) -> dict[str, QuadletFile]:
        return read_quadlet_files(self._container_dir) if self._container_dir else {}


def _of_service(facts: ServiceFacts, path: str) -> UnitConfig:
    config = UnitConfig(
        unit=facts.unit,
        source=facts.source,
        pull_policy=facts.pull_policy,
        pulls_at_start=facts.pulls_at_start,
        container_name=facts.container,
        labels=facts.labels,
        path=path,
        auto_update=facts.auto_update,
        is_labelled=facts.is_labelled,
    )
    return _with_image(config, facts.image)


def _of_quadlet(quadlet: QuadletFile, made: ServiceFacts) -> UnitConfig:
    """Return what the file says; what the generator made of it tells what the file leaves open."""
    facts = quadlet.facts
    config = UnitConfig(
        unit=facts.unit,
        source="quadlet" if facts.kind == "container" else facts.kind,
        pull_policy=facts.pull_policy or made.pull_policy,
        pulls_at_start=facts.pulls_at_start or made.pulls_at_start,
        container_name=facts.container or made.container,
        labels=tuple(sorted({**dict(made.labels), **dict(facts.labels)}.items())),
        path=quadlet.path,
        auto_update=facts.auto_update or made.auto_update,
    )
    if facts.kind != "container":
        return config
    is_built_here = facts.image_file.endswith(".build")
    return config if is_built_here else _with_image(config, quadlet.image or made.image)


def _with_image(config: UnitConfig, image: str) -> UnitConfig:
    try:
        pinned = bool(image) and parse_ref(image).digest is not None
    except Invalid:
        pinned = False  # an id, or nothing a registry knows; whoever deploys it says so
    return replace(config, image=image, pinned=pinned)


def _told_by(config: UnitConfig, ref: str) -> UnitConfig:
    return _with_image(config, _told_image(config.image, config.source, ref))


def _told_image(image: str, kind: str, ref: str) -> str:
    """Return the image of a unit whose files say `image` and whose container runs `ref` (empty: none)."""
    if not image:
        return ref if kind == "unknown" else ""
    is_short_for = not has_registry(image) and f"/{_with_tag(ref)}".endswith(f"/{_with_tag(image)}")
    return ref if ref and is_short_for else image


def _with_tag(name: str) -> str:
    last = name.rpartition("/")[2]
    return name if ":" in last or "@" in last else f"{name}:{DEFAULT_TAG}"


def _service(config: UnitConfig, source: str) -> FoundService:
    refusal = refuse_config(config) if config.image else None
    return FoundService(
        unit=config.unit,
        slug=slug(config.unit),
        source=source,
        kind=config.source,
        image=config.image,
        container_name=config.container_name,
        path=config.path,
        labels=config.labels,
        auto_update=config.auto_update,
        problem=refusal.reason if refusal else "",
    )


def _by_unit(files: Iterable[UnitText], units: Sequence[str]) -> dict[str, list[UnitText]]:
    """Give each unit its files: they come in the order asked, a fragment before its drop-ins."""
    owners: dict[str, list[UnitText]] = {unit: [] for unit in units}
    waiting = list(units)
    current = ""
    for file in files:
        name = Path(file.path).name
        if not Path(file.path).parent.name.endswith(".d"):
            fits = [unit for unit in waiting if name in (unit, _template_of(unit))]
            current = fits[0] if fits else ""
            del waiting[: waiting.index(current) + 1 if current else 0]
        if current:
            owners[current].append(file)
    return owners


def _template_of(unit: str) -> str:
    prefix, at, rest = unit.partition("@")
    return f"{prefix}@.{rest.rpartition('.')[2]}" if at else unit


def _is_askable(unit: str) -> bool:
    """Return whether `unit` is the whole name of a service, and not a template."""
    return unit_name_or_none(unit) == unit and "@." not in unit


def _read_environment(paths: Iterable[str]) -> dict[str, str]:
    """Read EnvironmentFile= files (systemd.exec(5)) as far as plain `NAME=value` lines go."""
    known: dict[str, str] = {}
    for path in paths:
        try:
            text = Path(path).read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        for line in text.splitlines():
            name, equals, value = line.strip().partition("=")
            if equals and not name.startswith(("#", ";")):
                known[name.strip()] = value.strip().strip("\"'")
    return known
