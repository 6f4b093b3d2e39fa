"""The request parser against cases made from RFC 9112 and from the known smuggling shapes."""

from email.utils import formatdate

import pytest

from podup.core.http1 import HeadLimits, Malformed, RequestParser, http_date
from podup.errors import PodupError

HOST = b"Host: podup.test\r\n"


def read(raw: bytes, *, limit: int = 1000) -> tuple[object, bytes | None]:
    parser = RequestParser(HeadLimits(line=200, head=1000, fields=10))
    parser.feed(raw)
    head = parser.take_head()
    return head, parser.take_body(limit) if head else None


def request(*lines: bytes, line: bytes = b"POST /a HTTP/1.1", body: bytes = b"") -> bytes:
    return b"\r\n".join((line, *lines, b"", body))


def test_reads_a_plain_request():
    head, body = read(request(b"Host: a:1", b"Content-Length: 2", b"X-A:  b c\t", body=b"hi"))
    assert (head.method, head.path, body, head.keeps_alive) == ("POST", "/a", b"hi", True)
    assert head.headers == {"host": "a:1", "content-length": "2", "x-a": "b c"}


def test_reads_requests_one_byte_at_a_time_and_back_to_back():
    raw = request(b"Host: a", b"Content-Length: 3", body=b"one")
    raw += request(b"Host: a", line=b"GET /b?x=1&x=%20 HTTP/1.1")
    parser, seen, head = RequestParser(), [], None
    for number in raw:
        parser.feed(bytes((number,)))
        head = head or parser.take_head()
        body = parser.take_body(10) if head else None
        if body is not None:
            seen.append((head.path, dict(head.query), body))
            head = None
    assert seen == [("/a", {}, b"one"), ("/b", {"x": ["1", " "]}, b"")]
    assert parser.buffered == 0


def test_a_list_valued_field_is_joined_and_a_blank_line_before_is_forgiven():
    head, _ = read(b"\r\n" + request(b"Host: a", b"Accept: x", b"Accept: y", b"Cookie: a=1", b"Cookie: b=2"))
    assert head.headers["accept"] == "x, y"
    assert head.headers["cookie"] == "a=1; b=2"


@pytest.mark.parametrize(
    ("lines", "keeps"),
    [
        ((b"GET / HTTP/1.1", b"Host: a"), True),
        ((b"GET / HTTP/1.1", b"Host: a", b"Connection: x, Close"), False),
        ((b"GET / HTTP/1.0", b"Connection: keep-alive"), False),
    ],
)
def test_keep_alive(lines, keeps):
    head, _ = read(b"\r\n".join((*lines, b"", b"")))
    assert head.keeps_alive is keeps


CHUNKED = (b"Host: a", b"Transfer-Encoding: chunked")


@pytest.mark.parametrize("step", [1, 3, 1000])
def test_reads_chunks_strictly(step):
    raw = request(*CHUNKED, body=b"4\r\nwiki\r\n00A\r\n0123456789\r\n0\r\n\r\n") + b"GET"
    parser, head, body = RequestParser(), None, None
    for start in range(0, len(raw), step):
        parser.feed(raw[start : start + step])
        head = head or parser.take_head()
        if head and body is None:
            body = parser.take_body(14)
    assert body == b"wiki0123456789"
    assert parser.buffered == 3


