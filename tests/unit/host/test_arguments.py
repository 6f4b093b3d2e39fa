import pytest

from podup.errors import Invalid
from podup.host.arguments import container_argument, image_argument, unit_argument

UNITS = ["web.service", "a@b-c.service", r"dev-disk\x2dby.service", "default.target", "web-1.2_x.timer"]
NO_UNITS = ["", "web", "-web.service", "--now.service", "a b.service", "*.service", "a/b.service"]
NO_UNITS += ["w\n.service", "w.service\n", "é.service", "x" * 250 + ".service", "a[bc].service"]
IMAGES = ["busybox", "ghcr.io/a/b:1", "a@sha256:00", "localhost:5000/a:b", "[::1]:5000/a", "f" * 64]
NO_IMAGES = ["", "-a", "--all", "a b", "a\n", "docker://a b", "$(id)", "a;b", "x" * 600]


@pytest.mark.parametrize("name", UNITS)
def test_unit_names(name: str) -> None:
    assert unit_argument(name) == name


@pytest.mark.parametrize("name", NO_UNITS)
def test_what_is_no_unit_never_reaches_systemctl(name: str) -> None:
    with pytest.raises(Invalid):
        unit_argument(name)


@pytest.mark.parametrize("ref", IMAGES)
def test_image_references(ref: str) -> None:
    assert image_argument(ref) == ref


@pytest.mark.parametrize("ref", NO_IMAGES)
def test_what_is_no_image_never_reaches_podman(ref: str) -> None:
    with pytest.raises(Invalid):
        image_argument(ref)


def test_container_names() -> None:
    assert container_argument("web_1.a-b") == "web_1.a-b"
    for name in ("", "-f", "a b", "a/b"):
        with pytest.raises(Invalid):
            container_argument(name)
