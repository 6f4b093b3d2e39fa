import json

import pytest
from registry_peer import DOCKER_LIST, FakeRegistry, reply

from podup.clock import SystemClock
from podup.core.digests import digest_of
from podup.core.images import parse_ref
from podup.core.platforms import Platform
from podup.core.registries_conf import Registries, read_registries
from podup.errors import PodupError
from podup.net.http import Http
from podup.net.registry import Registry
from podup.net.registry_login import Logins
from podup.recipes.facts import RemoteImage

AMD64 = Platform("linux", "amd64")
ARM = Platform("linux", "arm", "v7")


class Clock(SystemClock):
    """The machine's clock, and later when a test says so."""

    ahead_s = 0.0

    def monotonic(self):
        return super().monotonic() + self.ahead_s


def registry_for(*servers, clock=None, login=None, conf="", timeout_s=2.0, tmp_path=None, helper=None):
    clock = clock or Clock()
    hosts = {server.host for server in servers}
    paths = ()
    if login is not None:
        paths = (tmp_path / "none.json", tmp_path / "auth.json")
        paths[1].write_text(json.dumps(login))
    return Registry(
        Http(clock),
        clock,
        logins=Logins(paths, helper),
        registries=read_registries([conf], insecure_hosts=hosts) if conf else Registries((),
        frozenset(hosts)),
        timeout_s=timeout_s,
    )


def refusal(registry, ref, platform=AMD64):
    with pytest.raises(PodupError) as caught:
        registry.resolve(parse_ref(ref), platform)
    assert caught.value.message and caught.value.hint
    return caught.value


def test_a_single_manifest():
    with FakeRegistry() as server:
        digest = server.push("acme/web", "1", server.put_image("one"))
        found = registry_for(server).resolve(parse_ref(f"{server.host}/acme/web:1"), AMD64)
    assert found == RemoteImage(digest, "", digest_of(b"one"), 7 + 100 + 23)


def test_no_tag_is_latest():
    with FakeRegistry() as server:
        digest = server.push("web", "latest", server.put_image())
        assert registry_for(server).resolve(parse_ref(f"{server.host}/web"), AMD64).digest == digest


@pytest.mark.parametrize("media_type", [DOCKER_LIST, "application/vnd.oci.image.index.v1+json"])
def test_an_index_is_resolved_for_the_platform(media_type):
    with FakeRegistry() as server:
        images = {name: server.put_image(name) for name in ("linux/amd64", "linux/arm/v6", "unknown/unknown")}
        index = server.push("web", "1", server.put_index(images, media_type))
        registry, ref = registry_for(server), parse_ref(f"{server.host}/web:1")
        for platform, name in ((AMD64, "linux/amd64"), (ARM, "linux/arm/v6")):
            found = registry.resolve(ref, platform)
            assert (found.index_digest, found.digest, found.image_id) == (index, images[name],
            digest_of(name.encode()))
        assert registry.resolve(ref.with_digest(index), AMD64).digest == images["linux/amd64"]
        assert registry.resolve(ref.with_digest(images["linux/arm/v6"]), AMD64).index_digest == ""
        assert refusal(registry, f"{server.host}/web:1",
        Platform("linux", "s390x")).code == "no-such-platform"


def test_looking_again_costs_one_head():
    with FakeRegistry() as server:
        server.push("web", "1", server.put_index({"linux/amd64": server.put_image("a")}))
        registry, ref = registry_for(server), parse_ref(f"{server.host}/web:1")
        first = registry.resolve(ref, AMD64)
        del server.asked[:]
        assert registry.resolve(ref, AMD64) == first
        assert server.asked == ["HEAD /v2/web/manifests/1"]
        server.push("web", "1", server.put_index({"linux/amd64": server.put_image("b")}))
        assert registry.resolve(ref, AMD64).image_id == digest_of(b"b")


@pytest.mark.parametrize(("tells", "knows"), [(False, True), (True, False), (False, False)])
def test_registries_that_tell_less(tells, knows):
    with FakeRegistry(tells_digest=tells, knows_head=knows) as server:
        digest = server.push("web", "1", server.put_image())
        assert registry_for(server).resolve(parse_ref(f"{server.host}/web:1"), AMD64).digest == digest


def test_bearer_tokens_are_fetched_once_and_again_when_they_end():
    clock = Clock()
    with FakeRegistry(auth="bearer") as server:
        server.push("web", "1", server.put_image())
        registry, ref = registry_for(server, clock=clock), parse_ref(f"{server.host}/web:1")
        registry.resolve(ref, AMD64)
        registry.resolve(ref, AMD64)
        assert server.tokens_given == 1
        assert "GET /token?service=reg&scope=repository%3Aweb%3Apull" in server.asked
        clock.ahead_s = 291
        registry.resolve(ref, AMD64)
        assert server.tokens_given == 2
        server.tokens_good.clear()
        registry.resolve(ref, AMD64)
        assert server.tokens_given == 3


