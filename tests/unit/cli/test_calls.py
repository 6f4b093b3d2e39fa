"""A command shows a whole list, however many pages it comes in."""

from collections.abc import Iterator, Mapping
from typing import Any

from podup.cli.calls import call_for_all


class Lister:
    """An API with 1,100 things, 500 at most a page."""

    has_daemon = True

    def __init__(self) -> None:
        self.asked: list[dict[str, str]] = []

    def call(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: Any = None
    ) -> dict[str, Any]:
        asked = dict(query or {})
        self.asked.append(asked)
        size, page = int(asked["per_page"]), int(asked["page"])
        things = list(range(1100))[(page - 1) * size : page * size]
        return {"things": things, "total": 1100, "page": page, "has_next": page * size < 1100}

    def follow(self, task_id: str) -> Iterator[dict[str, Any]]:
        yield from ()


def test_all_pages_are_one_list() -> None:
    api = Lister()
    answer = call_for_all(api, "/api/things", "things", query={"color": "red"})
    assert answer["things"] == list(range(1100)) and answer["total"] == 1100
    assert [asked["page"] for asked in api.asked] == ["1", "2", "3"]
    assert {asked["color"] for asked in api.asked} == {"red"}
