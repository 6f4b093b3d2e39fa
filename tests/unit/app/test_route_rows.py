"""Every row of the table keeps the promises all rows make: who may, CSRF, methods, bodies; and is described.

The program is one for the whole module: no test here wants an effect.
"""

import itertools
import json
from collections.abc import Iterator
from typing import Any

import pytest
from whole import BEARER, CLIENT, CONTROL, Whole

from podup.server.request import PAGING, Principal
from podup.server.router import Route, Who
from podup.server.sessions import COOKIE

ROW_COUNT_AT_LEAST = 70


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:
    program = Whole(tmp_path_factory.mktemp("rows"))
    yield program
    program.close()


@pytest.fixture(scope="module")
def table(whole: Whole) -> tuple[Route, ...]:
    return whole.site.router.routes


def path_of(route: Route) -> str:
    return "/".join("nothing" if part.startswith("{") else part for part in route.path.split("/"))


def asked(whole: Whole, route: Route, **kwargs: Any) -> Any:
    data = None if route.method == "GET" else {}
    return whole.ask(route.method, path_of(route), kwargs.pop("body", data), **kwargs)


def test_the_table_is_whole(table: tuple[Route, ...]) -> None:
    assert len(table) >= ROW_COUNT_AT_LEAST
    assert all(route.says.endswith(".") for route in table)
    kinds = {"GET", "POST", "DELETE"}
    assert {route.method for route in table} == kinds
    changing = [route for route in table if route.method == "DELETE" or route.effect]
    assert all(route.effect for route in changing)


def test_without_authentication_no_row_answers(whole: Whole, table: tuple[Route, ...]) -> None:
    for route in table:
        whole.auth.failures._seen.clear()
        answer = asked(whole, route, headers={})
        if route.who in (Who.ADMIN, Who.LOOPBACK):
            assert (answer.status, answer.json["error"]["code"]) == (401, "not-logged-in"), route.path
            assert "WWW-Authenticate" in answer.headers
        elif route.who is Who.SIGNATURE:
            assert answer.status == 401, route.path
        else:
            assert answer.status < 500 and answer.status != 403, route.path


def test_a_wrong_token_is_refused_and_too_many_are_slowed(whole: Whole, table: tuple[Route, ...]) -> None:
    whole.auth.failures._seen.clear()
    seen = [
        asked(whole, route, headers={"authorization": "Bearer guess"}).status
        for route in table
        if route.who is Who.ADMIN
    ]
    assert set(seen) == {401, 429}
    assert seen[:10] == [401] * 10
    whole.auth.failures._seen.clear()


def test_a_cookie_without_the_csrf_header_has_no_effect(whole: Whole, table: tuple[Route, ...]) -> None:
    principal = Principal("me", "session", frozenset(("admin",)))
    cookie = {"cookie": f"{COOKIE}={whole.auth.sessions.begin(principal, 600)}"}
    for route in table:
        if route.who is not Who.ADMIN:
            continue
        answer = asked(whole, route, headers=cookie, body={"nonsense": 1} if route.body else None)
        if route.effect:
            assert (answer.status, answer.json["error"]["code"]) == (403, "csrf"), route.path
            answer = asked(
                whole, route, headers={**cookie, "x-podup-csrf": "1"}, body=b"[" if route.body else None
            )
            assert answer.status != 403, route.path
        else:
            assert answer.status != 403, route.path


def test_a_token_reaches_only_its_scope(whole: Whole, table: tuple[Route, ...]) -> None:
    made = whole.ask("POST", "/api/tokens", {"name": "prometheus", "scopes": ["metrics"]}).json
    narrow = {"authorization": f"Bearer {made['token']}"}
    for route in table:
        if route.who is Who.ADMIN:
            answer = asked(whole, route, headers=narrow)
            assert (answer.status, answer.json["error"]["code"]) == (403, "out-of-scope"), route.path


def test_wrong_methods_are_refused_with_allow(whole: Whole, table: tuple[Route, ...]) -> None:
    methods: dict[str, set[str]] = {}
    for route in table:
        methods.setdefault(path_of(route), set()).add(route.method)
    for path, known in methods.items():
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE"} - known:
            answer = whole.ask(method, path)
            if answer.status != 405:  # another pattern takes this path with that method
                assert any(path_of(r) != path and r.method == method for r in table), (method, path)
                continue
            assert known <= set(answer.headers["Allow"].split(", ")), path
        options = whole.ask("OPTIONS", path)
        assert options.status == 204 and known <= set(options.headers["Allow"].split(", "))


def test_bodies_that_are_not_json_are_refused(whole: Whole, table: tuple[Route, ...]) -> None:
    for route in table:
        if route.body is None or route.who is not Who.ADMIN:
            continue
        typed = {**BEARER, "content-type": "text/plain"}
        assert asked(whole, route, body=b"{}", headers=typed).status == 415, route.path
        for body in (b"{", b"[]", b'"x"', b'{"nonsense":1}', b'{"caller":"\\ud800"}', b'{"caller":NaN}'):
            assert asked(whole, route, body=body).status == 400, (route.path, body)
        deep = b'{"caller":' + b"[" * 5000 + b"]" * 5000 + b"}"
        assert asked(whole, route, body=deep).status == 400, route.path


