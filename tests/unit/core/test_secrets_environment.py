"""What the kept output of commands says of the environment of containers."""

import json
import time

import pytest

from podup.core.secrets import Redactor, Secret, without_environment

INSPECTED = json.dumps(
    [{"Config": {"Env": ["PATH=/bin", 'DB_PASSWORD=hunter2 "so" long'], "Labels": {"io.podup.probe": "tcp://h:1"}},
      "CreateCommand": ["podman", "run", "--env", "DB_PASSWORD=hunter2", "--env=KEY=hunter2", "web"]}],
)  # fmt: skip
UNIT = r"""[Service]
Environment=DB_PASSWORD=hunter2 \
  KEY=hunter2
ExecStart=/usr/bin/podman run --env DB_PASSWORD=hunter2 -e 'KEY=hunter2 b' --env "X=hunter2 c" \
  --creds me:hunter2 --env \
  Y=hunter2 --name web ghcr.io/acme/web:latest
"""
COMPOSE = """services:
  web:
    environment:
      DB_URL: postgres://me:hunter2@db/x
      KEY: hunter2
    image: ghcr.io/acme/web:latest
  db:
    environment:
    - KEY=hunter2
    image: db
"""


@pytest.mark.parametrize("indent", [None, 2])
def test_an_inspection_keeps_names_and_labels(indent: int | None) -> None:
    shown = without_environment(json.dumps(json.loads(INSPECTED), indent=indent))
    assert "hunter2" not in shown
    told = json.loads(shown)[0]
    assert told["Config"]["Env"] == ["PATH=***", "DB_PASSWORD=***"]
    assert told["Config"]["Labels"] == {"io.podup.probe": "tcp://h:1"}
    assert told["CreateCommand"][-2:] == ["--env=KEY=***", "web"]


def test_a_unit_keeps_its_image_and_loses_its_values() -> None:
    shown = without_environment(UNIT)
    assert "hunter2" not in shown
    assert "--name web ghcr.io/acme/web:latest" in shown


def test_a_compose_file_loses_its_environments() -> None:
    shown = without_environment(COMPOSE)
    assert "hunter2" not in shown
    assert shown.count("image:") == 2
    services = {"services": {"web": {"environment": {"A": "hunter2 } \" {"}, "image": "web"}}}
    told = json.loads(without_environment(json.dumps(services)))
    assert told == {"services": {"web": {"environment": {}, "image": "web"}}}


def test_long_output_is_masked_in_time() -> None:
    began = time.process_time()
    pieces = ("a-" * 2, '"A=', "'A=", " --env", "environment:\n", "\\\n", '"environment": {"', "://a:")
    for text in (piece * 10_000 for piece in pieces):
        without_environment(text)
        Redactor().text(text)
    assert time.process_time() - began < 5


def test_a_tag_is_no_secret_and_a_longer_name_is_one() -> None:
    redactor = Redactor([Secret("known-value")])
    assert redactor.text("pull ghcr.io/acme/vault-token:v1") == "pull ghcr.io/acme/vault-token:v1"
    assert redactor.text("DB_PASSWORD=hunter2 token: abc known-value") == "DB_PASSWORD=*** token: *** ***"
    assert redactor.text('{"api_token": "abc"}') == '{"api_token": "***"}'
    assert redactor.text("postgres://me:hunter2@db:5432/x") == "postgres://me:***@db:5432/x"
    assert redactor.text("http://127.0.0.1:8080/x?y=a@b") == "http://127.0.0.1:8080/x?y=a@b"
