"""Who may: every identity, from the right place and with the right header."""

import ipaddress
import json

import pytest
from serving import LONG_TOKEN

from podup.core.secrets import Secret
from podup.server.auth import AuthRules, allow_hosts
from podup.server.response import answer
from podup.server.router import Route, Who

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)
FORWARD = AuthRules("remote-user", Secret("boss"), LOOPBACK)


def say(request):
    return answer({"name": request.principal.name, "how": request.principal.how, "client": request.client})


READ = Route("GET", "/read", "Reads.", Who.ADMIN, handler=say)
ACT = Route("POST", "/act", "Acts.", Who.ADMIN, handler=say, effect=True)
BODY = Route("POST", "/body", "Acts.", Who.ADMIN, handler=say, effect=True, token_in=("body",))
QUERY = Route("GET", "/query", "Acts.", Who.ADMIN, handler=say, effect=True, token_in=("query",))
METRICS = Route("GET", "/metrics", "Counts.", Who.LOOPBACK, handler=say, scope="metrics")
ROWS = (READ, ACT, BODY, QUERY, METRICS)
TOKEN = "Authorization: Bearer good-token"


def code_of(got) -> str:
    return json.loads(got.body)["error"]["code"]


def test_nobody_may_and_is_told_how(serve):
    wire = serve(*ROWS).wire()
    got = wire.get("/read")
    assert (got.status, code_of(got)) == (401, "not-logged-in")
    assert got.headers["www-authenticate"].startswith("Bearer")
    assert wire.post("/act", b"").status == 401
    assert wire.post("/body", b'{"token":"bad"}').status == 401
    assert wire.post("/body", b"not json").status == 401


def test_tokens_where_the_row_allows_them(serve):
    wire = serve(*ROWS).wire()
    assert wire.get("/read", TOKEN).status == 200
    assert wire.post("/act", b"", TOKEN).status == 200
    assert wire.post("/body", b'{"token":"good-token"}').status == 200
    assert wire.get("/query?token=good-token").status == 200
    assert wire.get("/read?token=good-token").status == 401
    assert wire.post("/act", b'{"token":"good-token"}').status == 401


def test_scopes(serve):
    wire = serve(*ROWS).wire()
    got = wire.get("/read", "Authorization: Bearer narrow-token")
    assert (got.status, code_of(got)) == (403, "out-of-scope")
    assert wire.get("/metrics", "Authorization: Bearer narrow-token").status == 200


def test_loopback_is_this_machine_and_no_proxy(serve):
    wire = serve(*ROWS).wire()
    assert wire.get("/metrics").status == 200
    assert wire.get("/metrics", "X-Forwarded-For: 192.0.2.1").status == 401


def test_forward_auth_counts_from_a_trusted_proxy_only(serve):
    wire = serve(*ROWS, rules=FORWARD).wire()
    assert json.loads(wire.get("/read", "Remote-User: boss").body)["how"] == "forward-auth"
    assert wire.get("/read", "Remote-User: other").status == 401
    assert wire.get("/read", "Remote-User: other", "Remote-User: boss").status == 401
    distant = AuthRules("remote-user", Secret("boss"), (ipaddress.ip_network("192.0.2.0/24"),))
    got = serve(*ROWS, rules=distant).wire().get("/read", "Remote-User: boss")
    assert got.status == 401
    assert "PODUP_TRUSTED_PROXIES" in json.loads(got.body)["error"]["hint"]


def test_effects_by_forward_auth_want_the_csrf_header(serve):
    wire = serve(*ROWS, rules=FORWARD).wire()
    got = wire.post("/act", b"", "Remote-User: boss")
    assert (got.status, code_of(got)) == (403, "csrf")
    assert wire.post("/act", b"", "Remote-User: boss", "X-Podup-CSRF: 1").status == 200


