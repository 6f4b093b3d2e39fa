"""Logins, helpers and mirrors as podman's files name them, against Debian's docker-registry."""

import json
import shutil
from pathlib import Path

import pytest
from real_registry import LOGIN, PROGRAM, RealRegistry
from token_server import ISSUER, SERVICE, TokenServer

from podup.app.registries import registry_client
from podup.clock import SystemClock
from podup.core.images import parse_ref
from podup.core.platforms import Platform
from podup.errors import PodupError
from podup.host.run import HostRunner
from podup.recipes.facts import RemoteImage
from podup.settings.environment import Environment

pytestmark = [
    pytest.mark.skipif(PROGRAM is None, reason="docker-registry is not installed"),
    pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed"),
]
ASKS_NOBODY = "127.0.0.1:9"
HELPER = """\
#!/bin/sh
[ "$1" = get ] || exit 1
read -r host
[ "$host" = {host} ] || exit 1
echo '{{"ServerURL": "{host}", "Username": "ada", "Secret": "s3cret"}}'
"""


class Home:
    """A user's home with podman's files, and the program's registry client for that user."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self._podman = place / ".config/containers"
        self._podman.mkdir(parents=True)
        self._path = f"{place / 'bin'}:/usr/bin:/bin"

    def rules(self, text: str) -> None:
        (self._podman / "registries.conf").write_text(text)

    def logins(self, content: object) -> None:
        (self._podman / "auth.json").write_text(json.dumps(content))

    def helper(self, name: str, text: str) -> None:
        path = self.place / "bin" / f"docker-credential-{name}"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)

    def resolve(self, ref: str) -> RemoteImage:
        clock = SystemClock()
        given = {"PATH": self._path, "XDG_RUNTIME_DIR": str(self.place / "run")}
        runner = HostRunner(clock, given)
        client = registry_client(runner, Environment(given, self.place, 1000), clock)
        return client.resolve(parse_ref(ref), Platform("linux", "amd64"))

    def code_of(self, ref: str) -> str:
        with pytest.raises(PodupError) as caught:
            self.resolve(ref)
        return caught.value.code


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def plain_http(*hosts: str) -> str:
    return "".join(f'[[registry]]\nlocation = "{host}"\ninsecure = true\n' for host in hosts)


def directory(path: Path) -> Path:
    path.mkdir()
    return path


def test_a_helper_is_asked_for_the_login(home: Home, tmp_path: Path) -> None:
    with RealRegistry(tmp_path, login=True) as server:
        digest, _ = server.push_image("acme/web", "1", "secret")
        ref = f"{server.host}/acme/web:1"
        home.rules(plain_http(server.host))
        home.logins({"credHelpers": {server.host: "keyring"}})
        assert home.code_of(ref) == "registry-unauthorized"
        home.helper("keyring", HELPER.format(host=server.host))
        assert home.resolve(ref).digest == digest


def test_a_token_is_bought_with_the_login(home: Home, tmp_path: Path) -> None:
    with RealRegistry(tmp_path) as open_to_all:
        digest, _ = open_to_all.push_image("acme/web", "1", "token")
    with TokenServer(tmp_path, LOGIN) as tokens:
        token = {"realm": tokens.realm, "service": SERVICE, "issuer": ISSUER}
        token["rootcertbundle"] = str(tokens.certificate)
        with RealRegistry(tmp_path, token=token) as server:
            ref = f"{server.host}/acme/web:1"
            home.rules(plain_http(server.host))
            assert home.code_of(ref) == "registry-unauthorized"
            home.logins({"auths": {server.host: {"auth": LOGIN.removeprefix("Basic ")}}})
            assert home.resolve(ref).digest == digest
        assert tokens.asked[-1] == ("repository:acme/web:pull", LOGIN)
        assert tokens.asked[0][1] == ""


def test_a_mirror_answers_for_a_registry_that_is_away(home: Home, tmp_path: Path) -> None:
    with (
        RealRegistry(directory(tmp_path / "one")) as empty,
        RealRegistry(directory(tmp_path / "two"), login=True) as mirror,
    ):
        digest, _ = mirror.push_image("mirrored/acme/web", "1", "copy")
        home.logins({"auths": {f"{mirror.host}/mirrored": {"auth": LOGIN.removeprefix("Basic ")}}})
        mirrors = (empty.host, f"{mirror.host}/mirrored")
        home.rules(
            plain_http(ASKS_NOBODY)
            + "".join(f'[[registry.mirror]]\nlocation = "{one}"\ninsecure = true\n' for one in mirrors)
        )
        assert home.resolve(f"{ASKS_NOBODY}/acme/web:1").digest == digest
        assert home.code_of(f"{ASKS_NOBODY}/acme/other:1") == "registry-unreachable"
