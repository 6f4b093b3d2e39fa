"""The one HTTP/1.1 request parser: strict, incremental, pure.

Promises: what it lets through has one meaning, to us and to any proxy before us (RFC 9110, RFC 9112). Bytes
go in with `feed`; `take_head` and `take_body` say what is complete. Work is linear in the bytes fed.
Refuses, once (the caller answers and closes): bare CR or LF, control characters, a space before the colon,
folded lines, `_` in a field name (CGI-like proxies read it as `-`), Content-Length that is anything but one
run of ASCII digits, Transfer-Encoding other than a lone `chunked` or beside Content-Length, Host missing,
twice or malformed, HTTP/0.9 and versions other than 1.0 and 1.1, chunk extensions and trailers, and whatever
exceeds the limits. An absolute-form target is accepted when its authority is the Host; CONNECT is not.
"""

from collections.abc import Mapping
from datetime import UTC, datetime

from podup.core.targets import BadTarget, parse_target
from podup.errors import PodupError, TooLarge
from podup.patterns import regex
from podup.records import dataclass

_NOT_CONTROL = bytes(code for code in range(256) if code in b"\t\r\n" or (code >= 0x20 and code != 0x7F))
_BARE_LINE_FEED = regex(rb"(?<!\r)\n")
_REQUEST_LINE = regex(r"([A-Z]{1,20}) ([\x21-\x7e]+) HTTP/([0-9])\.([0-9])")
_FIELD_NAME = regex(r"[!#$%&'*+.^`|~0-9A-Za-z-]+")
_DIGITS = regex(r"[0-9]+")
_HOST = regex(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~%!$&'()*+,;=-]+)(?::[0-9]{0,5})?")
_CHUNK_SIZE = regex(rb"[0-9A-Fa-f]{1,8}")
_CHUNK_SIZE_BEGUN = regex(rb"[0-9A-Fa-f]{0,8}|[0-9A-Fa-f]{1,8}\r")
_LENGTH_DIGITS = 15
_CHUNK_LINE = 10  # eight digits, CR, LF
_ONCE = frozenset(
    (
        "authorization",
        "content-length",
        "content-type",
        "expect",
        "host",
        "last-event-id",
        "transfer-encoding",
        "x-github-delivery",
        "x-github-event",
        "x-hub-signature-256",
        "x-podup-csrf",
        "x-podup-signature-256",
    )
)
# Fields that say the same in most requests, and no secret: their lines are parsed once, not each time.
_STEADY = frozenset(
    (
        "accept",
        "accept-encoding",
        "accept-language",
        "connection",
        "content-length",
        "content-type",
        "host",
        "user-agent",
        "x-forwarded-for",
        "x-forwarded-proto",
        "x-github-event",
        "x-github-hook-id",
    )
)
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_STEADY_LENGTH = 200
_STEADY_LINES = 256
_steady_lines: dict[str, tuple[str, str]] = {}


class Malformed(PodupError):
    """A request that is refused for its form; `status` says how, and the connection closes after it."""

    def __init__(self, code: str, message: str, hint: str = "", *, status: int = 400) -> None:
        super().__init__(code, message, hint)
        self.status = status


@dataclass(frozen=True, slots=True)
class HeadLimits:
    """Bytes of the request line (414) and of the whole head (431), and number of fields (431)."""

    line: int = 8 * 1024
    head: int = 32 * 1024
    fields: int = 100


@dataclass(frozen=True, slots=True)
class Head:
    """A request without its body. Field names are in lower case; repeated ones are joined by `, `."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    content_length: int
    is_chunked: bool
    keeps_alive: bool
    expects_continue: bool

    @property
    def has_body(self) -> bool:
        return self.is_chunked or self.content_length > 0


class RequestParser:
    """Reads the requests of one connection, one after the other."""

    __slots__ = ("_body", "_buffer", "_head", "_limits", "_remaining", "_scanned", "_skipped_blank")

    def __init__(self, limits: HeadLimits | None = None) -> None:
        self._limits = limits or HeadLimits()
        self._buffer = bytearray()
        self._body = bytearray()
        self._head: Head | None = None
        self._remaining: int | None = None  # of the chunk being read; None: a size line comes next
        self._scanned = 0
        self._skipped_blank = False

    @property
    def buffered(self) -> int:
        """The number of bytes held."""
        return len(self._buffer) + len(self._body)

    @property
    def is_in_body(self) -> bool:
        """Whether a head was taken whose body was not."""
        return self._head is not None

    def feed(self, data: bytes | memoryview) -> None:
        """Take bytes off the wire."""
        self._buffer += data

    def take_head(self) -> Head | None:
        """Return the head of the next request once it is complete. Raises Malformed."""
        buffer = self._buffer
        if not self._skipped_blank and buffer[:2] == b"\r\n":  # RFC 9112, 2.2: one is forgiven
            del buffer[:2]
            self._skipped_blank = True
        end = buffer.find(b"\r\n\r\n", max(0, self._scanned - 3))
        if end < 0:
            self._refuse_early()
            return None
        raw = bytes(buffer[:end])
        del buffer[: end + 4]
        self._scanned = 0
        self._skipped_blank = False
        self._head = parse_head(raw, self._limits)
        return self._head

    def take_body(self, limit: int) -> bytes | None:
        """Return the body of the head taken last, once it is complete; at most `limit` bytes.

        Raises TooLarge as soon as it is known to be larger, Malformed for bad chunks.
        """
        head = self._head
        if head is None:
            raise ValueError("a body has to follow its head")
        if head.is_chunked:
            return self._take_chunks(limit)
        if head.content_length > limit:
            raise _too_large(limit)
        if len(self._buffer) < head.content_length:
            return None
        body = bytes(self._buffer[: head.content_length])
        del self._buffer[: head.content_length]
        self._head = None
        return body

    def _refuse_early(self) -> None:
        """Do not wait for the end of a head that is bad already."""
        buffer, limits = self._buffer, self._limits
        if _BARE_LINE_FEED.search(buffer, max(0, self._scanned - 1)):
            raise Malformed("bare-line-feed", "a line of the request head does not end in CR LF")
        line_end = buffer.find(b"\r\n", 0, limits.line + 2)
        if line_end < 0 and len(buffer) > limits.line:
            raise _uri_too_long(limits.line)
        if len(buffer) > limits.head:
            raise _head_too_large(limits)
        if line_end >= max(0, self._scanned - 1):
            _parse_line(bytes(buffer[:line_end]).decode("latin-1"))
        elif not self._scanned and buffer and not 0x41 <= buffer[0] <= 0x5A and buffer[0] != 0x0D:
            raise Malformed("not-http", "these bytes are not an HTTP request")
        self._scanned = len(buffer)

    def _take_chunks(self, limit: int) -> bytes | None:
        buffer, start = self._buffer, 0
        try:
            while True:
                if self._remaining is None:
                    line_end = buffer.find(b"\r\n", start, start + _CHUNK_LINE)
                    if line_end < 0:
                        if not _CHUNK_SIZE_BEGUN.fullmatch(buffer, start):
                            raise _bad_chunk("a chunk's size is not one to eight hexadecimal digits")
                        return None
                    digits = bytes(buffer[start:line_end])
                    if not _CHUNK_SIZE.fullmatch(digits):
                        raise _bad_chunk("a chunk's size is not one to eight hexadecimal digits")
                    self._remaining = int(digits, 16)
                    if len(self._body) + self._remaining > limit:
                        raise _too_large(limit)
                    start = line_end + 2
                stop = start + self._remaining
                if not b"\r\n".startswith(bytes(buffer[stop : stop + 2])):
                    raise _bad_chunk("a chunk does not end where its size says, or trailers follow")
                if len(buffer) < stop + 2:
                    return None
                self._body += buffer[start:stop]
                start = stop + 2
                last, self._remaining = self._remaining == 0, None
                if last:
                    body = bytes(self._body)
                    self._body.clear()
                    self._head = None
                    return body
        finally:
            del buffer[:start]


def parse_head(raw: bytes, limits: HeadLimits | None = None) -> Head:
    """Parse a head without its final blank line. Raises Malformed."""
    limits = limits or HeadLimits()
    if raw.find(b"\r\n", 0, limits.line + 2) < 0 and len(raw) > limits.line:
        raise _uri_too_long(limits.line)
    if len(raw) > limits.head:
        raise _head_too_large(limits)
    ends = raw.count(b"\r\n")
    if raw.translate(None, _NOT_CONTROL) or raw.count(b"\r") != ends or raw.count(b"\n") != ends:
        raise Malformed("control-character", "the request head holds a control character, bare CR or bare LF")
    lines = raw.decode("latin-1").split("\r\n")
    if len(lines) - 1 > limits.fields:
        raise _head_too_large(limits)
    method, target, is_1_1 = _parse_line(lines[0])
    headers = _parse_fields(lines[1:])
    host = _check_host(headers, is_1_1)
    try:
        path, query = parse_target(method, target, host)
    except BadTarget as bad:
        raise Malformed("bad-target", f"the request target is refused: {bad}") from bad
    length, is_chunked = _parse_framing(headers, is_1_1)
    expect = headers.get("expect", "").lower() if is_1_1 else ""
    if expect not in ("", "100-continue"):
        raise Malformed("unknown-expectation", "the only expectation met here is 100-continue", status=417)
    connection = headers.get("connection", "")
    closes = bool(connection) and "close" in {token.strip().lower() for token in connection.split(",")}
    return Head(method, path, query, headers, length, is_chunked, is_1_1 and not closes, bool(expect))


def http_date(seconds: int) -> str:
    """Return a Unix time as a Date header has it (RFC 9110, 5.6.7), in English whatever the locale."""
    at = datetime.fromtimestamp(seconds, UTC)
    return f"{_DAYS[at.weekday()]}, {at:%d} {_MONTHS[at.month - 1]} {at:%Y %H:%M:%S} GMT"


def _parse_line(line: str) -> tuple[str, str, bool]:
    matched = _REQUEST_LINE.fullmatch(line)
    if matched is None:
        raise Malformed("bad-request-line", "the request line is not `METHOD target HTTP/1.1`")
    method, target, major, minor = matched.groups()
    if major != "1":
        raise Malformed("http-version", f"HTTP/{major} is not spoken here", "use HTTP/1.1", status=505)
    if minor not in "01":
        raise Malformed("http-version", f"HTTP/1.{minor} is not spoken here", "use HTTP/1.1", status=505)
    return method, target, minor == "1"


def _parse_fields(lines: list[str]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in lines:
        name, value = _steady_lines.get(line) or _parse_field(line)
        if name in headers:
            if name in _ONCE:
                raise Malformed("repeated-header", f"the header {name} stands twice")
            value = f"{headers[name]}{'; ' if name == 'cookie' else ', '}{value}"
        headers[name] = value
    return headers


def _parse_field(line: str) -> tuple[str, str]:
    """Return name and value, and remember them for a line that comes with request after request."""
    raw_name, colon, value = line.partition(":")
    if not colon or not _FIELD_NAME.fullmatch(raw_name):
        raise Malformed("bad-header", "a header line is folded, has no colon or a name not allowed")
    field = raw_name.lower(), value.strip(" \t")
    if field[0] in _STEADY and len(line) <= _STEADY_LENGTH:
        if len(_steady_lines) >= _STEADY_LINES:
            _steady_lines.clear()
        _steady_lines[line] = field
    return field


def _check_host(headers: dict[str, str], is_1_1: bool) -> str:
    host = headers.get("host")
    if host is None:
        if is_1_1:
            raise Malformed("no-host", "the Host header is missing")
        return ""
    if not _HOST.fullmatch(host):
        raise Malformed("bad-host", "the Host header is not a host with an optional port")
    return host


def _parse_framing(headers: dict[str, str], is_1_1: bool) -> tuple[int, bool]:
    """Return the body's length and whether it is chunked (RFC 9112, 6)."""
    length, coding = headers.get("content-length"), headers.get("transfer-encoding")
    if coding is not None:
        if length is not None or not is_1_1:
            raise Malformed("ambiguous-length", "Transfer-Encoding beside Content-Length or in HTTP/1.0")
        if coding.lower() != "chunked":
            raise Malformed("transfer-coding", "the only transfer coding read here is chunked", status=501)
        return 0, True
    if length is None:
        return 0, False
    if not _DIGITS.fullmatch(length):
        raise Malformed("bad-content-length", "Content-Length is not one run of digits")
    if len(length) > _LENGTH_DIGITS:
        raise TooLarge("body-too-large", "the body is larger than anything read here")
    return int(length), False


def _bad_chunk(message: str) -> Malformed:
    return Malformed("bad-chunk", message, "chunk extensions and trailers are not read here")


def _too_large(limit: int) -> TooLarge:
    return TooLarge("body-too-large", f"the body is larger than the {limit} bytes read here")


def _uri_too_long(limit: int) -> Malformed:
    return Malformed("uri-too-long", f"the request line is longer than {limit} bytes", status=414)


def _head_too_large(limits: HeadLimits) -> Malformed:
    message = f"the request head has more than {limits.head} bytes or {limits.fields} fields"
    return Malformed("headers-too-large", message, status=431)
