import base64
import json

import pytest

from podup.core.logins import helper_question, read_helper_answer, read_logins
from podup.errors import Invalid


def auth(pair):
    return base64.b64encode(pair.encode()).decode()


def logins(**document):
    return read_logins(json.dumps(document).encode())


FILE = {
    "quay.io": {"auth": auth("host:1")},
    "quay.io/acme": {"auth": auth("org:2")},
    "quay.io/acme/web": {"auth": auth("repo:3:with:colons")},
    "https://index.docker.io/v1/": {"auth": auth("hub:4\0\0")},
    "http://plain.test:5000": {"username": "u", "password": "p"},
    "https://api.test/v2/": {"auth": auth("url:5")},
    "empty.test": {},
    "token.test": {"auth": auth("<token>:"), "identitytoken": "idt"},
}


@pytest.mark.parametrize(
    ("registry", "repository", "username", "password"),
    [
        ("quay.io", "x/y", "host", "1"),
        ("quay.io", "acme/db", "org", "2"),
        ("quay.io", "acme/web", "repo", "3:with:colons"),
        ("quay.io", "acme/web/sub", "repo", "3:with:colons"),
        ("quay.io", "acmeria/web", "host", "1"),
        ("docker.io", "library/nginx", "hub", "4"),
        ("plain.test:5000", "a", "u", "p"),
        ("api.test", "a", "url", "5"),
    ],
)
def test_the_most_specific_login(registry, repository, username, password):
    found = logins(auths=FILE).login_for(registry, repository)
    assert found is not None
    assert (found.username, found.password.reveal()) == (username, password)
    assert found.basic == "Basic " + auth(f"{username}:{password}")
    assert password not in repr(found) or len(password) == 1


def test_no_login():
    for registry in ("empty.test", "other.test", "io", "plain.test"):
        assert logins(auths=FILE).login_for(registry, "a") is None
    assert read_logins(b"{}").login_for("quay.io", "a") is None


def test_identity_tokens():
    found = logins(auths=FILE).login_for("token.test", "a")
    assert found is not None and found.identity.reveal() == "idt" and "idt" not in repr(found)


def test_helpers():
    known = logins(credHelpers={"ghcr.io": "gh", "https://index.docker.io/v1/": "hub"}, credsStore="pass")
    assert known.helper_for("ghcr.io") == "gh" and known.helper_for("docker.io") == "hub"
    assert known.helper_for("quay.io") == "pass" and logins().helper_for("quay.io") == ""
    assert helper_question("docker.io") == "https://index.docker.io/v1/"
    assert helper_question("a.test") == "a.test"


def test_helper_answers():
    found = read_helper_answer(b'{"ServerURL":"x","Username":"u","Secret":"p"}')
    assert found is not None and (found.username, found.password.reveal()) == ("u", "p")
    token = read_helper_answer(b'{"Username":"<token>","Secret":"idt"}')
    assert token is not None and token.identity.reveal() == "idt" and not token.password
    assert read_helper_answer(b'{"Username":"u"}') is None
    for data in (b"", b"credentials not found", b"[]", b'{"Username": 1, "Secret": "p"}'):
        with pytest.raises(Invalid):
            read_helper_answer(data)


@pytest.mark.parametrize(
    "data",
    [b"", b"[]", b"{", b'{"auths": []}', b'{"auths": {"h": "x"}}', b'{"auths": {"h": {"auth": 5}}}', b"\xff",
     b'{"auths": {"h": {"auth": "s3cret!"}}}', b'{"auths": {"h": {"auth": "/////w=="}}}',
     b'{"credHelpers": {"h": 1}}',
     b'{"credsStore": []}'],
)  # fmt: skip
def test_refuses_without_repeating_what_is_inside(data):
    with pytest.raises(Invalid) as caught:
        read_logins(data)
    assert caught.value.code == "bad-auth-file" and "s3cret" not in caught.value.message
