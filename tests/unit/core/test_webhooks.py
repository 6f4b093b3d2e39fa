import json
from urllib.parse import urlencode

import pytest
from github_events import D, body, package, version

from podup.core.images import parse_ref
from podup.core.webhooks import (
    Ignored,
    Matched,
    Mismatch,
    PackageEvent,
    Ping,
    match,
    read_event,
    read_generic,
    unwrap_body,
)
from podup.errors import Invalid

E = "sha256:" + "d" * 64
FORM = "application/x-www-form-urlencoded"


def read(inner, event="package"):
    return read_event(event, body(event, inner))


@pytest.mark.parametrize("event", ["package", "registry_package"])
@pytest.mark.parametrize("action", ["published", "updated"])
def test_both_events_and_both_actions(event, action):
    found = read_event(event, body(event, action=action))
    assert found == PackageEvent("ghcr.io/octo/hello", ("v1",), D, event, action)


def test_the_body_names_the_event_when_header_and_body_are_both_packages():
    assert read_event("registry_package", body("package")).event == "package"


@pytest.mark.parametrize(
    ("inner", "image"),
    [
        (package(), "ghcr.io/octo/hello"),
        (package(package_version=version(package_url="ghcr.io/Octo/Hello:v1")), "ghcr.io/octo/hello"),
        (package(package_version=version(package_url="ghcr.io/octo/hello:")), "ghcr.io/octo/hello"),
        (package(package_version=version(package_url="ghcr.io/octo/hello")), "ghcr.io/octo/hello"),
        (package(package_version=version(package_url=f"ghcr.io/octo/hello@{D}")), "ghcr.io/octo/hello"),
        (package(package_version=version(package_url="ghcr.io/octo/mono/api:v1")), "ghcr.io/octo/mono/api"),
        (package(package_version=version(package_url="containers.acme.example:8443/o/h:1")),
         "containers.acme.example:8443/o/h"),
        (package(package_version=version(package_url="")), "ghcr.io/octo/hello"),
        (package(package_version=version(package_url=None)), "ghcr.io/octo/hello"),
        (package(package_version=version(package_url=...)), "ghcr.io/octo/hello"),
        (package(package_version=version(package_url="https://github.com/octo/hello/packages/1")),
         "ghcr.io/octo/hello"),
        (package(package_version=version(package_url=...), name="Mono/API", owner={"login": "OCTO"}),
         "ghcr.io/octo/mono/api"),
        (package(package_version=version(package_url=...), owner=..., namespace="Team"),
         "ghcr.io/team/hello"),
        (package(package_version=version(package_url=...), registry=...), "ghcr.io/octo/hello"),
        (package(package_version=version(package_url=...), registry={}), "ghcr.io/octo/hello"),
        (package(package_version=version(package_url=...), registry=[]), "ghcr.io/octo/hello"),
        (package(package_version=version(package_url=...),
         registry={"url": "https://containers.acme.example/octo"}),
         "containers.acme.example/octo/hello"),
        (package(package_version=version(package_url=...),
         registry={"url": "https://docker.pkg.github.com/octo"},
                 package_type="docker"), "docker.pkg.github.com/octo/hello"),
    ],
)  # fmt: skip
def test_image(inner, image):
    assert read(inner).image == image


@pytest.mark.parametrize(
    ("parts", "tags"),
    [
        ({}, ("v1",)),
        ({"container_metadata": {"tag": {"name": "v1"}, "tags": ["v1", "latest", "v1.2"]}},
         ("v1", "latest", "v1.2")),
        ({"container_metadata": {"tags": [{"name": "a"}, "b"]}, "package_url": "ghcr.io/o/h:c"}, ("a", "b")),
        ({"metadata": {"package_type": "container", "container": {"tags": ["x", "y"]}}}, ("v1", "x", "y")),
        ({"container_metadata": {}, "metadata": {"container": {"tags": ["x"]}}}, ("x",)),
        ({"container_metadata": None}, ("v1",)),
        ({"container_metadata": []}, ("v1",)),
        ({"container_metadata": ...}, ("v1",)),
        ({"container_metadata": {"tag": {"name": ""}}, "package_url": "ghcr.io/octo/hello:"}, ()),
        ({"container_metadata": {"tag": None, "tags": None}, "package_url": ""}, ()),
        ({"container_metadata": {"tag": {}}, "package_url": ""}, ()),
    ],
)  # fmt: skip
def test_all_tags(parts, tags):
    assert read(package(package_version=version(**parts))).tags == tags


