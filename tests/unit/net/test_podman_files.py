import pytest

from podup.core.images import parse_ref
from podup.errors import Invalid, PodupError
from podup.net.podman_files import load_registries, podman_files
from podup.settings.environment import Environment

BLOCK = '[[registry]]\nlocation = "{}"\ninsecure = true\n'


@pytest.fixture
def files(tmp_path):
    home = tmp_path / "home"
    for place in (home / ".config/containers/registries.conf.d", tmp_path / "etc/registries.conf.d"):
        place.mkdir(parents=True)
    environment = Environment({"XDG_RUNTIME_DIR": str(tmp_path / "run")}, home, 1000)
    return podman_files(environment, system=tmp_path / "etc")


def insecure(files, *hosts, **more):
    registries = load_registries(files, **more)
    return [registries.places(parse_ref(f"{host}/x"))[0].insecure for host in hosts]


def test_the_order_of_places(files, tmp_path):
    home = tmp_path / "home"
    assert [str(path) for path in files.logins] == [
        f"{tmp_path}/run/containers/auth.json",
        "/run/containers/1000/auth.json",
        f"{home}/.config/containers/auth.json",
        f"{home}/.docker/config.json",
    ]
    assert files.certificates[:2] == (home / ".config/containers/certs.d", tmp_path / "etc/certs.d")


def test_variables_stand_for_all_places(tmp_path):
    variables = {"REGISTRY_AUTH_FILE": "/a", "CONTAINERS_REGISTRIES_CONF": "/r"}
    told = podman_files(Environment(variables, tmp_path, 1000))
    docker = podman_files(Environment({"DOCKER_CONFIG": "/d"}, tmp_path, 1000))
    assert str(docker.logins[-1]) == "/d/config.json"
    assert [str(path) for path in (*told.logins, *told.rules, *told.rule_directories)] == ["/a", "/r"]


def test_own_rules_replace_the_systems_and_drop_ins_add(files):
    assert insecure(files, "a.test") == [False]
    files.rules[1].write_text(BLOCK.format("a.test"))
    (files.rule_directories[0] / "1.conf").write_text(BLOCK.format("b.test"))
    (files.rule_directories[1] / "2.conf").write_text(BLOCK.format("c.test"))
    (files.rule_directories[1] / "README").write_text("[")
    assert insecure(files, "a.test", "b.test", "c.test") == [True, True, True]
    files.rules[0].write_text("")
    assert insecure(files, "a.test", "b.test", "c.test") == [False, True, True]
    assert insecure(files, "a.test", insecure_hosts=["a.test"]) == [True]


def test_a_broken_file_is_named(files):
    files.rules[0].write_text("[[")
    with pytest.raises(Invalid) as caught:
        load_registries(files)
    assert "registries.conf" in caught.value.message and str(files.rules[0]) in caught.value.message
    files.rules[0].write_bytes(b"\xff\xfe")
    with pytest.raises(PodupError):
        load_registries(files)
