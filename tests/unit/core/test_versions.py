import pytest

from podup.core.versions import is_version, newest_above, parse_tag, parse_version, tag_of
from podup.errors import Invalid

ORDER = [
    "1.0.0-alpha",
    "1.0.0-alpha.1",
    "1.0.0-alpha.beta",
    "1.0.0-beta",
    "1.0.0-beta.2",
    "1.0.0-beta.11",
    "1.0.0-rc.1",
]
ORDER += ["1.0.0", "1.0.1", "1.9.0", "1.10.0", "2.0.0"]


def test_versions_order_as_the_specification_lists_them():
    versions = [parse_version(text) for text in ORDER]
    assert sorted(reversed(versions)) == versions
    assert [str(version) for version in versions] == ORDER


def test_build_metadata_does_not_order_but_is_kept():
    assert parse_version("1.0.0+a") == parse_version("1.0.0+b")
    assert str(parse_version("1.0.0-rc.1+a.2")) == "1.0.0-rc.1+a.2"


def test_a_tag_has_a_v_or_none():
    assert parse_tag("v1.2.3") == parse_tag("1.2.3")
    assert parse_tag("v1.2.3").tag == "v1.2.3"
    assert [tag_of(text) for text in ("", "1.2.3", "v1.2.3-rc.1")] == ["", "v1.2.3", "v1.2.3-rc.1"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "1.2",
        "1.2.3.4",
        "01.2.3",
        "1.2.3-",
        "1.2.3-01",
        "1.2.3+",
        "vv1.2.3",
        "1.2.3 ",
        "1.2.3\n",
        "latest",
        "1.2.3-" + "a" * 200,
    ],
)
def test_anything_else_is_refused(text):
    assert not is_version(text)
    with pytest.raises(Invalid, match="not a version"):
        parse_version(text)


@pytest.mark.parametrize(
    ("tag", "tags", "newest"),
    [
        ("v1.2.0", ("v1.2.0", "v1.3.0", "v1.10.0", "latest"), "v1.10.0"),
        ("1.2.0", ("1.1.9", "1.2.0"), ""),
        ("1.2.0", ("1.3.0-rc.1",), ""),
        ("1.3.0-rc.1", ("1.3.0-rc.2", "1.2.9"), "1.3.0-rc.2"),
        ("latest", ("v9.9.9",), ""),
    ],
)
def test_the_newest_tag_above_one(tag: str, tags: tuple[str, ...], newest: str) -> None:
    assert newest_above(tag, tags) == newest
