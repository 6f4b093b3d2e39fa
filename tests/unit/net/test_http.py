import socket
import threading
import time

import pytest
from peer import Peer, reply

from podup.clock import SystemClock
from podup.errors import PodupError
from podup.net.http import USER_AGENT, Http, Limits

CLIENT = Http(SystemClock())
SMALL = Limits(max_bytes=1000)
SHORT = Limits(deadline_s=0.3, max_bytes=1000)  # only where the deadline has to pass: a busy machine is late


def always(*pieces):
    return lambda request: pieces


def refused(url, code, **more):
    limits = SHORT if code == "too-slow" else SMALL
    with pytest.raises(PodupError) as caught:
        CLIENT.fetch("GET", url, limits=limits, **more)
    assert caught.value.code == code, caught.value.message
    return caught.value


def test_fetches():
    with Peer(always(reply(b"hello", Content_Type="text/plain", X_A="1"))) as peer:
        answer = CLIENT.fetch("GET", f"{peer.url}/a/b?c=d&e", headers={"X-B": "2"})
    assert (answer.status, answer.body, answer.ok) == (200, b"hello", True)
    assert answer.header("content-TYPE") == "text/plain" and answer.header("none") == ""
    head = peer.requests[0]
    assert head.startswith("GET /a/b?c=d&e HTTP/1.1\r\n")
    for line in (f"Host: 127.0.0.1:{peer.port}", f"User-Agent: {USER_AGENT}", "Accept-Encoding: identity",
    "X-B: 2"):
        assert head.count(line) == 1
    assert answer.url == f"{peer.url}/a/b?c=d&e"


def test_posts_and_heads():
    with Peer(always(reply(b"", 201))) as peer:
        assert CLIENT.fetch("POST", peer.url, body=b"x=1").status == 201
    assert peer.bodies == [b"x=1"] and peer.requests[0].startswith("POST / HTTP/1.1")
    with Peer(always(reply(b"", Content_Length="5000000000"))) as peer:
        answer = CLIENT.fetch("HEAD", peer.url, limits=SMALL)
    assert answer.body == b"" and answer.header("Content-Length") == "5000000000"


def test_repeated_headers_and_other_statuses_are_handed_over():
    asked = b"WWW-Authenticate: Basic\r\nWWW-Authenticate: Bearer x=1\r\n"
    raw = b"HTTP/1.1 401 No\r\n" + asked + b"Content-Length: 2\r\n\r\nno"
    with Peer(always(raw)) as peer:
        answer = CLIENT.fetch("GET", peer.url)
    assert answer.status == 401 and answer.body == b"no"
    assert answer.every("www-authenticate") == ("Basic", "Bearer x=1")


def test_chunked_and_unbounded_bodies():
    chunked = b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    with Peer(always(chunked)) as peer:
        assert CLIENT.fetch("GET", peer.url).body == b"abcde"
    with Peer(always(b"HTTP/1.0 200 X\r\n\r\n", b"to the end")) as peer:
        assert CLIENT.fetch("GET", peer.url).body == b"to the end"


HEAD = b"HTTP/1.1 200 X\r\n"


