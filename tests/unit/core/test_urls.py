import pytest

from podup.core.urls import follow, read_url, shown
from podup.errors import Invalid, PodupError


def test_reads():
    assert read_url("https://h/x")[1] == 443
    assert read_url("http://[::1]:81/")[1] == 81


@pytest.mark.parametrize(
    "url",
    ["", "x", "/x", "ftp://h/x", "file:///etc/passwd", "http://", "http:///x", "http://u@h/", "http://u:s3cret@h/",
     "http://h:0x/", "http://h:99999/", "http://h/a b", "http://h/\r\nX: y", "http://h/\x00", "http://h\u00e9/",
     "http://[::1/", "HTTP//h", "http://h/\ud800", "unix:///run/x", "http:h", "//h/x", "http://h/?s3cret\n"],
)  # fmt: skip
def test_refuses(url):
    with pytest.raises(Invalid) as caught:
        read_url(url)
    assert caught.value.code == "bad-url" and "s3cret" not in caught.value.message


def test_what_is_told_of_a_url():
    assert shown("https://u:p@h/p?q=secret#f") == "https://h/p"
    assert shown("nonsense") == "nonsense" and len(shown("http://h/" + "x" * 999)) == 200


@pytest.mark.parametrize(
    ("url", "location", "target", "is_elsewhere"),
    [
        ("https://h/a/b", "c", "https://h/a/c", False),
        ("https://h/a/b", "/c?d", "https://h/c?d", False),
        ("https://h/a", "//o/c", "https://o/c", True),
        ("https://h/a", "https://h:443/c", "https://h:443/c", False),
        ("https://h/a", "https://H/c", "https://H/c", False),
        ("https://h/a", "https://h:8443/c", "https://h:8443/c", True),
        ("https://h/a", "https://sub.h/c", "https://sub.h/c", True),
        ("http://h/a", "https://h/a", "https://h/a", True),
        ("http://h/a", "x y", "http://h/x%20y", False),
    ],
)
def test_follows(url, location, target, is_elsewhere):
    assert follow(url, location) == (target, is_elsewhere)


@pytest.mark.parametrize(
    ("location", "code"),
    [("http://h/a", "insecure-redirect"), ("http://o/", "insecure-redirect"), ("ftp://h/", "bad-url"),
     ("file:///etc/passwd", "bad-url"), ("//u:p@h/", "bad-url"), ("https://[", "bad-response"),
     ("javascript:x", "bad-url"), ("https://h/\x00", "bad-url")],
)  # fmt: skip
def test_does_not_follow(location, code):
    with pytest.raises(PodupError) as caught:
        follow("https://h/a?secret", location)
    assert caught.value.code == code and "secret" not in caught.value.message
