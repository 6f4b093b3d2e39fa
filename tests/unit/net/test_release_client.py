"""The release client against a good server, a static mirror, and one that does everything wrong."""

import gzip
import hashlib
import json
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from podup.core.releases import BETA, Release
from podup.core.versions import parse_tag
from podup.errors import PodupError, RateLimited, Refused
from podup.net.http import Http
from podup.net.releases import Deadlines, ReleaseClient, Source

PROGRAM = b"PK" + bytes(range(256)) * 40
DIGEST = hashlib.sha256(PROGRAM).hexdigest()
NAME = "pod-upgrade-trigger.pyz"
FILES = "/acme/podup/releases/download/v1.1.0/" + NAME
API = "/repos/acme/podup/releases"
RELEASE = Release("v1.1.0", parse_tag("1.1.0"))


class PatientClock:
    """Real for deadlines; sleeping is remembered, not done."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        self.skew = 0.0

    def now(self):
        return 1_700_000_000.0 + self.skew

    def monotonic(self):
        return time.monotonic()

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.skew += seconds

    def local(self, unix_s):
        raise NotImplementedError


def reply(status: int = 200, body: bytes = b"", **headers: str) -> bytes:
    names = {"Content-Length": str(len(body)), **{k.replace("_", "-"): v for k, v in headers.items()}}
    head = "".join(f"{name}: {value}\r\n" for name, value in names.items() if value != "-")
    return f"HTTP/1.1 {status} X\r\n{head}\r\n".encode() + body


class Server:
    """Answers each path with what `answers` has for it: bytes, or a function over the connection."""

    def __init__(self) -> None:
        self.answers: dict[str, bytes | Callable[[socket.socket], None] | list[bytes]] = {}
        self.asked: list[str] = []
        self.heads: list[str] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection:
            head = b""
            while b"\r\n\r\n" not in head:
                if not (more := connection.recv(4096)):
                    return
                head += more
            path = head.split()[1].decode()
            self.asked.append(path)
            self.heads.append(head.decode())
            found = self.answers.get(path, reply(404))
            if isinstance(found, list):
                found = found.pop(0) if len(found) > 1 else found[0]
            try:
                if isinstance(found, bytes):
                    connection.sendall(found)
                else:
                    found(connection)
            except OSError:
                pass

    def close(self) -> None:
        self._listening.close()

    def publish(self, program: bytes = PROGRAM, checksum: bytes | None = None) -> None:
        line = f"{DIGEST}  {NAME}\n".encode()
        self.answers[FILES] = reply(200, program)
        self.answers[FILES + ".sha256"] = reply(200, line if checksum is None else checksum)


@pytest.fixture
def server():
    found = Server()
    yield found
    found.close()


@pytest.fixture
def clock():
    return PatientClock()


def client(server, clock, tmp_path, *, channel="stable", verify=None) -> ReleaseClient:
    source = Source("acme/podup", channel, server.url, server.url, cache=tmp_path / "cache" / "server.json")
    deadlines = Deadlines(small_s=0.5, program_s=0.5)
    return ReleaseClient(Http(clock), clock, source, verify=verify, deadlines=deadlines)


def test_a_good_release_is_fetched_and_not_executable(server, clock, tmp_path):
    server.publish()
    target = tmp_path / "new"
    assert client(server, clock, tmp_path).fetch(RELEASE, target) == DIGEST
    assert target.read_bytes() == PROGRAM
    assert target.stat().st_mode & 0o777 == 0o600


def test_without_a_repository_nobody_is_asked(server, clock, tmp_path):
    nowhere = ReleaseClient(Http(clock), clock, Source("", "stable", server.url, server.url))
    for ask in (nowhere.newest, lambda: nowhere.fetch(RELEASE, tmp_path / "new")):
        with pytest.raises(Refused, match="which repository") as caught:
            ask()
        assert "PODUP_RELEASE_REPO" in caught.value.hint
    assert server.asked == []


def stall(connection):
    connection.sendall(b"HTTP/1.1 200 X\r\nContent-Length: 10000\r\n\r\nabc")
    connection.settimeout(5)
    connection.recv(1)


def trickle(connection):
    connection.sendall(b"HTTP/1.1 200 X\r\nContent-Length: 10000\r\n\r\n")
    for _ in range(60):
        connection.sendall(b"a")
        threading.Event().wait(0.05)


def endless(connection):
    connection.sendall(b"HTTP/1.1 200 X\r\nConnection: close\r\n\r\n")
    while True:
        connection.sendall(b"a" * 65536)


def flipped() -> bytes:
    return PROGRAM[:-1] + bytes([PROGRAM[-1] ^ 1])


HOSTILE_PROGRAMS = {
    "truncated": reply(200, PROGRAM[:-100], Content_Length=str(len(PROGRAM))),
    "longer than said": reply(200, PROGRAM + b"more", Content_Length=str(len(PROGRAM) - 5)),
    "one bit off": reply(200, flipped()),
    "empty": reply(200, b""),
    "stalled": stall,
    "one byte at a time": trickle,
    "HTML with 200": reply(200, b"<html>sign in</html>", Content_Type="text/html"),
    "gzip": reply(200, gzip.compress(PROGRAM), Content_Encoding="gzip"),
    "404": reply(404),
    "500": reply(500),
    "403": reply(403, b"forbidden"),
    "redirect loop": reply(302, Location=FILES),
    "redirect to a file": reply(302, Location="file:///etc/passwd"),
    "too large by its own word": reply(200, b"", Content_Length=str(1 << 40)),
    "no HTTP": b"hello\r\n\r\n",
    "closed at once": b"",
}


@pytest.mark.parametrize("answer", HOSTILE_PROGRAMS.values(), ids=HOSTILE_PROGRAMS)
def test_a_hostile_program_is_refused_and_leaves_nothing(server, clock, tmp_path, answer):
    server.publish()
    server.answers[FILES] = answer
    with pytest.raises(PodupError) as caught:
        client(server, clock, tmp_path).fetch(RELEASE, tmp_path / "new")
    assert caught.value.message
    assert not (tmp_path / "new").exists()


def test_an_endless_program_ends_at_the_cap_or_the_deadline(server, clock, tmp_path):
    server.publish()
    server.answers[FILES] = endless
    with pytest.raises(PodupError):
        client(server, clock, tmp_path).fetch(RELEASE, tmp_path / "new")
    assert not (tmp_path / "new").exists()


HOSTILE_CHECKSUMS = {
    "other name": f"{DIGEST}  other.pyz\n".encode(),
    "BOM": b"\xef\xbb\xbf" + f"{DIGEST}  {NAME}\n".encode(),
    "two entries": f"{DIGEST}  {NAME}\n{DIGEST}  {NAME}\n".encode(),
    "63 digits": f"{DIGEST[1:]}  {NAME}\n".encode(),
    "HTML": b"<html></html>",
    "huge": b"0" * 100_000,
    "of another file": f"{'0' * 64}  {NAME}\n".encode(),
}


@pytest.mark.parametrize("checksum", HOSTILE_CHECKSUMS.values(), ids=HOSTILE_CHECKSUMS)
def test_a_bad_checksum_file_is_refused(server, clock, tmp_path, checksum):
    server.publish(checksum=checksum)
    with pytest.raises(PodupError):
        client(server, clock, tmp_path).fetch(RELEASE, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_missing_checksum_is_refused_before_the_download(server, clock, tmp_path):
    server.publish()
    del server.answers[FILES + ".sha256"]
    with pytest.raises(Refused, match="no checksum"):
        client(server, clock, tmp_path).fetch(RELEASE, tmp_path / "new")
    assert FILES not in server.asked


def test_with_signers_a_signature_is_wanted_and_checked(server, clock, tmp_path):
    server.publish()

    def verify(program: Path, signature: bytes) -> None:
        assert program.read_bytes() == PROGRAM
        if signature != b"good":
            raise PodupError("signature-invalid", "no")

    asked = client(server, clock, tmp_path, verify=verify)
    with pytest.raises(Refused, match="no signature"):
        asked.fetch(RELEASE, tmp_path / "new")
    server.answers[FILES + ".sig"] = reply(200, b"bad")
    with pytest.raises(PodupError, match="no"):
        asked.fetch(RELEASE, tmp_path / "new")
    assert not (tmp_path / "new").exists()
    server.answers[FILES + ".sig"] = reply(200, b"good")
    assert asked.fetch(RELEASE, tmp_path / "new") == DIGEST


def as_json(value, **headers) -> bytes:
    return reply(200, json.dumps(value).encode(), **headers)


def test_the_newest_release_and_its_etag(server, clock, tmp_path):
    body = {"tag_name": "v1.1.0", "body": "notes " * 1000}
    server.answers[f"{API}/latest"] = [as_json(body, ETag='"a"'), reply(304, ETag='"a"')]
    asked = client(server, clock, tmp_path)
    assert asked.newest().tag == asked.newest().tag == "v1.1.0"
    assert 'If-None-Match: "a"' in server.heads[1]


def test_beta_reads_the_list_and_a_static_mirror_its_index(server, clock, tmp_path):
    server.answers[f"{API}?per_page=30"] = reply(200, b"<html>Index of /</html>")
    server.answers[f"{API}/index.json"] = as_json([{"tag_name": "v1.1.0"}, {"tag_name": "v2.0.0-rc.1"}])
    assert client(server, clock, tmp_path, channel=BETA).newest().tag == "v2.0.0-rc.1"


def test_a_prerelease_that_a_mirror_calls_the_latest_is_for_beta_only(server, clock, tmp_path):
    for said in ({"tag_name": "v1.1.0-rc.1"}, {"tag_name": "v1.1.0", "prerelease": True}):
        server.answers[f"{API}/latest"] = as_json(said)
        assert client(server, clock, tmp_path).newest() is None


def test_no_release_is_none(server, clock, tmp_path):
    assert client(server, clock, tmp_path).newest() is None


@pytest.mark.parametrize(
    "answer", [reply(200, b"<html>"), reply(200, b"[" * 9999), reply(418), reply(200, b"\xff")]
)
def test_an_answer_that_is_none_is_refused(server, clock, tmp_path, answer):
    server.answers[f"{API}/latest"] = answer
    with pytest.raises(PodupError):
        client(server, clock, tmp_path).newest()


def test_a_short_wait_is_waited_for(server, clock, tmp_path):
    server.answers[f"{API}/latest"] = [reply(429, Retry_After="7"), as_json({"tag_name": "v1.1.0"})]
    assert client(server, clock, tmp_path).newest().tag == "v1.1.0"
    assert clock.slept == [7.0]


def test_a_long_wait_is_remembered_and_nobody_is_asked_before(server, clock, tmp_path):
    reset = str(int(clock.now()) + 900)
    server.answers[f"{API}/latest"] = reply(403, X_RateLimit_Remaining="0", X_RateLimit_Reset=reset)
    with pytest.raises(RateLimited) as caught:
        client(server, clock, tmp_path).newest()
    assert caught.value.retry_after_s == 900
    with pytest.raises(RateLimited):
        client(server, clock, tmp_path).newest()
    assert len(server.asked) == 1
    clock.skew += 1000
    server.answers[f"{API}/latest"] = as_json({"tag_name": "v1.1.0"})
    assert client(server, clock, tmp_path).newest().tag == "v1.1.0"


def test_a_wait_noted_by_a_clock_that_was_ahead_is_not_waited_for(server, clock, tmp_path):
    clock.skew = 1_000_000_000.0
    server.answers[f"{API}/latest"] = reply(429, Retry_After="3600")
    with pytest.raises(RateLimited):
        client(server, clock, tmp_path).newest()
    clock.skew = 0.0
    server.answers[f"{API}/latest"] = as_json({"tag_name": "v1.1.0"})
    assert client(server, clock, tmp_path).newest().tag == "v1.1.0"


def test_a_server_in_trouble_is_asked_three_times(server, clock, tmp_path):
    server.answers[f"{API}/latest"] = [reply(502), reply(502), as_json({"tag_name": "v1.1.0"})]
    assert client(server, clock, tmp_path).newest().tag == "v1.1.0"
    assert clock.slept == [2.0, 4.0]
