import pytest

from podup.core.podman_words import read_call
from podup.core.unit_files import ServiceFacts, pull_policy, read_service

GENERATED = """\
[Unit]
Description=Podman container-web.service
RequiresMountsFor=%t/containers

[Service]
Environment=PODMAN_SYSTEMD_UNIT=%n
Restart=on-failure
ExecStart=/usr/bin/podman run \\
	--cidfile=%t/%n.ctr-id \\
	--cgroups=no-conmon \\
	--rm \\
	--sdnotify=conmon \\
	--replace \\
	-d \\
	--name web \\
	-p 8080:80 \\
	--label io.containers.autoupdate=registry \\
	-l "io.podup.probe=http://127.0.0.1:8080/health" \\
	ghcr.io/acme/web:latest httpd -f -p 80
ExecStop=/usr/bin/podman stop --ignore -t 10 --cidfile=%t/%n.ctr-id
Type=notify
"""


def service(*lines, unit="web.service", **more):
    return read_service(unit, ["[Service]\n" + "\n".join(lines)], **more)


def test_what_podman_generates():
    assert read_service("web.service", [GENERATED]) == ServiceFacts(
        "web.service",
        "podman-run",
        "ghcr.io/acme/web:latest",
        "web",
        "",
        False,
        (("io.containers.autoupdate", "registry"), ("io.podup.probe", "http://127.0.0.1:8080/health")),
        "registry",
        is_labelled=True,
    )


def test_whether_podman_knows_whose_container_it_is():
    plain = "ExecStart=podman run ghcr.io/acme/web"
    assert not service(plain).is_labelled
    assert service(plain.replace("run", "run --label PODMAN_SYSTEMD_UNIT=web.service")).is_labelled
    assert service("Environment=A=1 PODMAN_SYSTEMD_UNIT=%n", plain).is_labelled


def test_what_the_quadlet_generator_makes():
    text = (
        "[Unit]\nSourcePath=/home/u/.config/containers/systemd/web.container\n[X-Container]\nImage=old\n"
        "[Service]\nExecStart=/usr/bin/podman run --name=systemd-%N --cidfile=%t/%N.cid --replace --rm "
        "--cgroups=split --sdnotify=conmon -d --label a=b ghcr.io/acme/web:1\n"
    )
    found = read_service("web.service", [text])
    assert (found.image, found.container) == ("ghcr.io/acme/web:1", "systemd-web")
    assert found.quadlet == "/home/u/.config/containers/systemd/web.container"


def test_a_drop_in_may_name_another_image():
    drop_in = "[Service]\nExecStart=\nExecStart=podman run --rm web:2\n"
    assert read_service("web.service", [GENERATED, drop_in]).image == "web:2"
    assert read_service("web.service", [GENERATED, drop_in]).auto_update == ""


@pytest.mark.parametrize(
    ("command", "image"),
    [
        ("podman run web", "web"),
        ("/usr/local/bin/podman run web", "web"),
        ("podman --log-level=debug --root /x container run web", "web"),
        ("podman -c remote run web", "web"),
        ("podman run -dit web", "web"),
        ("podman run -dp 80:80 web", "web"),
        ("podman run -dp80:80 -eA=b -e C=d web", "web"),
        ("podman run -d=true --rm=false web", "web"),
        ("podman run --env A --env=B --volume /a:/b:Z -v=/c:/d web", "web"),
        ("podman run --health-cmd 'curl -f x || exit 1' --health-startup-cmd y web", "web"),
        ("podman run --pull newer --retry 3 --gpus all web", "web"),
        ("podman run --init --privileged --read-only --tls-verify=false web", "web"),
        ("podman run -- web -x", "web"),
        ("podman run web --image other", "web"),
        ("podman run docker://ghcr.io/a/b", "ghcr.io/a/b"),
        ("podman run ghcr.io/a/b@sha256:" + "a" * 64, "ghcr.io/a/b@sha256:" + "a" * 64),
        ("podman run --name=a-%i img:%i", "img:7"),
        ("podman run ${IMAGE}", "web:9"),
        ("podman run $OPTS web", "web"),
        ("-/usr/bin/podman run web", "web"),
        ("@/usr/bin/podman podman2 run web", "web"),
        (":podman run ${IMAGE}", ""),
        ("!!podman run web", "web"),
        ("podman run $UNKNOWN web", ""),
        ("podman run ${UNKNOWN}", ""),
        ("podman run web:${UNKNOWN}", ""),
        ("podman run web:%H", ""),
        ("podman run --brand-new-option web other", ""),
        ("podman run --brand-new-option=1 web other", "web"),
        ("podman run -Z web", ""),
        ("podman run --rootfs /srv/root", ""),
        ("podman run --name", ""),
        ("podman run", ""),
        ("/usr/bin/env A=b podman run web", "web"),
        ("/usr/bin/env -i podman run web", "web"),
        ("/bin/sh -c 'podman run --rm web'", "web"),
        ("/bin/sh -ec 'echo hi && exec podman run web \"a b\"'", "web"),
        ("/bin/bash -lc 'cd /x; podman run web | tee log'", "web"),
        ("/usr/bin/env sh -c 'podman run web'", "web"),
        ("/bin/sh -c 'podman run $(cat image)'", ""),
        ("/bin/sh -c 'podman run `x'", ""),
        ("/bin/sh -c \"podman run 'x\"", ""),
        ("/bin/true ; /usr/bin/podman run web", "web"),
        ("podman run 'open", ""),
        ("docker run web", ""),
        ("/usr/bin/notpodman run web", ""),
        ("", ""),
    ],
)
def test_finds_the_image(command, image):
    found = service("Environment=IMAGE=web:9 'OPTS=--rm -d'", f"ExecStart={command}", unit="web@7.service")
    assert found.image == image