AUTHS = {"auths": {"HOST/acme": {"auth": "YWRhOnMzY3JldA=="}}}


def with_host(login, server):
    return json.loads(json.dumps(login).replace("HOST", server.host))


@pytest.mark.parametrize("auth", ["basic", "bearer"])
def test_logins_are_used(auth, tmp_path):
    with FakeRegistry(auth=auth) as server:
        server.faults["secret"] = []
        server.push("acme/web", "1", server.put_image())
        server.push("other/web", "1", server.put_image())
        registry = registry_for(server, login=with_host(AUTHS, server), tmp_path=tmp_path)
        assert registry.resolve(parse_ref(f"{server.host}/acme/web:1"), AMD64)
        assert refusal(registry, f"{server.host}/other/web:1").code == "registry-unauthorized"
        assert "podman login" in refusal(registry_for(server), f"{server.host}/acme/web:1").hint


@pytest.mark.parametrize(
    "login",
    [{"credHelpers": {"HOST": "pass"}}, {"credsStore": "pass"}, {"auths": {"x": {}}, "credsStore": "pass"}]
)
def test_helpers_are_asked(login, tmp_path):
    called = []

    def helper(program, registry):
        called.append((program, registry))
        return b'{"ServerURL":"x","Username":"ada","Secret":"s3cret"}'

    with FakeRegistry(auth="basic") as server:
        server.push("web", "1", server.put_image())
        registry = registry_for(server, login=with_host(login, server), tmp_path=tmp_path, helper=helper)
        assert registry.resolve(parse_ref(f"{server.host}/web:1"), AMD64)
    assert called == [("pass", server.host)]


def test_an_identity_token_buys_a_token(tmp_path):
    login = {"auths": {"HOST": {"auth": "", "identitytoken": "idt"}}}
    with FakeRegistry(auth="bearer") as server:
        server.push("web", "1", server.put_image())
        registry = registry_for(server, login=with_host(login, server), tmp_path=tmp_path)
        assert registry.resolve(parse_ref(f"{server.host}/web:1"), AMD64)
        assert any(b"grant_type=refresh_token" in body and b"idt" in body for body in server.peer.bodies)
    assert "POST /token" in server.asked and not any("idt" in path for path in server.asked)


def test_a_broken_login_file_is_told_without_its_content(tmp_path):
    with FakeRegistry(auth="basic") as server:
        registry = registry_for(server, login={"auths": {server.host: {"auth": "s3cret!"}}},
        tmp_path=tmp_path)
        error = refusal(registry, f"{server.host}/web:1")
    assert error.code == "bad-auth-file" and "auth.json" in error.message and "s3cret" not in error.message


def limited(**headers):
    return [reply(b"", 429, **headers)]


@pytest.mark.parametrize(
    ("end", "pieces", "code"),
    [
        ("/manifests/1", [reply(b"", 404)], "image-not-found"),
        ("/manifests/1", [reply(b'{"errors":[{"code":"DENIED","message":"no"}]}', 403)],
         "registry-unauthorized"),
        ("*", [reply(b"", 401)], "registry-unauthorized"),
        ("*", [reply(b"", 401, WWW_Authenticate="Negotiate")], "registry-unauthorized"),
        ("*", [reply(b"", 401, WWW_Authenticate='Bearer realm="/token"')], "registry-unreachable"),
        ("*", [reply(b"", 401, WWW_Authenticate='Bearer realm="http://u:p@h/"')], "registry-unreachable"),
        ("/token", [reply(b"{}", 403)], "registry-unauthorized"),
        ("/token", [reply(b"{}", 404)], "registry-unauthorized"),
        ("/token", limited(Retry_After="7"), "registry-rate-limited"),
        ("/token", [reply(b"<html>", 200)], "registry-unreachable"),
        ("/token", [reply(b"{}", 200)], "registry-unreachable"),
        ("/token", [reply(b'{"token": "a\\r\\nX: y"}', 200)], "registry-unreachable"),
        ("/token", [reply(b"", 503)], "registry-unreachable"),
        ("*", limited(Retry_After="30"), "registry-rate-limited"),
        ("*", limited(), "registry-rate-limited"),
        ("*", [reply(b"", 500)], "registry-unreachable"),
        ("*", [reply(b"", 502)], "registry-unreachable"),
        ("*", [reply(b"<html>Sign in to the WLAN</html>", 200, Content_Type="text/html")],
         "registry-unreachable"),
        ("*", [reply(b"", 302, Location="/v2/")], "registry-unreachable"),
        ("*", [reply(b"", 302, Location="/login?next=x"), reply(b"")], "registry-unreachable"),
        ("*", [reply(b"x" * 5_000_000, 200)], "registry-unreachable"),
        ("*", [reply(b"{}", 200, Content_Encoding="gzip")], "registry-unreachable"),
        ("*", [b"garbage\r\n\r\n"], "registry-unreachable"),
        ("*", [], "registry-unreachable"),
    ],
)
def test_refusals(end, pieces, code):
    with FakeRegistry(auth="bearer" if end == "/token" else "none") as server:
        server.faults[end] = pieces
        error = refusal(registry_for(server), f"{server.host}/web:1")
    assert error.code == code
    if code == "registry-rate-limited":
        assert error.retry_after_s in (7, 30, 60)


