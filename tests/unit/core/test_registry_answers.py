import pytest

from podup.core.registry_answers import refusal, slow, unreachable


@pytest.mark.parametrize(
    ("status", "headers", "body", "code", "words"),
    [
        (401, {}, b"", "registry-unauthorized", "status 401"),
        (403, {}, b'{"errors":[{"code":"DENIED","message":"no scope"}]}', "registry-unauthorized",
         "DENIED: no scope"),
        (403, {"retry-after": "5"}, b"", "registry-rate-limited", ""),
        (429, {}, b"", "registry-rate-limited", ""),
        (404, {}, b'{"errors":[{"code":"MANIFEST_UNKNOWN"}]}', "image-not-found", "MANIFEST_UNKNOWN"),
        (404, {}, b'{"errors":[5]}', "image-not-found", "status 404"),
        (404, {}, b'{"errors":"x"}', "image-not-found", "status 404"),
        (404, {}, b"<html>", "image-not-found", "status 404"),
        (500, {}, b"", "registry-unreachable", "status 500"),
        (503, {}, b'{"errors":[{"message":"' + b"x" * 5000 + b'"}]}', "registry-unreachable", "xxx"),
        (302, {}, b"", "registry-unreachable", "status 302"),
    ],
)
def test_refusals(status, headers, body, code, words):
    error = refusal("ghcr.io/a/b", status, headers, body, 0.0)
    assert error.code == code and error.hint and "ghcr.io/a/b" in error.message
    assert words in error.message and len(error.message) < 500
    assert (error.retry_after_s is not None) == (code == "registry-rate-limited")
    assert error.status != 401, "a registry's refusal must not look like our own to a browser"


def test_the_others():
    assert slow("n").code == "registry-slow" and unreachable("n", "why").message.endswith("why")