def test_a_refused_body_is_not_read(serve):
    wire = serve(*ROWS).wire()
    wire.send("POST /act HTTP/1.1", "Host: a", "Content-Length: 50000", "Expect: 100-continue")
    assert wire.read().status == 401
    assert wire.is_closed()


def test_the_nearest_address_that_is_no_trusted_proxy_is_the_client(serve):
    wire = serve(*ROWS, rules=FORWARD).wire()
    for forwarded, client in (
        ("192.0.2.9", "192.0.2.9"),
        ("10.9.9.9, 192.0.2.9, 127.0.0.5", "192.0.2.9"),
        ("nonsense", "127.0.0.1"),
    ):
        got = wire.get("/read", TOKEN, f"X-Forwarded-For: {forwarded}")
        assert json.loads(got.body)["client"] == client


def test_guessing_is_slowed_down_but_the_operator_is_not_locked_out(serve):
    running = serve(*ROWS, rules=FORWARD)
    wire = running.wire()
    statuses = [wire.get("/read", "Authorization: Bearer guess").status for _ in range(12)]
    assert statuses == [401] * 10 + [429] * 2
    got = wire.get("/read", TOKEN)
    assert (got.status, got.headers["retry-after"]) == (429, "60")
    assert wire.get("/read", "Remote-User: boss").status == 200
    assert wire.get("/read", TOKEN, "X-Forwarded-For: 192.0.2.1").status == 200


def test_a_token_too_long_to_be_guessed_does_not_wait_for_those_who_guess(serve):
    wire = serve(*ROWS).wire()
    for _ in range(12):
        last = wire.get("/read", "Authorization: Bearer guess", "X-Forwarded-For: 192.0.2.1")
    assert last.status == 429
    assert "PODUP_TRUSTED_PROXIES" in json.loads(last.body)["error"]["hint"]
    assert wire.get("/read", TOKEN).status == 429
    assert wire.get("/read", f"Authorization: Bearer {LONG_TOKEN}").status == 200
    login = json.dumps({"token": LONG_TOKEN}).encode()
    assert wire.post("/api/login", login, "Content-Type: application/json").status == 200


def test_logging_in_with_a_code_works_once(serve):
    running = serve(READ, ACT)
    code = running.auth.sessions.new_code()
    wire = running.wire()
    kind = "Content-Type: application/json"
    body = json.dumps({"code": code}).encode()
    got = wire.post("/api/login", body, kind)
    cookie = got.headers["set-cookie"]
    assert got.status == 200
    assert "HttpOnly; SameSite=Strict" in cookie
    assert "Max-Age=900" in cookie
    session = "Cookie: other=1; " + cookie.partition(";")[0]
    assert wire.get("/read", session).status == 200
    assert json.loads(wire.get("/api/session", session).body)["how"] == "session"
    assert code_of(wire.post("/act", b"", session)) == "csrf"
    assert wire.post("/act", b"", session, "X-Podup-CSRF: 1").status == 200
    assert code_of(wire.post("/api/login", body, kind)) == "bad-code"
    wire.post("/api/logout", b"", session)
    assert wire.get("/read", session).status == 401


def test_open_for_development_is_open_but_not_for_other_sites(serve):
    wire = serve(*ROWS, rules=AuthRules(is_open=True)).wire()
    assert wire.post("/act", b"").status == 200
    assert wire.post("/act", b"", "Sec-Fetch-Site: cross-site").status == 403


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("deploy.example", 401),
        ("DEPLOY.example:8443", 401),
        ("127.0.0.1:25111", 401),
        ("[::1]:25111", 401),
        ("localhost", 401),
        ("evil.example", 421),
        ("deploy.example.evil", 421),
    ],
)
def test_other_hosts_are_refused_when_hosts_are_named(serve, host, status):
    wire = serve(*ROWS, checks=(allow_hosts(("deploy.example",)),)).wire()
    wire.send("GET /read HTTP/1.1", f"Host: {host}")
    assert wire.read().status == status
