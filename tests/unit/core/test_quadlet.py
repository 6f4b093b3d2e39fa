import pytest

from podup.core.quadlet import QuadletFacts, drop_in_directories, image_behind, is_quadlet, read_quadlet
from podup.errors import Invalid

WEB = """\
[Unit]
Description=Web

[Container]
Image=ghcr.io/acme/web:latest
ContainerName=web
AutoUpdate=registry
Pull=missing
PublishPort=8080:80
Label=io.podup.probe=http://127.0.0.1:8080/health "app=my web"
Label=tier=front
Exec=httpd -f

[Service]
Restart=always

[Install]
WantedBy=default.target
"""


def container(*lines, name="web.container"):
    return read_quadlet(name, ["[Container]\n" + "\n".join(lines)])


def test_reads_a_container():
    assert read_quadlet("web.container", [WEB]) == QuadletFacts(
        "container",
        "web.service",
        image="ghcr.io/acme/web:latest",
        container="web",
        pull_policy="missing",
        labels=(("app", "my web"), ("io.podup.probe", "http://127.0.0.1:8080/health"), ("tier", "front")),
        auto_update="registry",
    )


def test_drop_ins_override_and_reset():
    found = read_quadlet("web.container",
    [WEB, "[Container]\nImage=web:2\nLabel=\nLabel=a=1\nContainerName=\n"])
    assert (found.image, found.labels, found.container) == ("web:2", (("a", "1"),), "systemd-web")


@pytest.mark.parametrize(
    ("name", "text", "unit", "container"),
    [
        ("web.container", "", "web.service", "systemd-web"),
        ("web@.container", "", "web@.service", "systemd-web_"),
        ("web@1.container", "", "web@1.service", "systemd-web_1"),
        ("web.v2.container", "", "web.v2.service", "systemd-web.v2"),
        ("web.container", "ServiceName=shop", "shop.service", "systemd-shop"),
        ("web.container", "ServiceName=shop.service", "shop.service", "systemd-shop"),
        ("web.container", "ContainerName=c-%p", "web.service", "c-web"),
        ("web.container", "PodmanArgs=--name other --memory 1g", "web.service", "other"),
    ],
)
def test_names(name, text, unit, container):
    found = read_quadlet(name, [f"[Container]\nImage=web\n{text}"])
    assert (found.unit, found.container) == (unit, container)


@pytest.mark.parametrize(
    ("name", "text", "unit"),
    [
        ("shop.pod", "[Pod]\nPodName=shop", "shop-pod.service"),
        ("shop.pod", "[Pod]\nServiceName=shop", "shop.service"),
        ("shop@a.pod", "[Pod]", "shop-pod@a.service"),
        ("shop.kube", "[Kube]\nYaml=shop.yml", "shop.service"),
        ("web.image", "[Image]\nImage=ghcr.io/acme/web:1", "web-image.service"),
        ("web.image", "[Image]\nImage=x\nServiceName=pull-web", "pull-web.service"),
    ],
)
def test_units_of_the_other_kinds(name, text, unit):
    found = read_quadlet(name, [text])
    assert found.unit == unit and found.container == ""


@pytest.mark.parametrize(
    ("lines", "policy", "pulls"),
    [
        (["Image=web"], "", False),
        (["Image=web", "Pull=never"], "never", False),
        (["Image=web", "Pull=always"], "always", True),
        (["Image=web", "Pull=newer"], "newer", True),
        (["Image=web", "Pull=always", "Pull="], "", False),
        (["Image=web", "Pull=never", "PodmanArgs=--pull=always"], "always", True),
        (["Image=web", "PodmanArgs=--memory 1g --pull newer"], "newer", True),
        (["Image=web", "[Service]", "ExecStartPre=podman pull web"], "", True),
        (["Image=web", "[Service]", "ExecStartPre=/bin/true"], "", False),
    ],
)
def test_who_pulls(lines, policy, pulls):
    found = container(*lines)
    assert (found.pull_policy, found.pulls_at_start) == (policy, pulls)


def test_auto_update_may_be_a_label():
    assert container("Image=web", "Label=io.containers.autoupdate=local").auto_update == "local"
    assert container("Image=web",
    "PodmanArgs=-l io.containers.autoupdate=registry -l a=b").auto_update == "registry"


def test_images_that_come_from_another_file():
    known = {
        "web.image": read_quadlet("web.image", ["[Image]\nImage=ghcr.io/acme/web:1\nPolicy=newer"]),
        "tagged.image": read_quadlet("tagged.image",
        ["[Image]\nImage=docker-archive:/x.tar\nImageTag=localhost/x:1"]),
    }
    assert known["web.image"].pull_policy == "newer"
    assert image_behind(container("Image=web.image"), known) == "ghcr.io/acme/web:1"
    assert image_behind(container("Image=tagged.image"), known) == "localhost/x:1"
    assert image_behind(container("Image=web:3"), known) == "web:3"
    assert image_behind(container("Image=gone.image"), known) == ""
    assert image_behind(container("Image=own.build"), known) == ""
    assert container("Image=own.build").image_file == "own.build"


@pytest.mark.parametrize(
    ("name", "directories"),
    [
        ("web.container", ("web.container.d", "container.d")),
        ("a-b-c.container", ("a-b-c.container.d", "a-b-.container.d", "a-.container.d", "container.d")),
        ("web@1.pod", ("web@1.pod.d", "web@.pod.d", "pod.d")),
        ("web@.container", ("web@.container.d", "container.d")),
    ],
)
def test_where_drop_ins_are(name, directories):
    assert drop_in_directories(name) == directories


@pytest.mark.parametrize("name",
["", "web", ".container", "web.volume", "web.network", "web.service", "web.conf"])
def test_other_files_are_refused(name):
    assert not is_quadlet(name)
    with pytest.raises(Invalid):
        read_quadlet(name, [""])


@pytest.mark.parametrize("odd",
["", "\x00", "'", '"', "%", "[", "=", "\\", "\ud800", "x" * 5000, "-" * 60, "$x"])
def test_hostile_text(odd):
    for key in ("Image", "Label", "PodmanArgs", "ContainerName", "ServiceName", "Pull", odd):
        for name in ("web.container", "web.image", "web.pod", "web.kube"):
            read_quadlet(name, [f"[Container]\n{key}={odd}\n[{odd}]\n{odd}", odd])