HOSTILE = (
    "",
    "x",
    "../../etc/passwd",
    "web",
    "web.service",
    "-rf",
    "a" * 5000,
    "\u202e",
    "'; DROP TABLE tasks",
    "%00",
)


def values_of(schema: dict[str, Any], schemas: dict[str, Any]) -> list[Any]:
    """A few values that fit a schema, ordinary and hostile ones."""
    if "$ref" in schema:
        return bodies_of(schemas[schema["$ref"].rpartition("/")[2]], schemas)[:3]
    if "anyOf" in schema:
        return [value for option in schema["anyOf"] for value in values_of(option, schemas)]
    kind = schema.get("type")
    if kind == "array":
        return [[], values_of(schema["items"], schemas)[:6]]
    return {
        "string": list(HOSTILE),
        "boolean": [True, False],
        "integer": [0, 1, -1, 10**18],
        "number": [0.5, -1e300],
        "null": [None],
    }.get(str(kind), [{}, {"image": "ghcr.io/acme/web"}, [], "x", 1])


def bodies_of(schema: dict[str, Any], schemas: dict[str, Any]) -> list[Any]:
    """Bodies that fit an object's schema: nothing but what is required, then each field in each value."""
    fields = {name: values_of(field, schemas) for name, field in schema["properties"].items()}
    least = {name: fields[name][0] for name in schema.get("required", ())}
    made = [least]
    for name, values in fields.items():
        made += [{**least, name: value} for value in values]
    together = itertools.islice(itertools.zip_longest(*fields.values(), fillvalue=None), 4)
    made += [dict(zip(fields, row, strict=True)) for row in together]
    return made


def test_bodies_made_from_the_description_never_break_the_program(
    whole: Whole, capsys: pytest.CaptureFixture[str]
) -> None:
    described = whole.ask("GET", "/api/openapi.json").json
    schemas = described["components"]["schemas"]
    sent = 0
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            if path.startswith(("/api/self-update", "/api/version")):
                continue  # these start a process; tests/unit/update has them
            if path == "/api/db/backup" or (path.startswith("/sse") and path != "/sse/hello"):
                continue
            reference = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
            bodies: list[Any] = [None]
            if reference:
                bodies = bodies_of(schemas[reference["schema"]["$ref"].rpartition("/")[2]], schemas)
            for name in ("web", "nothing", HOSTILE[2], HOSTILE[6], HOSTILE[8]):
                concrete = "/".join(name if part.startswith("{") else part for part in path.split("/"))
                for body in bodies:
                    answer = whole.ask(method.upper(), concrete, body, peer=CONTROL)
                    sent += 1
                    assert answer.status < 500 or answer.status == 503, (method, path, body, answer.body)
                if "{" not in path:
                    break
    assert sent > 500
    assert "Traceback" not in capsys.readouterr().err


def test_the_description_names_every_row(whole: Whole, table: tuple[Route, ...]) -> None:
    described = whole.ask("GET", "/api/openapi.json", headers={}).json
    assert described["openapi"] == "3.1.0"
    for route in table:
        operation = described["paths"][route.path.replace("*}", "}")][route.method.lower()]
        assert operation["summary"] == route.says
        assert operation["responses"]["default"]
    json.dumps(described)


def test_other_hosts_are_refused_but_for_webhooks_and_probes(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    program = Whole(tmp_path_factory.mktemp("hosts"), PODUP_ALLOWED_HOSTS="deploy.example.com")
    try:
        free = {"/health", "/livez", "/readyz", "/sse/hello"}
        for route in program.site.router.routes:
            if route.path in ("/sse/events", "/sse/task-logs"):
                continue
            evil = {**BEARER, "host": "evil.example:25111"}
            status = asked(program, route, headers=evil, peer=CLIENT).status
            if route.who is Who.SIGNATURE or route.path in free:
                assert status != 421, route.path
            else:
                assert status == 421, route.path
        for host in (
            "deploy.example.com",
            "DEPLOY.example.com:443",
            "localhost",
            "127.0.0.1:25111",
            "[::1]:1",
        ):
            assert program.ask("GET", "/api/tasks", headers={**BEARER, "host": host}).status == 200, host
    finally:
        program.close()


def test_every_list_answers_in_pages(whole: Whole, table: tuple[Route, ...]) -> None:
    lists = [route for route in table if set(PAGING) <= set(route.query)]
    assert {"/api/tokens", "/api/manual/services", "/api/stacks", "/api/kinds"} <= {row.path for row in lists}
    for route in lists:
        answer = whole.ask("GET", f"{route.path}?page=2&per_page=1").json
        assert (answer["page"], answer["page_size"]) == (2, 1), route.path
        assert answer["has_next"] is (answer["total"] > 2), route.path


def test_what_answers_a_total_is_a_list_with_pages(whole: Whole, table: tuple[Route, ...]) -> None:
    for route in table:
        answer = asked(whole, route) if (route.method, "{" in route.path) == ("GET", False) else None
        if answer is not None and answer.headers.get("Content-Type") == "application/json":
            assert ("total" in answer.json) is (set(PAGING) <= set(route.query)), route.path
