import json

import pytest

from podup.core.manifests import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_INDEX,
    OCI_MANIFEST,
    Descriptor,
    Index,
    Manifest,
    read_manifest,
)  # fmt: skip
from podup.core.platforms import Platform, choose_manifest, wanted_variants
from podup.errors import Invalid, NotFound


def d(number: int) -> str:
    return f"sha256:{number:064x}"


def manifest(**changes) -> bytes:
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": d(1), "size": 10},
        "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": d(2), "size": 20}],
    }
    return json.dumps({k: v for k, v in (document | changes).items() if v is not ...}).encode()


def index(*platforms: str, **changes) -> bytes:
    entries = []
    for number, text in enumerate(platforms):
        os, architecture, variant = (*text.split("/"), "", "")[:3]
        platform = {"os": os, "architecture": architecture} | ({"variant": variant} if variant else {})
        entries.append({"mediaType": OCI_MANIFEST, "digest": d(number), "size": 5, "platform": platform})
    return json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries} | changes).encode()


def test_reads_a_manifest_and_an_index():
    found = read_manifest(manifest(), "")
    assert isinstance(found, Manifest)
    assert found.config.digest == d(1) and [layer.size for layer in found.layers] == [20]
    listed = read_manifest(index("linux/amd64", "linux/arm/v7"), OCI_INDEX)
    assert isinstance(listed, Index)
    assert listed.entries[1] == Descriptor(d(1), 5, OCI_MANIFEST, "linux", "arm", "v7")


@pytest.mark.parametrize(
    ("content", "header", "media_type"),
    [
        (manifest(mediaType=DOCKER_MANIFEST), OCI_INDEX, DOCKER_MANIFEST),
        (manifest(mediaType=...), OCI_MANIFEST + "; charset=utf-8", OCI_MANIFEST),
        (manifest(mediaType=...), "application/json", OCI_MANIFEST),
        (index(mediaType=None), "", OCI_INDEX),
        (index(mediaType=DOCKER_LIST), "text/plain", DOCKER_LIST),
    ],
)
def test_type_comes_from_the_document_then_the_header_then_the_shape(content, header, media_type):
    assert read_manifest(content, header).media_type == media_type


@pytest.mark.parametrize(
    "content",
    [
        b"", b"<html>", b"[]", b"null", b"{}", b'{"schemaVersion": 1, "fsLayers": []}', manifest(config=...),
        manifest(config=[]), manifest(config={"digest": "sha256:1"}), manifest(layers={}),
        manifest(layers=[1]),
        manifest(layers=[{"digest": d(1), "size": -1}]), manifest(layers=[{"digest": d(1), "size": "9"}]),
        manifest(mediaType=5), manifest(mediaType="application/vnd.docker.distribution.manifest.v1+json"),
        index(manifests="x"), index(manifests=[{"digest": d(1), "size": 1, "platform": "linux"}]),
        index(manifests=[{"digest": d(1), "size": 1, "platform": {"os": 1}}]),
    ],
)  # fmt: skip
def test_refuses(content):
    with pytest.raises(Invalid) as caught:
        read_manifest(content, "")
    assert caught.value.code == "bad-manifest"


@pytest.mark.parametrize(
    ("machine", "name"),
    [("x86_64", "linux/amd64"), ("aarch64", "linux/arm64/v8"), ("armv7l", "linux/arm/v7"),
     ("armv6l", "linux/arm/v6"),
     ("i686", "linux/386"), ("s390x", "linux/s390x"), ("ppc64le", "linux/ppc64le"),
      ("riscv64", "linux/riscv64"),
     ("vax", "linux/vax")],
)  # fmt: skip
def test_machines(machine, name):
    assert str(Platform.from_machine(machine)) == name
    assert Platform.parse(name) == Platform.from_machine(machine)


@pytest.mark.parametrize(
    ("platform", "variants"),
    [("linux/amd64", ("",)), ("linux/amd64/v3", ("v3", "")), ("linux/arm/v7", ("v7", "v6", "v5", "")),
     ("linux/arm64/v8", ("v8", "")), ("linux/arm64", ("", "v8")),
      ("linux/arm", ("", "v8", "v7", "v6", "v5"))],
)  # fmt: skip
def test_variants(platform, variants):
    assert wanted_variants(Platform.parse(platform)) == variants


ATTESTED = ("linux/amd64", "unknown/unknown", "linux/arm64", "linux/arm/v6", "linux/arm/v7", "windows/amd64")


@pytest.mark.parametrize(
    ("machine", "offered", "chosen"),
    [
        ("x86_64", ATTESTED, 0),
        ("aarch64", ATTESTED, 2),
        ("aarch64", ("linux/arm64", "linux/arm64/v8"), 1),
        ("armv7l", ATTESTED, 4),
        ("armv7l", ("linux/arm/v5", "linux/arm/v6"), 1),
        ("armv7l", ("linux/arm64/v8", "linux/arm"), 1),
        ("armv6l", ATTESTED, 3),
        ("x86_64", ("windows/amd64", "linux/amd64", "linux/amd64"), 1),
        ("x86_64", ("unknown/unknown", "linux/amd64"), 1),
    ],
)
def test_chooses(machine, offered, chosen):
    listed = read_manifest(index(*offered), "")
    assert choose_manifest(listed.entries, Platform.from_machine(machine)).digest == d(chosen)


@pytest.mark.parametrize(
    ("machine", "offered"),
    [("armv6l", ("linux/arm/v7",)), ("x86_64", ("linux/arm64", "unknown/unknown")), ("x86_64", ()),
     ("x86_64", ("windows/amd64",)), ("i686", ("linux/amd64",)), ("aarch64", ("linux/arm/v7",))],
)  # fmt: skip
def test_says_what_there_is_when_nothing_fits(machine, offered):
    listed = read_manifest(index(*offered), "")
    with pytest.raises(NotFound) as caught:
        choose_manifest(listed.entries, Platform.from_machine(machine))
    assert caught.value.code == "no-such-platform"
    assert all(name in caught.value.message for name in offered if name != "unknown/unknown")
    assert "unknown" not in caught.value.message
