"""What the routes that deploy answer to bad input, and that none of it reaches the host."""

import json
from collections.abc import Callable, Iterator

import pytest
from whole import SECRET, Answer, Whole

from podup.core.secrets import Secret
from podup.core.signatures import sign

PUSH = {"image": "ghcr.io/acme/web", "tag": "latest"}
HOOK = "/github-package-update/web"
NAMES = ("--help", "-H=tcp:x", "web;reboot", "$(reboot)", "a b", "%2e%2e", "web\x00", "x" * 300)
IMAGES = ("--root=/", "web latest", "a;b", "..", "http://x/y", "ghcr.io/../x", "\n")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:
    """One for all: nothing here may have an effect."""
    program = Whole(tmp_path_factory.mktemp("refusals"))
    yield program
    program.close()


def told(answer: Answer) -> tuple[int, str, str]:
    error = answer.json["error"]
    return answer.status, error["code"], error["hint"]


def signed(data: bytes, secret: str = SECRET) -> dict[str, str]:
    return {"x-podup-signature-256": sign(data, Secret(secret))}


def changes(whole: Whole) -> tuple[str, ...]:
    with whole.machine.open() as machine:
        return machine.changes


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("", "signature-missing"),
        ("sha256=", "signature-malformed"),
        ("sha1=" + "0" * 40, "signature-malformed"),
        ("sha256=" + "0" * 64, "signature-mismatch"),
        ("sha256=" + "0" * 63 + "\u00e9", "signature-malformed"),
    ],
)
def test_a_signature_that_is_not_good_is_401(whole: Whole, value: str, code: str) -> None:
    answer = whole.ask("POST", HOOK, json.dumps(PUSH).encode(), headers={"x-podup-signature-256": value})
    assert told(answer)[:2] == (401, code)
    assert SECRET not in str(answer.headers) + answer.body.decode()


def test_without_a_secret_it_is_503_and_says_what_to_set(whole_with: Callable[..., Whole]) -> None:
    whole = whole_with(PODUP_GH_WEBHOOK_SECRET="")
    status, code, hint = told(whole.deliver("web", PUSH))
    assert (status, code) == (503, "no-webhook-secret")
    assert "PODUP_GH_WEBHOOK_SECRET" in hint


@pytest.mark.parametrize("data", [b"not json", b"[]", b"{", b"\xff\xfe", b""])
def test_a_body_that_is_no_json_object_is_400(whole: Whole, data: bytes) -> None:
    assert whole.ask("POST", HOOK, data, headers=signed(data)).status == 400


def test_a_unit_nobody_knows_is_404(whole: Whole) -> None:
    assert told(whole.deliver("nobody", PUSH))[:2] == (404, "unit-not-found")


def test_another_image_or_tag_is_202_with_the_reason(whole: Whole) -> None:
    for said in ({**PUSH, "tag": "v9"}, {**PUSH, "image": "ghcr.io/acme/other"}):
        answer = whole.deliver("web", said)
        assert (answer.status, answer.json["reason"]) == (202, "tag mismatch")


@pytest.mark.parametrize("name", NAMES)
def test_no_odd_unit_name_gets_further_than_its_check(whole: Whole, name: str) -> None:
    before = changes(whole)
    asked = (
        whole.deliver(name, PUSH),
        whole.ask("POST", f"/api/manual/services/{name}", {}),
        whole.ask("POST", f"/api/manual/services/{name}/rollback", {}),
    )
    assert {answer.status for answer in asked} <= {400, 404}, asked
    for of_many in ("/api/manual/trigger", "/api/manual/deploy"):
        assert not whole.ask("POST", of_many, {"units": [name]}).json["task_id"]
    assert whole.ask("GET", "/api/tasks").json["total"] == 0
    assert changes(whole) == before


@pytest.mark.parametrize("image", IMAGES)
def test_no_odd_image_gets_further_than_its_check(whole: Whole, image: str) -> None:
    before = changes(whole)
    asked = (
        whole.ask("POST", "/api/manual/services/web", {"image": image}),
        whole.ask("POST", "/api/manual/services/web/upgrade", {"image": image}),
        whole.ask("POST", "/api/manual/services/web/upgrade", {"digest": image}),
        whole.ask("POST", "/api/manual/services/web/rollback", {"digest": image}),
    )
    assert {answer.status for answer in asked} <= {400, 409}, asked
    assert whole.deliver("web", {"image": image}).status in (202, 400)
    assert whole.ask("GET", "/api/tasks").json["total"] == 0
    assert changes(whole) == before