@pytest.mark.parametrize(
    ("pieces", "code"),
    [
        ([], "bad-response"),
        ([b"\r\n\r\n"], "bad-response"),
        ([b"SSH-2.0-OpenSSH_9.2\r\n"], "bad-response"),
        ([b"HTTP/1.1 abc\r\n\r\n"], "bad-response"),
        ([HEAD + b"X: " + b"y" * 70000 + b"\r\n\r\n"], "bad-response"),
        ([HEAD + b"X: y\r\n" * 200 + b"\r\n"], "bad-response"),
        ([HEAD + b"Content-Length: 10\r\n\r\nshort"], "bad-response"),
        ([HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nab"], "bad-response"),
        ([HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nab"], "bad-response"),
        ([reply(b"x", Content_Encoding="gzip")], "bad-response"),
        ([reply(b"x" * 1001)], "response-too-large"),
        ([reply(b"", Content_Length="99999999999")], "response-too-large"),
        ([HEAD + b"\r\n", b"x" * 600, b"y" * 600], "response-too-large"),
        ([HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"3e8\r\n" + b"x" * 1000 + b"\r\n",
         b"1\r\ny\r\n0\r\n\r\n"],
         "response-too-large"),
        ([5.0], "too-slow"),
        ([HEAD, 5.0], "too-slow"),
        ([HEAD + b"Content-Length: 9\r\n\r\nab", 5.0], "too-slow"),
        ([b"HTTP/1.1 100 Continue\r\n\r\n", 5.0], "too-slow"),
    ],
)
def test_hostile_answers(pieces, code):
    with Peer(always(*pieces)) as peer:
        refused(peer.url, code)


@pytest.mark.parametrize("start", [b"", HEAD + b"X: ", HEAD + b"Content-Length: 900\r\n\r\n"])
def test_a_trickle_ends_at_the_deadline(start):
    with Peer(lambda request: (piece for _ in range(200) for piece in (start if _ == 0 else b"a",
    0.05))) as peer:
        began = time.monotonic()
        refused(peer.url, "too-slow")
        assert time.monotonic() - began < 5  # the whole answer would take ten


def test_nobody_listens():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    error = refused(f"http://127.0.0.1:{port}/x?token=abc", "unreachable")
    assert "token" not in error.message and f"127.0.0.1:{port}/x" in error.message


def test_a_listener_that_never_accepts():
    with socket.create_server(("127.0.0.1", 0), backlog=0) as lazy:
        url = f"http://127.0.0.1:{lazy.getsockname()[1]}/"
        fillers = [socket.socket() for _ in range(3)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(lazy.getsockname())
        refused(url, "too-slow")
        for filler in fillers:
            filler.close()


def redirecting(places):
    def script(request):
        path = request.split(" ")[1]
        if path in places:
            status, target = places[path]
            return [reply(b"moved", status, Location=target)]
        return [reply(b"at " + path.encode())]

    return script


def test_follows_redirects():
    places = {"/a": (302, "/b?x=1"), "/b?x=1": (307, "c"), "/c": (308, "//127.0.0.1:{}/d e")}
    with Peer(lambda request: redirecting({k: (s, t.format(peer.port)) for k,
    (s, t) in places.items()})(request)) as peer:
        answer = CLIENT.fetch("GET", f"{peer.url}/a", headers={"Authorization": "Bearer s"})
    assert answer.body == b"at /d%20e" and answer.url == f"{peer.url}/d%20e"
    assert all("Authorization: Bearer s" in request for request in peer.requests)


def test_authorization_stays_with_its_host():
    headers = {"Authorization": "Bearer s", "Cookie": "c=1", "Accept": "x"}
    with Peer(redirecting({})) as other, Peer(redirecting({"/a": (302, f"{other.url}/b")})) as peer:
        assert CLIENT.fetch("GET", f"{peer.url}/a", headers=headers).body == b"at /b"
    assert "Bearer" in peer.requests[0] and "c=1" in peer.requests[0]
    assert "Bearer" not in other.requests[0] and "c=1" not in other.requests[0]
    assert "Accept: x" in other.requests[0]
    assert f"Host: 127.0.0.1:{other.port}" in other.requests[0]


@pytest.mark.parametrize(
    ("target", "code"),
    [("/a", "too-many-redirects"), ("ftp://127.0.0.1/x", "bad-url"), ("file:///etc/passwd", "bad-url"),
     ("http://u:p@127.0.0.1/", "bad-url"), ("http://[::1/", "bad-response"),
      ("http://127.0.0.1:99999/", "bad-url"),
     ("javascript:alert(1)", "bad-url"), ("https://", "bad-url")],
)  # fmt: skip
def test_bad_redirects(target, code):
    with Peer(redirecting({"/a": (301, target)})) as peer:
        refused(f"{peer.url}/a", code)
    assert len(peer.requests) == (6 if code == "too-many-redirects" else 1)


def test_what_is_not_followed():
    with Peer(always(reply(b"x", 302, Location="/b"))) as peer:
        assert CLIENT.fetch("POST", peer.url, body=b"").status == 302
    with Peer(always(reply(b"x", 304, Location="/b"))) as peer:
        assert CLIENT.fetch("GET", peer.url).status == 304
    with Peer(always(reply(b"x", 302))) as peer:
        assert CLIENT.fetch("GET", peer.url).status == 302


@pytest.mark.parametrize(
    "url",
    ["", "x", "/x", "ftp://h/x", "file:///etc/passwd", "http://", "http:///x", "http://u@h/",
     "http://u:p@h/", "http://h:0x/",
     "http://h:99999/", "http://h/a b", "http://h/\r\nX: y", "http://h/\x00", "http://h\u00e9/",
     "http://[::1/", "HTTP//h",
     "http://h/\ud800", "unix:///run/x", "http:h"],
)  # fmt: skip
def test_bad_urls(url):
    refused(url, "bad-url")


def test_headers_cannot_be_split():
    with Peer(always(reply())) as peer:
        for value in ("a\r\nX: y", "a\nb", "\u20ac"):
            refused(peer.url, "bad-url", headers={"Authorization": value})
    assert peer.requests == []


def test_downloads_in_pieces():
    pieces = []
    with Peer(always(reply(b"x" * 200_000))) as peer:
        answer = CLIENT.download(peer.url, pieces.append, limits=Limits(max_bytes=200_000))
    assert answer.ok and b"".join(pieces) == b"x" * 200_000 and len(pieces) > 2 and answer.body == b""


def test_a_failed_download_never_reaches_the_sink():
    pieces = []
    with Peer(always(reply(b"n" * 100_000, 404))) as peer:
        answer = CLIENT.download(peer.url, pieces.append)
    assert answer.status == 404 and pieces == [] and answer.body == b"n" * 65536
    with Peer(redirecting({"/a": (302, "/b")})) as peer:
        CLIENT.download(f"{peer.url}/a", pieces.append)
    assert pieces == [b"at /b"]


def test_what_the_sink_raises_comes_through():
    def full(_):
        raise OSError(28, "No space left on device")

    with Peer(always(reply(b"x"))) as peer, pytest.raises(OSError, match="No space left"):
        CLIENT.download(peer.url, full)


def test_through_a_proxy():
    with Peer(always(reply(b"proxied"))) as proxy:
        settings = {"http": f"http://u:p%20w@127.0.0.1:{proxy.port}", "no": "direct.test"}
        client = Http(SystemClock(), proxies=settings)
        assert client.fetch("GET", "http://web.test:81/x?y").body == b"proxied"
        with pytest.raises(PodupError) as caught:
            Http(SystemClock(), proxies={"https": proxy.url}).fetch("GET", "https://web.test/")
    assert proxy.requests[0].startswith("GET http://web.test:81/x?y HTTP/1.1\r\n")
    assert "Host: web.test:81" in proxy.requests[0]
    assert "Proxy-Authorization: Basic dTpwIHc=" in proxy.requests[0]
    assert proxy.requests[1].startswith("CONNECT web.test:443 HTTP/1.")
    assert caught.value.code in ("tls-failed", "unreachable", "bad-response", "too-slow")


def test_a_proxy_that_refuses_the_tunnel():
    with Peer(always(reply(b"", 407))) as proxy:
        client = Http(SystemClock(), proxies={"all": proxy.url})
        with pytest.raises(PodupError) as caught:
            client.fetch("GET", "https://web.test/")
    assert caught.value.code == "unreachable" and "407" in caught.value.message


def test_many_threads_share_one_client():
    with Peer(redirecting({})) as peer:
        found = []
        threads = [
            threading.Thread(
                target=lambda n=n: found.append(CLIENT.fetch("GET", f"{peer.url}/{n}").body), daemon=True
            )
            for n in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    assert sorted(found) == [b"at /%d" % n for n in range(8)]
