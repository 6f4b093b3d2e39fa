"""Paths and queries: what is decoded, what is refused."""

import pytest

from podup.core.targets import BadTarget, parse_path, parse_query, parse_target


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        ("/", "/"),
        ("/api/tasks/tsk_abc", "/api/tasks/tsk_abc"),
        ("/github-package-update/web%401.service", "/github-package-update/web@1.service"),
        ("/a/", "/a/"),
        ("/a..b/c...", "/a..b/c..."),
        ("/.well-known/x", "/.well-known/x"),
        ("/%E4%B8%AD", "/中"),
        ("/a%252e%252e", "/a%2e%2e"),
        ("/app-foo%5Cx2dbar.service", "/app-foo\\x2dbar.service"),
    ],
)
def test_paths_are_decoded_once(raw, path):
    assert parse_path(raw) == path


@pytest.mark.parametrize(
    "raw",
    [
        "/..",
        "/a/../b",
        "/a/./b",
        "/%2e%2e/b",
        "/.%2E/b",
        "/a%2fb",
        "/a%2F..%2Fb",
        "/..%5c..%5cetc",
        "/a%00",
        "/a%0d%0aX",
        "/a%",
        "/a%2",
        "/a%zz",
        "/%c0%af",
        "/%c0%ae%c0%ae/",
        "/%ff",
        "/a\\..\\b",
        "/a#b",
    ],
)
def test_traversal_and_broken_escapes_are_refused(raw):
    with pytest.raises(BadTarget):
        parse_target("GET", raw, "a")


def test_query_fields_keep_their_order_and_are_bounded():
    assert parse_query("a=1&b=x+y&a=%26&&c") == {"a": ["1", "&"], "b": ["x y"], "c": [""]}
    with pytest.raises(BadTarget):
        parse_query("&".join("a=1" for _ in range(101)))
    with pytest.raises(BadTarget):
        parse_query("a=%ff")
