import pytest

from podup.core.images import ImageRef, has_registry, is_tag, parse_ref
from podup.errors import Invalid

D = "sha256:" + "a" * 64
D512 = "sha512:" + "b" * 128


@pytest.mark.parametrize(
    ("text", "registry", "repository", "tag", "digest"),
    [
        ("nginx", "docker.io", "library/nginx", None, None),
        ("nginx:1.27", "docker.io", "library/nginx", "1.27", None),
        ("acme/web", "docker.io", "acme/web", None, None),
        ("docker.io/nginx", "docker.io", "library/nginx", None, None),
        ("index.docker.io/nginx", "docker.io", "library/nginx", None, None),
        ("index.docker.io/acme/web:1", "docker.io", "acme/web", "1", None),
        ("ghcr.io/acme/web:latest", "ghcr.io", "acme/web", "latest", None),
        ("GHCR.io/acme/web", "ghcr.io", "acme/web", None, None),
        ("localhost/web", "localhost", "web", None, None),
        ("localhost:5000/web:1", "localhost:5000", "web", "1", None),
        ("localhost:5000/a/b/c", "localhost:5000", "a/b/c", None, None),
        ("web:5000", "docker.io", "library/web", "5000", None),
        ("127.0.0.1:5000/web", "127.0.0.1:5000", "web", None, None),
        ("[::1]:5000/web:x", "[::1]:5000", "web", "x", None),
        (f"ghcr.io/acme/web@{D}", "ghcr.io", "acme/web", None, D),
        (f"ghcr.io/acme/web:1@{D}", "ghcr.io", "acme/web", "1", D),
        (f"web@{D512}", "docker.io", "library/web", None, D512),
        ("a_b__c-d--e/f.g", "docker.io", "a_b__c-d--e/f.g", None, None),
        ("web:_A.b-C", "docker.io", "library/web", "_A.b-C", None),
        ("web:" + "t" * 128, "docker.io", "library/web", "t" * 128, None),
        ("x" * 237, "docker.io", "library/" + "x" * 237, None, None),
    ],
)
def test_reads(text, registry, repository, tag, digest):
    assert parse_ref(text) == ImageRef(registry, repository, tag, digest)


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "-web", "--privileged", "-", "web ", " web", "we b", "web\n", "web\x00", "\tweb",
        "web\x7f", "wéb", "web:", ":1", "@", f"@{D}", "web@", "web@sha256:abc", "web@" + D.upper(),
        f"web@{D}@{D}", f"web@{D}0", "web@md5:" + "a" * 32, "web:-1", "web:.1", "web:" + "t" * 129,
        "web:a b", "web:a/b:c:d", "a::b", "web:1:2", "Web", "ghcr.io/Acme/web", "ghcr.io/acme/Web",
        "ghcr.io/", "ghcr.io//web", "/web", "web/", "a//b", "a/../b", "../etc", "./web", "a/./b", ".web",
        "web.", "_web", "web_", "a..b", "a___b", "a._b", "web-", "ghcr.io:/web", "ghcr.io:999999/web",
        "ghcr.io:x/web", "-ghcr.io/web", "ghcr-.io/web", "ghcr..io/web", "https://ghcr.io/acme/web",
        "docker://web", "user@ghcr.io/web", "user:pw@ghcr.io/web", "a" * 64, "a\\b", "[::1/web", "::1/web",
        "[::g]/web", "$(id)", "`id`", "a;b", "a|b", "a&b", "a%2fb", "a?b", "a#b", "*", "a'b", "x" * 238,
        "ghcr.io/" + "a/" * 130 + "b", "y" * 5000, "\ud800", "web:\ud800", "web\u2028",
        "\uff57\uff45\uff42", "web:\uff11", "web\u0661", "a_b.c/x",
    ],
)  # fmt: skip
def test_refuses(text):
    with pytest.raises(Invalid) as caught:
        parse_ref(text)
    assert caught.value.code == "bad-image-reference"
    assert caught.value.hint
    assert len(caught.value.message) < 400


def test_reference_prefers_the_digest_and_defaults_to_latest():
    assert parse_ref("web").reference == "latest"
    assert parse_ref("web:1").reference == "1"
    assert parse_ref(f"web:1@{D}").reference == D
    assert str(parse_ref("web").with_default_tag()) == "docker.io/library/web:latest"
    assert parse_ref(f"web@{D}").with_default_tag().tag is None


def test_a_digest_replaces_the_tag():
    ref = parse_ref("ghcr.io/acme/web:1")
    assert str(ref.with_digest(D)) == f"ghcr.io/acme/web@{D}"
    assert ref.name == "ghcr.io/acme/web"
    for bad in ("", "-x", "a b", "x" * 129):
        assert not is_tag(bad)
    with pytest.raises(Invalid):
        ref.with_digest("sha256:1")


def test_registry_named_or_understood():
    assert has_registry("ghcr.io/a/b") and has_registry("localhost/a") and has_registry("h:1/a")
    assert not has_registry("a/b") and not has_registry("nginx:1.2") and not has_registry("a.b")
