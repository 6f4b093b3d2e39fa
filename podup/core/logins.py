"""Logins for registries, read from Podman's `auth.json` and Docker's `config.json`.

The most specific entry counts: `quay.io/acme/web` before `quay.io/acme` before `quay.io`. Entries Docker
wrote as URLs (`https://index.docker.io/v1/`) mean their host. A file may leave a login to a helper program.
Source: containers-auth.json(5), docker-credential-helpers.
"""

import base64
from collections.abc import Iterator, Mapping
from typing import Any

from podup.core.json_body import object_at, read_object, text_at
from podup.core.secrets import Secret
from podup.errors import Invalid
from podup.records import dataclass

_DOCKER_NAMES = ("index.docker.io", "registry-1.docker.io")
_TOKEN_USER = "<token>"


@dataclass(frozen=True, slots=True)
class Login:
    """Name and password, or a token that buys others (`identity`), empty when there is none."""

    username: str
    password: Secret
    identity: Secret

    @property
    def basic(self) -> str:
        """The value of an Authorization header of scheme Basic."""
        pair = f"{self.username}:{self.password.reveal()}"
        return f"Basic {base64.b64encode(pair.encode('utf-8', 'surrogateescape')).decode()}"


@dataclass(frozen=True, slots=True)
class LoginFile:
    """What one file knows: logins by place, helper programs by host, and the helper for all others."""

    logins: Mapping[str, Login]
    helpers: Mapping[str, str]
    store: str = ""

    def login_for(self, registry: str, repository: str) -> Login | None:
        """Return the file's own login for an image, the most specific one."""
        return next((self.logins[key] for key in _keys(registry, repository) if key in self.logins), None)

    def helper_for(self, registry: str) -> str:
        """Return the program that knows the login for `registry`, empty when there is none."""
        return self.helpers.get(registry) or self.store


def read_logins(data: bytes) -> LoginFile:
    """Read a file; raises Invalid('bad-auth-file') without repeating what is in it."""
    try:
        document = read_object(data)
        auths = object_at(document, "auths")
        logins = {_place(key): _login(object_at(auths, key)) for key in auths}
        helpers = object_at(document, "credHelpers")
        by_host = {_place(key): text_at(helpers, key) for key in helpers}
        store = text_at(document, "credsStore")
    except Invalid:
        raise Invalid("bad-auth-file", "the file is not a login file", "run `podman login` again") from None
    return LoginFile({key: login for key, login in logins.items() if login is not None}, by_host, store)


def read_helper_answer(data: bytes) -> Login | None:
    """Read what `docker-credential-NAME get` printed; None when it knows no login. Raises Invalid."""
    try:
        document = read_object(data)
        username, secret = text_at(document, "Username"), text_at(document, "Secret")
    except Invalid:
        raise Invalid("bad-credential-helper", "the credential helper did not print a login") from None
    if not secret:
        return None
    if username == _TOKEN_USER:
        return Login("", Secret(""), Secret(secret))
    return Login(username, Secret(secret), Secret(""))


def helper_question(registry: str) -> str:
    """Return the name helpers know a registry by: Docker Hub has an old one."""
    return "https://index.docker.io/v1/" if registry == "docker.io" else registry


def _keys(registry: str, repository: str) -> Iterator[str]:
    path = f"{registry}/{repository}"
    while path:
        yield path
        path = path.rpartition("/")[0]


def _place(key: str) -> str:
    """Return an entry's key as registry, or registry and path, whatever form it was written in."""
    plain = key.removeprefix("https://").removeprefix("http://")
    host, _, path = plain.partition("/")
    host = "docker.io" if host in _DOCKER_NAMES else host
    path = "" if plain != key or path in ("v1", "v1/", "v2", "v2/") else path.strip("/")
    return f"{host}/{path}" if path else host


def _login(entry: Mapping[str, Any]) -> Login | None:
    identity = text_at(entry, "identitytoken")
    try:
        pair = base64.b64decode(text_at(entry, "auth"), validate=True).decode("utf-8").rstrip("\0")
    except ValueError:
        raise Invalid("bad-auth-file", "a login is not base64") from None
    username, _, password = pair.partition(":")
    username, password = username or text_at(entry, "username"), password or text_at(entry, "password")
    if not identity and not password:
        return None
    return Login(username, Secret(password), Secret(identity))
