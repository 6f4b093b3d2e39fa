"""Where Podman looks for an image: `registries.conf`, version 2 and what is left of version 1.

The longest prefix decides; its mirrors come before its own location; `blocked` refuses. Podman will pull by
these rules, so the digest expected has to be looked up by them.
Source: containers-registries.conf(5), sysregistriesv2 in containers/image.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from podup.core.images import DEFAULT_REGISTRY, ImageRef
from podup.errors import Invalid, Refused
from podup.late import late
from podup.records import dataclass, field

if TYPE_CHECKING:
    import tomllib
else:
    tomllib = late("tomllib")

_DOCKER_HOST = "registry-1.docker.io"


@dataclass(frozen=True, slots=True)
class Place:
    """Where an image may be fetched: the host that answers, the name it has there, whether TLS is a must.

    `registry` is the host as credentials know it.
    """

    registry: str
    repository: str
    insecure: bool = False

    @property
    def host(self) -> str:
        """The host that serves the registry's API."""
        return _DOCKER_HOST if self.registry == DEFAULT_REGISTRY else self.registry


@dataclass(frozen=True, slots=True)
class Mirror:
    """A copy of a registry; `pulls` is all, digest-only or tag-only."""

    location: str
    insecure: bool = False
    pulls: str = "all"


@dataclass(frozen=True, slots=True)
class Registry:
    """One `[[registry]]` table."""

    prefix: str
    location: str
    insecure: bool = False
    blocked: bool = False
    mirrors: tuple[Mirror, ...] = ()


@dataclass(frozen=True, slots=True)
class Registries:
    """All rules of the files read; `insecure_hosts` are those podup's own settings add."""

    rules: tuple[Registry, ...] = ()
    insecure_hosts: frozenset[str] = field(default_factory=frozenset)

    def places(self, ref: ImageRef) -> tuple[Place, ...]:
        """Return where to look for `ref`, in order; raises Refused('registry-blocked')."""
        rule, length = self._rule_for(ref.name)
        if rule is None:
            return (self._place(ref.name, insecure=False),)
        if rule.blocked:
            raise Refused(
                "registry-blocked",
                f"{ref.name} is blocked in registries.conf",
                "the rule is the one with prefix " + rule.prefix,
            )
        kept = "tag-only" if ref.digest is None else "digest-only"
        rest = ref.name[length:]
        places = [
            self._place(mirror.location + rest, insecure=mirror.insecure)
            for mirror in rule.mirrors
            if mirror.pulls in ("all", kept)
        ]
        own = rule.location + rest if rule.location else ref.name
        return (*places, self._place(own, insecure=rule.insecure))

    def _rule_for(self, name: str) -> tuple[Registry | None, int]:
        fitting = [(rule, covered) for rule in self.rules if (covered := _covered(rule.prefix, name))]
        return max(fitting, key=lambda found: len(found[0].prefix), default=(None, 0))

    def _place(self, name: str, *, insecure: bool) -> Place:
        registry, _, repository = name.partition("/")
        return Place(registry, repository, insecure or registry in self.insecure_hosts)


def read_registries(texts: Iterable[str], *, insecure_hosts: Collection[str] = ()) -> Registries:
    """Read registries.conf and its drop-ins, in order: a later rule replaces one of the same prefix.

    Raises Invalid('bad-registries-conf').
    """
    rules: dict[str, Registry] = {}
    for text in texts:
        try:
            document = tomllib.loads(text)
            rules |= {rule.prefix: rule for rule in (*_old_rules(document), *_rules(document))}
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            raise _bad(str(error)) from None
    return Registries(tuple(rules.values()), frozenset(insecure_hosts))


def _rules(document: Mapping[str, Any]) -> Iterable[Registry]:
    for table in _tables(document, "registry"):
        location = _text(table, "location")
        prefix = _text(table, "prefix") or location
        if not prefix:
            raise _bad("a [[registry]] has neither prefix nor location")
        only_digests = _truth(table, "mirror-by-digest-only")
        mirrors = tuple(_mirror(mirror, only_digests) for mirror in _tables(table, "mirror"))
        if not location and not prefix.startswith("*."):
            location = prefix
        yield Registry(
            prefix.rstrip("/"),
            location.rstrip("/"),
            _truth(table, "insecure"),
            _truth(table, "blocked"),
            mirrors,
        )


def _old_rules(document: Mapping[str, Any]) -> Iterable[Registry]:
    """Read `[registries.insecure]` and `[registries.block]` of version 1."""
    old = document.get("registries")
    if not isinstance(old, dict):
        return
    for key in ("insecure", "block"):
        table = old.get(key)
        hosts = table.get("registries", []) if isinstance(table, dict) else []
        if not isinstance(hosts, list) or not all(isinstance(host, str) for host in hosts):
            raise _bad(f"registries.{key} is not a list of names")
        for host in hosts:
            yield Registry(host, host, insecure=key == "insecure", blocked=key == "block")


def _mirror(table: Mapping[str, Any], only_digests: bool) -> Mirror:
    location = _text(table, "location").rstrip("/")
    if not location:
        raise _bad("a mirror has no location")
    pulls = _text(table, "pull-from-mirror") or ("digest-only" if only_digests else "all")
    return Mirror(location, _truth(table, "insecure"), pulls)


def _covered(prefix: str, name: str) -> int:
    """Return how much of `name` the prefix covers, 0 for nothing; `*.example.org` covers what is below."""
    if prefix.startswith("*."):
        host = name.partition("/")[0].partition(":")[0]
        return len(host) if host.endswith(prefix[1:]) else 0
    return len(prefix) if name == prefix or name.startswith((f"{prefix}/", f"{prefix}:")) else 0


def _tables(parent: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    found = parent.get(key, [])
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise _bad(f"[[{key}]] is not a list of tables")
    return found


def _text(table: Mapping[str, Any], key: str) -> str:
    value = table.get(key, "")
    if not isinstance(value, str):
        raise _bad(f"{key} is not a string")
    return value


def _truth(table: Mapping[str, Any], key: str) -> bool:
    value = table.get(key, False)
    if not isinstance(value, bool):
        raise _bad(f"{key} is neither true nor false")
    return value


def _bad(why: str) -> Invalid:
    return Invalid("bad-registries-conf", f"registries.conf cannot be read: {why[:200]}")
