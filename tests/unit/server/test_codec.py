"""Bodies to dataclasses, and the refusals."""

import pytest

from podup.errors import PodupError
from podup.records import dataclass
from podup.server.codec import read_body, to_json
from podup.server.request import Request


@dataclass(frozen=True, slots=True)
class Inner:
    name: str


@dataclass(frozen=True, slots=True)
class Body:
    unit: str
    all: bool = False
    count: int = 0
    share: float = 0.0
    image: str | None = None
    units: tuple[str, ...] = ()
    inner: Inner | None = None


def read(body: bytes, content_type: str = "application/json") -> Body:
    return read_body(Request("POST", "/", headers={"content-type": content_type}, body=body), Body)


def test_reads_what_the_type_says():
    body = read(b'{"unit":"a","all":true,"share":1,"image":null,"units":["b"],"inner":{"name":"c"}}')
    assert body == Body("a", all=True, share=1, units=("b",), inner=Inner("c"))
    assert to_json(body)["inner"] == {"name": "c"}
    assert read(b'{"unit":"a"}', "Application/JSON; charset=UTF-8").unit == "a"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "missing-field"),
        (b"{}", "missing-field"),
        (b"[]", "bad-body"),
        (b"{", "bad-json"),
        (b'{"unit":"a","share":NaN}', "bad-json"),
        (b'{"unit":"a","share":1e999}', "bad-json"),
        (b'{"unit":"\\ud800"}', "bad-json"),
        (b'{"unit":"\xff"}', "bad-json"),
        (b'{"unit":' + b"[" * 50 + b"]" * 50 + b"}", "bad-json"),
        (b"[" * 100_000, "bad-json"),
        (b'{"unit":1}', "bad-field"),
        (b'{"unit":"a","all":1}', "bad-field"),
        (b'{"unit":"a","count":true}', "bad-field"),
        (b'{"unit":"a","units":"b"}', "bad-field"),
        (b'{"unit":"a","units":[1]}', "bad-field"),
        (b'{"unit":"a","inner":{"nam":1}}', "unknown-field"),
        (b'{"unit":"a","unitz":[]}', "unknown-field"),
    ],
)
def test_refuses_the_rest_by_name(body, code):
    with pytest.raises(PodupError) as caught:
        read(body)
    assert (caught.value.code, caught.value.status) == (code, 400)


@pytest.mark.parametrize(
    "kind", ["", "text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin-1"]
)
def test_another_media_type_is_415(kind):
    with pytest.raises(PodupError) as caught:
        read(b'{"unit":"a"}', kind)
    assert caught.value.status == 415
