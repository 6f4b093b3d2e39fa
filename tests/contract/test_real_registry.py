"""The registry client against Debian's docker-registry, plain, with a login and over TLS."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from real_registry import PROGRAM, RealRegistry, make_certificate

from podup.clock import SystemClock
from podup.core.images import parse_ref
from podup.core.manifests import DOCKER_MANIFEST
from podup.core.platforms import Platform
from podup.core.registries_conf import Registries
from podup.errors import PodupError
from podup.net.http import Http
from podup.net.registry import Registry
from podup.net.registry_login import Logins
from podup.net.trust import Trust

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="docker-registry is not installed")
AMD64 = Platform("linux", "amd64")


def client(*, insecure: str = "", trust: Path | None = None, logins: Path | None = None) -> Registry:
    clock = SystemClock()
    return Registry(
        Http(clock, trust=Trust((trust,) if trust is not None else ())),
        clock,
        logins=Logins((logins,) if logins is not None else ()),
        registries=Registries((), frozenset([insecure] if insecure else [])),
        timeout_s=10,
    )


def code_of(registry: Registry, ref: str) -> str:
    with pytest.raises(PodupError) as caught:
        registry.resolve(parse_ref(ref), AMD64)
    return caught.value.code


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealRegistry]:
    with RealRegistry(tmp_path_factory.mktemp("registry")) as registry:
        yield registry


@pytest.mark.parametrize("kind", ["application/vnd.oci.image.manifest.v1+json", DOCKER_MANIFEST])
def test_a_pushed_image_is_what_is_resolved(plain: RealRegistry, kind: str) -> None:
    digest, image_id = plain.push_image("acme/web", "1", kind, media_type=kind)
    registry, ref = client(insecure=plain.host), parse_ref(f"{plain.host}/acme/web:1")
    found = registry.resolve(ref, AMD64)
    assert (found.digest, found.index_digest, found.image_id) == (digest, "", image_id)
    assert found.size_bytes > 100
    assert registry.resolve(ref.with_digest(digest), AMD64) == found
    newer, _ = plain.push_image("acme/web", "1", "newer")
    assert registry.resolve(ref, AMD64).digest == newer


def test_an_index_is_resolved_for_the_machine(plain: RealRegistry) -> None:
    images = {name: plain.push_image("multi", name[6:].replace("/", "-"), name) for name in
              ("linux/amd64", "linux/arm64/v8", "linux/arm/v7")}  # fmt: skip
    entries = {name: digest for name, (digest, _) in images.items()}
    index = plain.push_index("multi", "latest", {"unknown/unknown": entries["linux/arm64/v8"]} | entries)
    registry, ref = client(insecure=plain.host), parse_ref(f"{plain.host}/multi")
    for name, (digest, image_id) in images.items():
        found = registry.resolve(ref, Platform.parse(name))
        assert (found.index_digest, found.digest, found.image_id) == (index, digest, image_id)
    with pytest.raises(PodupError) as caught:
        registry.resolve(ref, Platform("linux", "s390x"))
    assert caught.value.code == "no-such-platform" and "linux/amd64" in caught.value.message


def test_tags_and_what_is_not_there(plain: RealRegistry) -> None:
    for tag in ("v1", "v2", "v10"):
        plain.push_image("tagged", tag, "same")
    registry = client(insecure=plain.host)
    assert sorted(registry.tags(parse_ref(f"{plain.host}/tagged"))) == ["v1", "v10", "v2"]
    assert code_of(registry, f"{plain.host}/tagged:v3") == "image-not-found"
    assert code_of(registry, f"{plain.host}/never/pushed") == "image-not-found"
    assert code_of(client(), f"{plain.host}/tagged:v1") == "registry-unreachable"


def test_a_login_is_wanted(tmp_path: Path) -> None:
    login = tmp_path / "auth.json"
    with RealRegistry(tmp_path, login=True) as server:
        digest, _ = server.push_image("acme/web", "1", "secret")
        ref = f"{server.host}/acme/web:1"
        assert code_of(client(insecure=server.host), ref) == "registry-unauthorized"
        login.write_text(json.dumps({"auths": {server.host: {"auth": "YWRhOndyb25n"}}}))
        assert code_of(client(insecure=server.host, logins=login), ref) == "registry-unauthorized"
        login.write_text(json.dumps({"auths": {server.host: {"auth": "YWRhOnMzY3JldA=="}}}))
        assert client(insecure=server.host, logins=login).resolve(parse_ref(ref), AMD64).digest == digest


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_tls_holds_unless_told_otherwise(tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path)
    with RealRegistry(tmp_path, tls=certificate) as server:
        digest, _ = server.push_image("acme/web", "1", "tls")
        ref = parse_ref(f"{server.host}/acme/web:1")
        trusted = tmp_path / "certs.d" / server.host
        trusted.mkdir(parents=True)
        shutil.copy(certificate[0], trusted / "ca.crt")
        assert client(trust=trusted.parent).resolve(ref, AMD64).digest == digest
        assert client(insecure=server.host).resolve(ref, AMD64).digest == digest
        with pytest.raises(PodupError) as caught:
            client().resolve(ref, AMD64)
        assert caught.value.code == "registry-unreachable" and "trusted" in caught.value.message
        other = f"localhost:{server.host.rpartition(':')[2]}"
        shutil.copytree(trusted, trusted.parent / other)
        assert code_of(client(trust=trusted.parent), f"{other}/acme/web:1") == "registry-unreachable"
        (trusted / "ca.crt").write_text("not a certificate")
        assert code_of(client(trust=trusted.parent), str(ref)) == "registry-unreachable"


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_one_authority_for_all(tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path)
    with RealRegistry(tmp_path, tls=certificate) as server:
        http = Http(SystemClock(), trust=Trust(authorities=certificate[0]))
        assert http.fetch("GET", f"https://{server.host}/v2/").ok