@pytest.mark.parametrize(
    "body",
    [
        b"4;a=b\r\nwiki\r\n0\r\n\r\n",
        b"4 \r\nwiki\r\n0\r\n\r\n",
        b"0x4\r\nwiki\r\n0\r\n\r\n",
        b"+4\r\nwiki\r\n0\r\n\r\n",
        b"-4\r\nwiki\r\n0\r\n\r\n",
        b"4_0\r\nwiki\r\n0\r\n\r\n",
        b"\r\nwiki\r\n0\r\n\r\n",
        b"4\nwiki\r\n0\r\n\r\n",
        b"4\n",
        b"4\r\nwiki\n",
        b"0\r\n\n",
        b"000000004",
        b"4\r\nwikipedia\r\n0\r\n\r\n",
        b"0\r\nX-Trailer: 1\r\n\r\n",
        b"000000004\r\nwiki\r\n0\r\n\r\n",
        b"\xd9\xa4\r\nwiki\r\n0\r\n\r\n",
    ],
)
def test_refuses_bad_chunks(body):
    with pytest.raises(Malformed) as caught:
        read(request(*CHUNKED, body=body))
    assert caught.value.code == "bad-chunk"


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (request(b"Host: a", b"Content-Length: +2", body=b"hi"), 400),
        (request(b"Host: a", b"Content-Length: -2", body=b"hi"), 400),
        (request(b"Host: a", b"Content-Length: 1_0", body=b"hi"), 400),
        (request(b"Host: a", b"Content-Length: 2, 2", body=b"hi"), 400),
        (request(b"Host: a", b"Content-Length: 2", b"Content-Length: 2", body=b"hi"), 400),
        (request(b"Host: a", b"Content-Length: \xb2", body=b"hi"), 400),
        (request(b"Host: a", b"Content-Length: 0x2", body=b"hi"), 400),
        (request(b"Host: a", b"Content-Length: 2 2", body=b"hi"), 400),
        (request(b"Host: a", b"Content-Length:", body=b"hi"), 400),
        (request(b"Host: a", b"Content-Length: 1001"), 413),
        (request(b"Host: a", b"Content-Length: 99999999999999999999"), 413),
        (request(*CHUNKED, body=b"3e9\r\n"), 413),
        (request(*CHUNKED, b"Content-Length: 2", body=b"0\r\n\r\n"), 400),
        (request(*CHUNKED, b"Transfer-Encoding: chunked"), 400),
        (request(*CHUNKED, line=b"POST / HTTP/1.0"), 400),
        (request(b"Host: a", b"Transfer-Encoding: gzip, chunked"), 501),
        (request(b"Host: a", b"Transfer-Encoding: \x0bchunked"), 400),
        (request(b"Host: a", b"Transfer-Encoding: xchunked"), 501),
        (request(b"Host: a", b"Transfer-Encoding : chunked"), 400),
        (request(b"Host: a", b"Content_Length: 2", body=b"hi"), 400),
        (request(b"Host: a", b"X-A: b", b" folded"), 400),
        (request(b"Host: a", b"X-A: b\rc"), 400),
        (request(b"Host: a", b"X-A: b\nX-B: c"), 400),
        (request(b"Host: a", b"X-A: b\x00c"), 400),
        (request(b"Host: a", b"X-A: b\x7fc"), 400),
        (request(b"Host: a", b"no colon here"), 400),
        (request(b"Host: a", b": value"), 400),
        (request(b"Host: a", b"X-\xc3\xa4: b"), 400),
        (request(b" Host: a"), 400),
        (request(b"X-A: b"), 400),
        (request(b"Host: a", b"Host: a"), 400),
        (request(b"Host: a/b"), 400),
        (request(b"Host: a b"), 400),
        (request(b"Host: a@b"), 400),
        (request(b"Host: a:port"), 400),
        (request(b"Host:"), 400),
        (request(b"Host: a", b"Expect: 200-ok"), 417),
        (request(b"Host: a", b"X-Hub-Signature-256: a", b"x-hub-signature-256: b"), 400),
        (request(b"Host: a", line=b"GET /"), 400),
        (request(b"Host: a", line=b"GET  / HTTP/1.1"), 400),
        (request(b"Host: a", line=b"GET / HTTP/1.1 "), 400),
        (request(b"Host: a", line=b"GET\t/ HTTP/1.1"), 400),
        (request(b"Host: a", line=b"GET / HTTP/2.0"), 505),
        (request(b"Host: a", line=b"GET / HTTP/1.2"), 505),
        (request(b"Host: a", line=b"GET / http/1.1"), 400),
        (request(b"Host: a", line=b"get / HTTP/1.1"), 400),
        (request(b"Host: a", line=b"GET /\xc3\xa4 HTTP/1.1"), 400),
        (request(b"Host: a", line=b"GET / HTTP/1.1\x0b"), 400),
        (request(b"Host: a", line=b"GET http://b/ HTTP/1.1"), 400),
        (request(b"Host: a", line=b"GET a:80 HTTP/1.1"), 400),
        (request(b"Host: a", line=b"CONNECT a:80 HTTP/1.1"), 400),
        (request(b"Host: a", line=b"GET * HTTP/1.1"), 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        (b"GET /" + b"a" * 300, 414),
        (b"GET /" + b"a" * 300 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
        (request(b"Host: a", b"X-A: " + b"a" * 1000), 431),
        (b"GET / HTTP/1.1\r\nX-A: " + b"a" * 1000, 431),
        (request(b"Host: a", *(b"X-%d: a" % n for n in range(10))), 431),
        (b"GET / HTTP/1.1\nHost: a\n\n", 400),
        (b"GET /\r\n", 400),
        (b"\x16\x03\x01\x02\x00", 400),
        (b"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ],
)
def test_refuses_what_has_two_meanings(raw, status):
    with pytest.raises(PodupError) as caught:
        read(raw)
    assert caught.value.status == status


def test_an_absolute_target_with_the_same_authority_is_its_path():
    head, _ = read(request(b"Host: A:80", line=b"GET http://a:80/b%40c?d HTTP/1.1"))
    assert (head.path, dict(head.query)) == ("/b@c", {"d": [""]})
    head, _ = read(request(b"Host: a", line=b"OPTIONS * HTTP/1.1"))
    assert head.path == "*"


def test_a_line_end_split_between_two_reads_is_not_a_bare_one():
    parser = RequestParser()
    for part in (b"GET / HTTP/1.1\r", b"\nHost: a\r", b"\n\r", b"\n"):
        parser.feed(part)
        head = parser.take_head()
    assert head is not None


EACH_MONTH = range(1704067199, 1735689600, 2678400)


@pytest.mark.parametrize("seconds", [0, 784111777, 951782400, *EACH_MONTH])
def test_a_date_is_written_as_the_standard_library_writes_it(seconds: int) -> None:
    assert http_date(seconds) == formatdate(seconds, usegmt=True)