@pytest.mark.parametrize("pieces",
[[5.0], [b"HTTP/1.1 200 X\r\n", 5.0], [b"HTTP/1.1 200 X\r\nContent-Length: 9\r\n\r\n{", 5.0]])
def test_a_slow_registry_ends_at_the_deadline(pieces):
    with FakeRegistry() as server:
        server.faults["*"] = pieces
        assert refusal(registry_for(server, timeout_s=0.4), f"{server.host}/web:1").code == "registry-slow"


def test_nobody_there():
    with FakeRegistry() as server:
        pass
    assert refusal(registry_for(server), f"{server.host}/web:1").code == "registry-unreachable"


def test_https_is_a_must_where_nothing_says_otherwise():
    with FakeRegistry() as server:
        server.push("web", "1", server.put_image())
        assert refusal(registry_for(), f"{server.host}/web:1").code == "registry-unreachable"
    assert not any(request.startswith("GET") for request in server.asked)


def test_content_that_is_not_its_digest():
    with FakeRegistry() as server:
        digest = server.push("web", "1", server.put_image())
        server.documents[digest] = server.documents[digest][0], b'{"schemaVersion": 2}'
        for ref in ("web:1", f"web@{digest}"):
            assert refusal(registry_for(server), f"{server.host}/{ref}").code == "registry-wrong-digest"


@pytest.mark.parametrize("document",
[b"[]", b"{}", b"<html>", b'{"schemaVersion": 1}', b'{"mediaType": "x/y"}', b"\xff"])
def test_documents_that_are_no_manifests(document):
    with FakeRegistry() as server:
        server.push("web", "1", server.put("text/html", document))
        assert refusal(registry_for(server), f"{server.host}/web:1").code == "registry-unreachable"


def test_an_index_in_an_index():
    with FakeRegistry() as server:
        inner = server.put_index({"linux/amd64": server.put_image()})
        server.push("web", "1", server.put_index({"linux/amd64": inner}))
        assert refusal(registry_for(server), f"{server.host}/web:1").code == "registry-unreachable"


def test_mirrors_come_first_and_failing_ones_are_passed_over():
    with FakeRegistry() as mirror, FakeRegistry() as own:
        conf = (
            f'[[registry]]\nprefix = "shop.test/acme"\nlocation = "{own.host}/x"\ninsecure = true\n'
            f'[[registry.mirror]]\nlocation = "{mirror.host}/copy"\ninsecure = true\n'
        )
        registry, ref = registry_for(mirror, own, conf=conf), parse_ref("shop.test/acme/web:1")
        theirs = own.push("x/web", "1", own.put_image("own"))
        assert registry.resolve(ref, AMD64).digest == theirs
        copy = mirror.push("copy/web", "1", mirror.put_image("copy"))
        assert registry.resolve(ref, AMD64).digest == copy
        mirror.faults["*"] = [reply(b"", 500)]
        assert registry.resolve(ref, AMD64).digest == theirs


def test_blocked():
    registry = registry_for(conf='[[registry]]\nlocation = "bad.test"\nblocked = true\n')
    assert refusal(registry, "bad.test/web:1").code == "registry-blocked"


def test_tags_over_several_pages():
    with FakeRegistry() as server:
        names = [f"v{number}" for number in range(7)]
        digest = server.put_image()
        for name in names:
            server.push("web", name, digest)
        assert registry_for(server).tags(parse_ref(f"{server.host}/web")) == tuple(names)
        assert registry_for(server).tags(parse_ref(f"{server.host}/none")) == ()
        server.faults["/tags/list"] = [reply(b"[]")]
        with pytest.raises(PodupError):
            registry_for(server).tags(parse_ref(f"{server.host}/web"))
        server.faults["/tags/list"] = [reply(b'{"tags": ["a"]}', Link='</v2/web/tags/list?x>; rel="next"')]
        assert registry_for(server).tags(parse_ref(f"{server.host}/web")) == ("a",) * 20