@pytest.mark.parametrize(
    ("lines", "source", "container"),
    [
        (["ExecStart=podman start -a web"], "podman-start", "web"),
        (["ExecStart=podman start --attach --sig-proxy=false web"], "podman-start", "web"),
        (["ExecStart=podman container start web"], "podman-start", "web"),
        (["ExecStartPre=podman create --name web img", "ExecStart=podman start -a web"], "podman-run", "web"),
        (["ExecStartPre=podman create --name db img", "ExecStart=podman start web"], "podman-start", "web"),
        (["ExecStart=podman kube play --replace /x.yml"], "kube", ""),
        (["ExecStart=podman play kube /x.yml"], "kube", ""),
        (["ExecStart=podman pod start --pod-id-file=%t/x"], "pod", ""),
        (["ExecStart=podman auto-update", "ExecStartPost=podman image prune -f"], "auto-update", ""),
        (["ExecStart=podman ps"], "unknown", ""),
        (["ExecStart=/bin/true"], "unknown", ""),
        ([], "unknown", ""),
        (["ExecStart=/bin/true", "ExecStart=podman run --name x img"], "podman-run", "x"),
    ],
)
def test_sources(lines, source, container):
    found = service(*lines)
    assert (found.source, found.container) == (source, container)


@pytest.mark.parametrize(
    ("lines", "policy", "pulls"),
    [
        (["ExecStart=podman run web"], "", False),
        (["ExecStart=podman run --pull=missing web"], "missing", False),
        (["ExecStart=podman run --pull never web"], "never", False),
        (["ExecStart=podman run --pull=always web"], "always", True),
        (["ExecStart=podman run --pull newer web"], "newer", True),
        (["ExecStart=podman run --pull=missing --pull=always web"], "always", True),
        (["ExecStartPre=-/usr/bin/podman pull web", "ExecStart=podman run web"], "", True),
        (["ExecStartPre=podman image pull -q web", "ExecStart=podman run web"], "", True),
        (["ExecStartPre=/bin/sh -c 'podman pull web || true'", "ExecStart=podman run web"], "", True),
        (["ExecStart=/bin/sh -c 'podman pull web; exec podman run web'"], "", True),
        (["ExecStartPre=podman pull web", "ExecStartPre=", "ExecStart=podman run web"], "", False),
        (["ExecStartPre=podman pull web", "ExecStart=/usr/bin/web"], "", True),
    ],
)
def test_who_pulls(lines, policy, pulls):
    found = service(*lines)
    assert (found.pull_policy, found.pulls_at_start) == (policy, pulls)


def test_policies_of_older_podman():
    assert [pull_policy(text) for text in ("true", "false", "Always", "")] == ["always", "missing", "always",
    ""]


def test_the_environment_file_is_given_by_the_caller():
    assert service("ExecStart=podman run ${I}", environment={"I": "web:3"}).image == "web:3"


def test_calls_that_are_not_podman():
    assert read_call([]) is None and read_call([""]) is None and read_call(["/bin/ls"]) is None
    call = read_call(["podman", "pull", "--policy", "newer", "-q", "img"])
    assert call is not None and call.operands == ("img",) and call.last("policy") == "newer"
    assert call.image == ""
    bare = read_call(["podman"])
    assert bare is not None and bare.verb == ""


ODD = ["", "\x00", "\\", "'", '"', "%", "%%", "$", "${", "[", "]", "=", "-", "--", "\ud800", "\u2028",
";" * 50, "x" * 5000]


@pytest.mark.parametrize("odd", ODD)
def test_hostile_text_is_only_unknown(odd):
    for text in (odd, f"[{odd}]\n{odd}={odd}", f"[Service]\nExecStart={odd}",
    f"[Service]\nExecStart=podman {odd} run {odd}",
                 f"[Service]\nExecStart=podman run {odd} {odd}\nEnvironment={odd}\nExecStartPre=sh -c {odd}",
                 f"[Service]\nExecStart=sh -c 'podman run {odd}'"):  # fmt: skip
        assert read_service("web.service", [text, odd]).unit == "web.service"


def test_a_container_behind_a_variable_nobody_knows_has_no_name():
    started = service("ExecStart=/usr/bin/podman start -a ${WHICH}")
    assert (started.source, started.container) == ("podman-start", "")
    known = service("Environment=WHICH=old", "ExecStart=/usr/bin/podman start -a ${WHICH}")
    assert known.container == "old"
