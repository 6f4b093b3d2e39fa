"""Which platform this machine is, and which manifest of an index it runs.

The choice is the one Podman makes, or the digest expected here would not be the one it pulls: by variant
from the machine's own downwards (arm v7, v6, v5), then none, and the first entry wins. Entries for another
system and attestations (`unknown/unknown`) match nothing.
Source: containers/image, internal/pkg/platform/platform_matcher.go; OCI image specification, image-index.md.
"""

from collections.abc import Sequence

from podup.core.manifests import Descriptor
from podup.errors import NotFound
from podup.records import dataclass

_MACHINES = {
    "x86_64": ("amd64", ""),
    "amd64": ("amd64", ""),
    "i386": ("386", ""),
    "i486": ("386", ""),
    "i586": ("386", ""),
    "i686": ("386", ""),
    "aarch64": ("arm64", "v8"),
    "arm64": ("arm64", "v8"),
    "armv8l": ("arm", "v8"),
    "armv7l": ("arm", "v7"),
    "armv6l": ("arm", "v6"),
    "armv5tel": ("arm", "v5"),
    "armv5tejl": ("arm", "v5"),
    "ppc64le": ("ppc64le", ""),
    "s390x": ("s390x", ""),
    "riscv64": ("riscv64", ""),
    "loongarch64": ("loong64", ""),
    "mips64": ("mips64", ""),
}
_VARIANTS = {"arm": ("v8", "v7", "v6", "v5"), "arm64": ("v8",)}


@dataclass(frozen=True, slots=True)
class Platform:
    """Operating system, architecture and variant in the words of the OCI (linux, arm, v7)."""

    os: str
    architecture: str
    variant: str = ""

    @classmethod
    def from_machine(cls, uname_machine: str) -> "Platform":
        """Return the Linux platform of what `uname -m` prints; an unknown machine names itself."""
        architecture, variant = _MACHINES.get(uname_machine, (uname_machine, ""))
        return cls("linux", architecture, variant)

    @classmethod
    def parse(cls, text: str) -> "Platform":
        """Return the platform of `linux/arm/v7`; missing parts are empty."""
        os, architecture, variant = (*text.split("/", 2), "", "")[:3]
        return cls(os, architecture, variant)

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)


def wanted_variants(platform: Platform) -> tuple[str, ...]:
    """Return the variants this platform runs, the best first; `` is an entry that names none."""
    known = _VARIANTS.get(platform.architecture, ())
    if not platform.variant:
        return ("", *known)
    if platform.variant not in known:
        return (platform.variant, "")
    return (*known[known.index(platform.variant) :], "")


def choose_manifest(entries: Sequence[Descriptor], platform: Platform) -> Descriptor:
    """Return the entry of an index that `platform` runs; raises NotFound('no-such-platform')."""
    for variant in wanted_variants(platform):
        for entry in entries:
            if (entry.os, entry.architecture, entry.variant) == (platform.os, platform.architecture, variant):
                return entry
    offered = sorted({_name(entry) for entry in entries} - {"", "unknown/unknown"})
    raise NotFound(
        "no-such-platform",
        f"the image is not made for {platform}; it is for {', '.join(offered[:12]) or 'nothing known'}",
        "publish the image for this platform too",
    )


def _name(entry: Descriptor) -> str:
    return str(Platform(entry.os, entry.architecture, entry.variant))
