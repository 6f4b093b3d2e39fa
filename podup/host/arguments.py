"""The last look at a name before it becomes an argument of podman or systemctl.

No name that begins with `-`, holds white space, a control character or a glob, or is empty ever reaches a
command line: `systemctl` would take it for an option or for a pattern. Names come here already parsed by
`podup.core`; this is the guard of the door, not the parser.
"""


from podup.errors import Invalid
from podup.patterns import regex

_UNIT = regex(
    r"[A-Za-z0-9:_.\\][A-Za-z0-9:_.\\@-]*\.(?:service|socket|target|timer|path|mount|scope|slice|device|swap)"
)
_IMAGE = regex(r"(?:\[[0-9a-fA-F:]+\]:)?[A-Za-z0-9][A-Za-z0-9._:/@-]*")
_CONTAINER = regex(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_UNIT_LENGTH = 255
_IMAGE_LENGTH = 512


def unit_argument(name: str) -> str:
    """Return `name` when it is a whole unit name (systemd.unit(5)); raises Invalid `unit-name`."""
    if len(name) > _UNIT_LENGTH or not _UNIT.fullmatch(name):
        raise Invalid("unit-name", f"{name!r} is not a unit name", "Write it as in `systemctl`: web.service.")
    return name


def image_argument(ref: str) -> str:
    """Return `ref` when podman can take it for an image name, digest or id; raises Invalid `image-name`."""
    if len(ref) > _IMAGE_LENGTH or not _IMAGE.fullmatch(ref):
        raise Invalid("image-name", f"{ref!r} is not an image reference")
    return ref


def container_argument(name: str) -> str:
    """Return `name` when it is a container's name or id; raises Invalid `container-name`."""
    if not _CONTAINER.fullmatch(name):
        raise Invalid("container-name", f"{name!r} is not a container name")
    return name
