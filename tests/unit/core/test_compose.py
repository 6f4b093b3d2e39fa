import json

import pytest

from podup.core import compose
from podup.errors import Invalid

FILE = """\
services:
  web:
    image: ghcr.io/seisei/odoo18:${ODOO_TAG}
    ports: ["8069:8069"]
    networks: [edge, default]
    restart: unless-stopped
    healthcheck:
      test: ["CMD", "true"]
  db:
    image: postgres:15
    volumes:
      - data:/var/lib/postgresql/data
      - ./conf:/conf:ro
    environment:
      PASSWORD: ${DB_PASSWORD:?set it in .env}
  tool:
    image: busybox
    profiles: [debug]
networks:
  edge:
    external: true
  default:
volumes:
  data:
"""


def test_reads_what_is_needed_of_a_file() -> None:
    read = compose.read_file(FILE, {"ODOO_TAG": "sha-1", "DB_PASSWORD": "p"}, "odoo18-prod")
    web, db = read.services
    assert (web.name, web.image, web.ports, web.networks) == (
        "web",
        "ghcr.io/seisei/odoo18:sha-1",
        ("8069:8069",),
        ("default", "edge"),
    )
    assert web.has_healthcheck and not db.has_healthcheck
    assert db.volumes == ("./conf:/conf:ro", "data:/var/lib/postgresql/data")
    assert read.networks == (
        compose.ComposeNetwork("edge", True),
        compose.ComposeNetwork("odoo18-prod_default"),
    )
    assert read.unset == read.required == ()


def test_names_variables_that_are_not_set() -> None:
    read = compose.read_file(FILE, {}, "odoo18-prod")
    assert read.unset == ("ODOO_TAG",)
    assert read.required == ("DB_PASSWORD (set it in .env)",)


def test_reads_the_output_of_docker_compose_config() -> None:
    tree = json.loads("""{"name": "web", "services": {"web": {"image": "a/b:1", "command": null,
      "ports": [{"mode": "ingress", "target": 80, "published": "8080", "protocol": "tcp"},
                {"target": 53, "protocol": "udp", "host_ip": "127.0.0.1", "published": "5353"}],
      "volumes": [{"type": "volume", "source": "data", "target": "/d", "volume": {}},
                  {"type": "bind", "source": "/x", "target": "/y", "read_only": true}],
      "networks": {"default": null}, "deploy": {"replicas": 2}}},
      "networks": {"default": {"name": "web_default", "ipam": {}}}}""")
    read = compose.read_config(tree, "web")
    service = read.services[0]
    assert service.ports == ("127.0.0.1:5353:53/udp", "8080:80")
    assert service.volumes == ("/x:/y:ro", "data:/d")
    assert (service.networks, service.replicas) == (("default",), 2)
    assert read.networks == (compose.ComposeNetwork("web_default"),)


def test_fingerprint_follows_the_definition() -> None:
    one = compose.read_file("services:\n  a:\n    image: x\n    environment: {A: 1}\n", {}, "p").services[0]
    same = compose.read_file("services:\n  a: {environment: {A: 1}, image: x}\n", {}, "p").services[0]
    other = compose.read_file("services:\n  a:\n    image: x\n    environment: {A: 2}\n", {}, "p").services[0]
    assert one.fingerprint == same.fingerprint != other.fingerprint


def read(text: str, **values: str) -> compose.Composition:
    return compose.read_file(text, values, "p")


def test_volumes_have_the_names_they_are_given() -> None:
    text = """\
services:
  db:
    image: x
    volumes: ["data:/d", "old:/o:ro", "plain:/p", {type: volume, source: data, target: /e}]
volumes: {data: {name: odoo-data, external: true}, old: {external: {name: legacy}}, plain: }
"""
    assert read(text).services[0].volumes == ("legacy:/o:ro", "odoo-data:/d", "odoo-data:/e", "plain:/p")


@pytest.mark.parametrize(
    ("profiles", "names"),
    [("", "web"), ("debug", "web tool"), ("a,debug", "web tool"), ("*", "web tool all"), ("other", "web")],
)
def test_a_service_with_a_profile_is_there_when_env_asks_for_it(profiles: str, names: str) -> None:
    text = "services:\n  web: {image: x}\n  tool: {image: x, profiles: [debug]}\n"
    text += "  all: {image: x, profiles: [b]}\n"
    assert [service.name for service in read(text, COMPOSE_PROFILES=profiles).services] == names.split()


def test_an_engine_has_left_out_what_is_not_active() -> None:
    tree = {"services": {"tool": {"image": "x", "profiles": ["debug"]}}}
    assert len(compose.read_config(tree, "p").services) == 1


def test_what_others_wait_for_ends_by_itself() -> None:
    text = """\
services:
  web:
    image: x
    depends_on:
      migrate: {condition: service_completed_successfully}
      db: {condition: service_healthy}
  migrate: {image: x}
  db: {image: x}
"""
    assert [service.ends for service in read(text).services] == [False, True, False]


def test_files_of_variables_are_known() -> None:
    text = "services:\n  a: {image: x, env_file: .env}\n  b:\n    image: x\n    env_file:\n"
    text += "      - b.env\n      - {path: c.env}\n      - {path: d.env, required: false}\n"
    assert [service.env_files for service in read(text).services] == [(".env",), ("b.env", "c.env")]


def test_the_project_that_the_files_name_is_known() -> None:
    text = "name: shop\nservices:\n  a: {image: x}\n"
    assert (read(text).project, read(text).own_name) == ("p", "shop")
    assert read(text, COMPOSE_PROJECT_NAME="market").own_name == "market"
    assert read("services:\n  a: {image: x}\n").own_name == ""


@pytest.mark.parametrize(
    "text",
    [
        "",
        "services: {}\n",
        "version: '3'\n",
        "services:\n  a: x\n",
        "include: [b.yml]\nservices:\n  a: {image: x}\n",
        "services:\n  a:\n    extends: {service: b}\n",
        "services:\n  a:\n    image: x\n    deploy: {replicas: many}\n",
    ],
)
def test_refuses_what_it_would_have_to_guess(text: str) -> None:
    with pytest.raises(Invalid):
        compose.read_file(text, {}, "p")
