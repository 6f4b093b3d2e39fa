import pytest

from podup.core.releases import (
    BETA,
    Release,
    Verb,
    choose,
    is_in_canary,
    newest,
    rate_limit_wait,
    read_release,
    read_releases,
)
from podup.core.versions import parse_tag
from podup.errors import Invalid


def entry(tag, **more):
    return {"tag_name": tag, "draft": False, "prerelease": False, **more}


def release(tag):
    return Release(tag, parse_tag(tag))


def test_a_release_is_read_from_the_api_shape():
    value = entry(
        "v1.2.0", assets=[{"name": "other"}, {"name": "pod-upgrade-trigger.pyz", "size": 812}], body="x"
    )
    assert read_release(value) == Release("v1.2.0", parse_tag("1.2.0"), False, 812)


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        "v1.0.0",
        {},
        {"tag_name": 3},
        entry("nightly"),
        entry("v1.0.0", draft=True),
        {"message": "Not Found"},
    ],
)
def test_what_is_no_release_is_left_out(value):
    assert read_release(value) is None


def test_a_list_that_is_none_is_an_error():
    with pytest.raises(Invalid):
        read_releases({"message": "API rate limit exceeded"})


def test_channels():
    found = read_releases(
        [entry("v1.9.0"), entry("v1.10.0"), entry("v2.0.0-rc.1"), entry("v3.0.0", prerelease=True)]
    )
    assert newest(found, "stable").tag == "v1.10.0"
    assert newest(found, BETA).tag == "v3.0.0"
    assert newest((), "stable") is None


CHOICES = [
    ("newer is taken", "1.1.0", "1.0.0", {}, False, False, Verb.TAKE),
    ("the same is not", "1.0.0", "1.0.0", {}, False, False, Verb.UP_TO_DATE),
    ("the same with force", "1.0.0", "1.0.0", {}, False, True, Verb.TAKE),
    ("older is not", "0.9.0", "1.0.0", {}, False, False, Verb.UP_TO_DATE),
    ("older by tag", "0.9.0", "1.0.0", {}, True, False, Verb.TAKE),
    ("older with force", "0.9.0", "1.0.0", {}, False, True, Verb.TAKE),
    ("rejected is not", "1.1.0", "1.0.0", {"1.1.0": "crashed"}, False, False, Verb.REFUSE),
    ("rejected by tag is not", "1.1.0", "1.0.0", {"1.1.0": "crashed"}, True, False, Verb.REFUSE),
    ("rejected with force", "1.1.0", "1.0.0", {"1.1.0": "crashed"}, True, True, Verb.TAKE),
    ("release after its candidate", "1.1.0", "1.1.0-rc.1", {}, False, False, Verb.TAKE),
    ("another build of one version", "1.0.0+b", "1.0.0+a", {}, False, False, Verb.TAKE),
]


@pytest.mark.parametrize(
    ("says", "found", "current", "rejected", "by_tag", "force", "verb"), CHOICES, ids=[c[0] for c in CHOICES]
)
def test_choice(says, found, current, rejected, by_tag, force, verb):
    assert choose(release(found), current=current, rejected=rejected, by_tag=by_tag, force=force).verb is verb


def test_nothing_found_is_refused():
    assert choose(None, current="1.0.0", rejected={}, by_tag=False, force=False).code == "no-release"


def test_the_canary_is_sticky_and_about_its_share():
    machines = [f"machine-{number}" for number in range(2000)]
    first = {machine for machine in machines if is_in_canary(machine, "1.1.0", 0.25)}
    assert first == {machine for machine in machines if is_in_canary(machine, "1.1.0", 0.25)}
    assert 400 < len(first) < 600
    assert first != {machine for machine in machines if is_in_canary(machine, "1.2.0", 0.25)}
    assert all(is_in_canary(machine, "1.1.0", 1.0) for machine in machines)
    assert not any(is_in_canary(machine, "1.1.0", 0.0) for machine in machines)


WAITS = [
    (200, {"retry-after": "5"}, None),
    (403, {}, None),
    (403, {"x-ratelimit-remaining": "12", "x-ratelimit-reset": "1090"}, None),
    (403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1090"}, 90),
    (403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "900"}, 1),
    (403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "soon"}, 60),
    (429, {}, 60),
    (429, {"retry-after": "7"}, 7),
    (429, {"retry-after": "Thu, 01 Jan 1970 00:18:00 GMT"}, 80),
    (429, {"retry-after": "nonsense"}, 60),
    (429, {"retry-after": "9" * 12}, 86400),
    (429, {"retry-after": "9" * 400}, 60),
    (429, {"retry-after": f"Thu, 01 Jan {'9' * 20} 00:18:00 GMT"}, 60),
]


@pytest.mark.parametrize(("status", "headers", "wait"), WAITS)
def test_rate_limits(status, headers, wait):
    assert rate_limit_wait(status, headers, 1000.0) == wait


def test_a_tag_that_is_installed_is_not_called_the_newest():
    found = Release("v1.0.0", parse_tag("v1.0.0"))
    choices = [
        choose(found, current="1.0.0", rejected={}, by_tag=by_tag, force=False)
        for by_tag in (True, False)
    ]
    assert [choice.reason for choice in choices] == ["1.0.0 is installed", "1.0.0 is the newest release"]
