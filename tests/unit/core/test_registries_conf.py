import pytest

from podup.core.images import parse_ref
from podup.core.registries_conf import Place, Registries, read_registries
from podup.errors import Invalid, Refused

D = "sha256:" + "a" * 64
CONF = """
unqualified-search-registries = ["docker.io"]
[aliases]
"nginx" = "docker.io/library/nginx"

[[registry]]
location = "localhost:5000"
insecure = true

[[registry]]
prefix = "ghcr.io"
location = "ghcr.io"

[[registry]]
prefix = "ghcr.io/acme"
location = "internal.test:8443/copies/acme"

[[registry.mirror]]
location = "m1.test/acme/"
insecure = true
[[registry.mirror]]
location = "m2.test"
pull-from-mirror = "digest-only"
[[registry.mirror]]
location = "m3.test"
pull-from-mirror = "tag-only"

[[registry]]
prefix = "ghcr.io/acme/secret"
blocked = true

[[registry]]
prefix = "*.example.org"
insecure = true

[[registry]]
prefix = "*.sub.example.org"
location = "elsewhere.test"
"""


def places(text, *, conf=CONF, **more):
    found = read_registries([conf], **more).places(parse_ref(text))
    return [("!" if place.insecure else "") + f"{place.registry}/{place.repository}" for place in found]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("quay.io/a/b", ["quay.io/a/b"]),
        ("nginx", ["docker.io/library/nginx"]),
        ("localhost:5000/web", ["!localhost:5000/web"]),
        ("localhost:5001/web", ["localhost:5001/web"]),
        ("ghcr.io/other/web", ["ghcr.io/other/web"]),
        ("ghcr.io/acmeria/web", ["ghcr.io/acmeria/web"]),
        ("ghcr.io/acme/web:1", ["!m1.test/acme/web", "m3.test/web", "internal.test:8443/copies/acme/web"]),
        (f"ghcr.io/acme/web@{D}", ["!m1.test/acme/web", "m2.test/web", "internal.test:8443/copies/acme/web"]),
        ("a.example.org/web", ["!a.example.org/web"]),
        ("a.example.org:5000/web", ["!a.example.org:5000/web"]),
        ("example.org/web", ["example.org/web"]),
        ("badexample.org/web", ["badexample.org/web"]),
        ("a.sub.example.org/web", ["elsewhere.test/web"]),
    ],
)
def test_places(text, found):
    assert places(text) == found


def test_blocked():
    with pytest.raises(Refused) as caught:
        places("ghcr.io/acme/secret/x")
    assert caught.value.code == "registry-blocked"


def test_later_files_replace_rules_of_the_same_prefix():
    later = '[[registry]]\nprefix = "ghcr.io/acme"\nlocation = "new.test"\n'
    assert [p.registry for p in read_registries([CONF,
    later]).places(parse_ref("ghcr.io/acme/web"))] == ["new.test"]


def test_settings_may_add_insecure_hosts():
    assert places("reg.test:5000/web", insecure_hosts=["reg.test:5000"]) == ["!reg.test:5000/web"]
    assert places("reg.test/web", insecure_hosts=["reg.test:5000"]) == ["reg.test/web"]


def test_mirror_by_digest_only_of_the_whole_registry():
    conf = '[[registry]]\nlocation = "a.test"\nmirror-by-digest-only = true\n'
    conf += '[[registry.mirror]]\nlocation = "m.test"\n'
    assert places("a.test/web:1", conf=conf) == ["a.test/web"]
    assert places(f"a.test/web@{D}", conf=conf) == ["m.test/web", "a.test/web"]


def test_version_one():
    conf = '[registries.search]\nregistries = ["x"]\n[registries.insecure]\nregistries = ["a.test"]\n'
    assert places("a.test/web", conf=conf) == ["!a.test/web"]
    with pytest.raises(Refused):
        places("b.test/web", conf='[registries.block]\nregistries = ["b.test"]\n')


def test_the_hub_answers_elsewhere():
    assert Place("docker.io", "library/nginx").host == "registry-1.docker.io"
    assert Place("ghcr.io", "a/b").host == "ghcr.io"
    assert Registries().places(parse_ref("nginx")) == (Place("docker.io", "library/nginx"),)


@pytest.mark.parametrize(
    "conf",
    ["[", "registry = 1", "registry = [1]", "[[registry]]", "[[registry]]\nlocation = 1",
     "[[registry]]\nlocation = 'a'\ninsecure = 'yes'", "[[registry]]\nlocation = 'a'\nmirror = 1",
     "[[registry]]\nlocation = 'a'\n[[registry.mirror]]\ninsecure = true",
     "[registries.insecure]\nregistries = [1]",
     "\x00", "a = '''"],
)  # fmt: skip
def test_refuses(conf):
    with pytest.raises(Invalid) as caught:
        read_registries([conf])
    assert caught.value.code == "bad-registries-conf"
