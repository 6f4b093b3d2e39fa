import pytest

from podup.core import yaml_subset
from podup.errors import Invalid

COMPOSE = """\
# a stack
version: "3.8"
x-common: &common
  restart: unless-stopped
  logging: {driver: json-file, options: {max-size: "10m"}}
services:
  web:
    <<: *common
    image: ghcr.io/seisei/odoo18:${TAG:-sha-1}   # the tag
    command: ["odoo", '-c', /etc/odoo.conf, "a # b"]
    ports:
    - 8069:8069
    - "127.0.0.1:22:22"
    environment:
      - HOST=db
      - PASSWORD=a#b
    healthcheck:
      test: |
        curl -f http://localhost/ ||
          exit 1
      interval: 5s
    restart: always
    labels:
      traefik.http.routers.web.rule: Host(`a.example`)
  db:
    image: postgres:15
    volumes: [data:/var/lib/postgresql/data]
    depends_on: []
networks:
  edge:
    external: true
  inner:
volumes:
  data: {}
"""


def test_reads_a_whole_compose_file() -> None:
    tree = yaml_subset.read(COMPOSE)
    web = tree["services"]["web"]
    assert tree["version"] == "3.8"
    assert web["image"] == "ghcr.io/seisei/odoo18:${TAG:-sha-1}"
    assert web["command"] == ["odoo", "-c", "/etc/odoo.conf", "a # b"]
    assert web["ports"] == ["8069:8069", "127.0.0.1:22:22"]
    assert web["environment"] == ["HOST=db", "PASSWORD=a#b"]
    assert web["healthcheck"]["test"] == "curl -f http://localhost/ ||\n  exit 1\n"
    assert web["restart"] == "always"
    assert web["logging"]["options"] == {"max-size": "10m"}
    assert web["labels"] == {"traefik.http.routers.web.rule": "Host(`a.example`)"}
    assert tree["services"]["db"]["volumes"] == ["data:/var/lib/postgresql/data"]
    assert tree["services"]["db"]["depends_on"] == []
    assert tree["networks"] == {"edge": {"external": True}, "inner": None}
    assert tree["volumes"] == {"data": {}}


def test_line_ends_of_windows_and_a_byte_order_mark_do_not_matter() -> None:
    assert yaml_subset.read("\ufeff" + COMPOSE.replace("\n", "\r\n")) == yaml_subset.read(COMPOSE)


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("", None),
        ("# nothing\n", None),
        ("---\na: 1\n", {"a": "1"}),
        (
            "a:\n  b:\n    - c\n    - d: e\n      f: g\n    -\n      - h\n",
            {"a": {"b": ["c", {"d": "e", "f": "g"}, ["h"]]}},
        ),
        ("a: ''\nb: ~\nc: null\nd: True\n", {"a": "", "b": None, "c": None, "d": True}),
        ("a: >-\n  one\n  two\n\n  three\nb: x\n", {"a": "one two\nthree", "b": "x"}),
        ("a: 'it''s'\nb: \"x\\ty\"\n", {"a": "it's", "b": "x\ty"}),
        ("a: http://x/y:z\n", {"a": "http://x/y:z"}),
        ("- a\n- b\n", ["a", "b"]),
        ("a: &x 1\nb: *x\n", {"a": "1", "b": "1"}),
        ("a:\n- - b\n  - c\n", {"a": [["b", "c"]]}),
        ('"a b": 1\n', {"a b": "1"}),
    ],
)
def test_forms(text: str, tree: object) -> None:
    assert yaml_subset.read(text) == tree


@pytest.mark.parametrize(
    "text",
    [
        "a:\n\tb: 1\n",
        "a: !!str 1\n",
        "a: 1\n---\nb: 2\n",
        "a: 1\na: 2\n",
        "a: *missing\n",
        "a: 'open\n",
        "a: [1,\n  2]\n",
        "a: one\n  two\n",
        "a: b: c\n",
        "? a\n: b\n",
        "%YAML 1.2\n---\na: 1\n",
        "a: 1\n  b: 2\n",
        "a:\n    b: 1\n  c: 2\n",
        "a: [1, 2] x\n",
        "<<: 1\n",
    ],
)
def test_refuses_what_it_does_not_understand(text: str) -> None:
    with pytest.raises(Invalid) as caught:
        yaml_subset.read(text)
    assert caught.value.message.startswith("line ")