@pytest.mark.parametrize(
    ("parts", "digest"),
    [
        ({}, D),
        ({"version": E}, E),
        ({"version": "1.0.0", "container_metadata": {"tag": {"name": "v1", "digest": E}}}, E),
        ({"version": "", "container_metadata": {"manifest": {"digest": E}}}, E),
        ({"version": None, "container_metadata": {"tag": {"name": "v1"}}}, None),
        ({"version": ..., "container_metadata": {"manifest": ""}}, None),
    ],
)
def test_digest(parts, digest):
    assert read(package(package_version=version(**parts))).digest == digest


def test_a_package_without_a_version_has_no_tags():
    assert read(package(package_version=None)) == PackageEvent("ghcr.io/octo/hello", (), None, "package",
    "published")


@pytest.mark.parametrize("kind", ["container", "CONTAINER", "Container", "docker"])
def test_container_kinds(kind):
    assert isinstance(read(package(package_type=kind, ecosystem=...)), PackageEvent)
    assert isinstance(read(package(package_type=..., ecosystem=kind)), PackageEvent)


@pytest.mark.parametrize("kind", ["npm", "maven", "rubygems", "nuget", "", None, ...])
def test_other_kinds_are_ignored(kind):
    found = read(package(package_type=kind, ecosystem=kind))
    assert isinstance(found, Ignored) and found.code == "not-a-container"


PING = json.dumps({"zen": "Keep it simple.", "hook_id": 1, "hook": {"events": ["package"]}}).encode()


@pytest.mark.parametrize(
    ("header", "data", "code"),
    [
        (None, body(), "event-not-handled"),
        ("", body(), "event-not-handled"),
        ("push", body(), "event-not-handled"),
        ("Package", body(), "event-not-handled"),
        ("workflow_run", json.dumps({"action": "completed"}).encode(), "event-not-handled"),
        ("\ud800" * 500, body(), "event-not-handled"),
        ("package", PING, "event-mismatch"),
        ("package", b"{}", "event-mismatch"),
        ("package", json.dumps({"action": "published", "package": None}).encode(), "event-mismatch"),
        ("package", json.dumps({"action": "published", "client_payload": {"package": {}}}).encode(),
         "event-mismatch"),
        ("ping", body(), "event-mismatch"),
        ("ping", b"{}", "event-mismatch"),
        ("package", body(action="deleted"), "action-not-handled"),
        ("package", body(action="PUBLISHED"), "action-not-handled"),
        ("package", body(action=...), "action-not-handled"),
        ("package", body(action=None), "action-not-handled"),
    ],
)
def test_ignored_with_a_reason(header, data, code):
    found = read_event(header, data)
    assert isinstance(found, Ignored)
    assert found.code == code and found.reason
    assert len(found.reason) < 500


def test_ping():
    assert read_event("ping", PING) == Ping()
    assert read_event("ping", b'{"hook_id": 1}') == Ping()


@pytest.mark.parametrize(
    "data",
    [
        b"", b"[]", b"null", b"{", b"\xff", body(inner="x"), body(inner=[1]), body(inner=True),
        body(action=5),
        body(action=["published"]), body(inner=package(package_type=1)),
        body(inner=package(package_version=3)),
        body(inner=package(package_version=[1])), body(inner=package(package_version=version(package_url=1))),
        body(inner=package(package_version=version(package_url="ghcr.io/a b/c:1"))),
        body(inner=package(package_version=version(package_url="ghcr.io/../c:1"))),
        body(inner=package(package_version=version(package_url="ghcr.io/octo/hello:-x"))),
        body(inner=package(package_version=version(container_metadata="x"))),
        body(inner=package(package_version=version(container_metadata={"tag": "v1"}))),
        body(inner=package(package_version=version(container_metadata={"tag": {"name": 1}}))),
        body(inner=package(package_version=version(container_metadata={"tags": "v1"}))),
        body(inner=package(package_version=version(container_metadata={"tags": [["v1"]]}))),
        body(inner=package(package_version=version(container_metadata={"tags": ["--rm"]}))),
        body(inner=package(package_version=version(container_metadata={"tags": ["a b"]}))),
        body(inner=package(package_version=version(container_metadata={"tags": ["x"] * 1001}))),
        body(inner=package(package_version=version(version="sha256:zz"))),
        body(inner=package(package_version=version(version=D.upper().replace("SHA", "sha")))),
        body(inner=package(package_version=version(package_url=...), name=None)),
        body(inner=package(package_version=version(package_url=...), owner=..., namespace=...)),
        body(inner=package(package_version=version(package_url=...), owner={"login": 5})),
        body(inner=package(package_version=version(package_url=...), owner={"login": "a/../b"})),
        body(inner=package(package_version=version(package_url=...), registry={"url": 5})),
        body(inner=package(package_version=version(package_url=...), registry={"url": "https://[::1/"})),
        body(inner=package(package_version=version(package_url=...),
        registry={"url": "https://u:p@ghcr.io/o"})),
    ],
)  # fmt: skip
def test_bodies_of_another_shape_are_invalid(data):
    with pytest.raises(Invalid):
        read_event("package", data)


