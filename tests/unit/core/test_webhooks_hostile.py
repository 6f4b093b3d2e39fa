import copy
import json
import random

import pytest
from github_events import D, body

from podup.core.images import parse_ref
from podup.core.webhooks import Ignored, Matched, Mismatch, PackageEvent, Ping, match, read_event
from podup.errors import Invalid

ODD = [None, True, False, 0, -1, 1.5, 10**40, "", " ", "-x", "\x00", "é", "x" * 3000, [], [[]], [None], {},
{"": 1}, D]


def _paths(value, path=()):
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        yield from _paths(item, (*path, key))


def _altered(document, path, value):
    document = copy.deepcopy(document)
    if not path:
        return value
    at = document
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return document


@pytest.mark.parametrize("event", ["package", "registry_package"])
def test_any_member_may_be_anything_and_only_invalid_is_raised(event):
    whole = json.loads(body(event))
    for path in _paths(whole):
        for value in ODD:
            data = json.dumps(_altered(whole, path, value)).encode()
            for header in (event, "ping", None):
                _read_or_invalid(header, data)


def test_torn_and_flipped_bodies_raise_nothing_but_invalid():
    chance = random.Random(20)
    whole = body("registry_package")
    for cut in range(0, len(whole), 7):
        _read_or_invalid("package", whole[:cut])
    for _ in range(1500):
        data = bytearray(whole)
        for _ in range(chance.randint(1, 4)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        _read_or_invalid("registry_package", bytes(data))


def _read_or_invalid(header, data):
    try:
        found = read_event(header, data)
    except Invalid as error:
        assert error.code and error.message
        return
    assert isinstance(found, PackageEvent | Ignored | Ping)
    if isinstance(found, PackageEvent):
        assert parse_ref(found.image).name == found.image
        for tag in found.tags:
            parse_ref(f"{found.image}:{tag}")
        assert isinstance(match(found, parse_ref("ghcr.io/octo/hello:v1")), Matched | Mismatch)
