"""Rows, matching, and the document made of them."""

import json

import pytest

from podup.api.login import LoginBody
from podup.api.openapi import describe
from podup.errors import Invalid, NotFound
from podup.server.response import MethodNotAllowed, Response
from podup.server.router import Route, Router, Who


def row(method: str, path: str, **more) -> Route:
    return Route(method, path, f"{method} {path}", Who.ADMIN, handler=lambda request: Response(), **more)


ROUTER = Router(
    [
        row("GET", "/"),
        row("GET", "/api/tasks"),
        row("GET", "/api/tasks/{id}"),
        row("POST", "/api/tasks/{id}/stop", effect=True),
        row("POST", "/api/services/{slug}"),
        row("POST", "/api/services/all/refresh"),
        row("GET", "/assets/{name*}"),
    ]
)


@pytest.mark.parametrize(
    ("method", "path", "pattern", "params"),
    [
        ("GET", "/", "/", {}),
        ("HEAD", "/api/tasks", "/api/tasks", {}),
        ("GET", "/api/tasks/tsk_a", "/api/tasks/{id}", {"id": "tsk_a"}),
        ("POST", "/api/tasks/a b/stop", "/api/tasks/{id}/stop", {"id": "a b"}),
        ("POST", "/api/services/all", "/api/services/{slug}", {"slug": "all"}),
        ("POST", "/api/services/all/refresh", "/api/services/all/refresh", {}),
        ("GET", "/assets/js/app.js", "/assets/{name*}", {"name": "js/app.js"}),
    ],
)
def test_matching(method, path, pattern, params):
    match = ROUTER.match(method, path)
    assert (match.route.path, match.params) == (pattern, params)


@pytest.mark.parametrize("path", ["/api", "/api/tasks/", "/api/tasks/a/b", "//", "/assets", "*", ""])
def test_other_paths_are_not_found(path):
    with pytest.raises(NotFound):
        ROUTER.match("GET", path)


def test_other_methods_are_named():
    with pytest.raises(MethodNotAllowed) as caught:
        ROUTER.match("GET", "/api/tasks/a/stop")
    assert caught.value.allow == "OPTIONS, POST"
    assert ROUTER.match("OPTIONS", "/api/tasks").route.method == "OPTIONS"


def test_rows_that_contradict_each_other_are_refused():
    for rows in (
        [row("GET", "/a"), row("GET", "/a")],
        [row("GET", "/a/{b}"), row("POST", "/a/{c}")],
        [Route("GET", "/a", "No handler.", Who.OPEN)],
    ):
        with pytest.raises(Invalid):
            Router(rows)


def test_the_document_names_every_row():
    rows = (*ROUTER.routes, row("POST", "/api/login", body=LoginBody, query=("page",)))
    document = describe(rows, version="1.2.3")
    assert json.loads(json.dumps(document)) == document
    assert document["openapi"] == "3.1.0"
    assert {(m.upper(), p) for p, item in document["paths"].items() for m in item} == {
        (r.method, r.path.replace("*}", "}")) for r in rows
    }
    stop = document["paths"]["/api/tasks/{id}/stop"]["post"]
    assert [p["name"] for p in stop["parameters"]] == ["id", "X-Podup-CSRF"]
    assert document["components"]["schemas"]["LoginBody"]["properties"]["code"] == {"type": "string"}
    ids = [op["operationId"] for item in document["paths"].values() for op in item.values()]
    assert len(ids) == len(set(ids))