@pytest.mark.parametrize(
    ("message", "tags", "digest"),
    [
        ({"image": "ghcr.io/a/b"}, ("latest",), None),
        ({"image": "ghcr.io/a/b:1"}, ("1",), None),
        ({"image": "ghcr.io/a/b", "tag": "1", "digest": D}, ("1",), D),
        ({"image": f"ghcr.io/a/b:1@{D}", "tag": "1", "digest": D}, ("1",), D),
        ({"image": f"ghcr.io/a/b@{D}", "more": [1]}, ("latest",), D),
        ({"image": "ghcr.io/a/b", "tag": None, "digest": None}, ("latest",), None),
    ],
)
def test_generic(message, tags, digest):
    found = read_generic(json.dumps(message).encode())
    assert found == PackageEvent("ghcr.io/a/b", tags, digest, "generic", "published")


@pytest.mark.parametrize(
    "message",
    [
        {}, {"image": ""}, {"image": None}, {"image": 1}, {"image": ["a"]}, {"image": "-a"}, {"image": "A/B"},
        {"image": "a:1", "tag": "2"}, {"image": "a", "tag": 1}, {"image": "a", "tag": "-x"},
        {"image": "a", "tag": "x y"},
        {"image": "a", "digest": "sha256:1"}, {"image": f"a@{D}", "digest": E}, {"image": "a", "digest": 5},
        {"package": {}}, [], "x", None,
    ],
)  # fmt: skip
def test_generic_refuses(message):
    with pytest.raises(Invalid):
        read_generic(json.dumps(message).encode())


EVENT = PackageEvent("ghcr.io/octo/hello", ("v1", "latest"), D, "package", "published")


@pytest.mark.parametrize(
    ("image", "code"),
    [
        ("ghcr.io/octo/hello:v1", None),
        ("ghcr.io/octo/hello:latest", None),
        ("ghcr.io/octo/hello", None),
        ("GHCR.IO/octo/hello", None),
        (f"ghcr.io/octo/hello:v1@{E}", None),
        (f"ghcr.io/octo/hello@{D}", None),
        (f"ghcr.io/octo/hello@{E}", "tag-mismatch"),
        ("ghcr.io/octo/hello:v2", "tag-mismatch"),
        ("ghcr.io/octo/hello:V1", "tag-mismatch"),
        ("ghcr.io/octo/hello2:v1", "image-mismatch"),
        ("ghcr.io/octo/hello/v1:v1", "image-mismatch"),
        ("octo/hello:v1", "image-mismatch"),
        ("quay.io/octo/hello:v1", "image-mismatch"),
        (None, "image-unknown"),
    ],
)
def test_match(image, code):
    ref = None if image is None else parse_ref(image)
    found = match(EVENT, ref)
    if code is None:
        assert found == Matched(ref)
    else:
        assert isinstance(found, Mismatch) and found.code == code and found.reason


def test_an_untagged_version_matches_no_tag():
    found = match(PackageEvent("ghcr.io/octo/hello", (), D, "package", "published"),
    parse_ref("ghcr.io/octo/hello"))
    assert isinstance(found, Mismatch) and "no tag" in found.reason


def test_forms_carry_the_same_json():
    form = urlencode({"payload": body()}).encode()
    for content_type in (FORM, f"{FORM.title()}; charset=utf-8"):
        assert read_event("package", unwrap_body(form, content_type)) == read_event("package", body())
    assert unwrap_body(form, "application/json") == form
    assert unwrap_body(b"{}", "") == b"{}"


@pytest.mark.parametrize(
    "form",
    [b"", b"payload", b"x=1", b"payload=1&payload=2", b"\xff=1", b"payload=%ff", b"&".join([b"a=1"] * 9)],
)
def test_forms_without_one_payload_are_invalid(form):
    with pytest.raises(Invalid):
        unwrap_body(form, FORM)
