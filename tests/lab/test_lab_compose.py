"""Compose on the lab's host: networks and published ports work for an ordinary user."""

from __future__ import annotations

import urllib.request
from pathlib import Path

import pytest
from host.containers import free_port
from labkit.commands import eventually, run
from labkit.images import Build, push

COMPOSE = """\
services:
  web:
    image: {image}:${{TAG}}
    environment: {{PORT: "8080", BIND: "0.0.0.0"}}
    ports: ["127.0.0.1:{port}:8080"]
"""


def test_a_stack_serves_what_env_says(registry: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image, port = f"{registry}/acme/stack", free_port()
    push(Build("v1"), f"{image}:v1")
    (tmp_path / "docker-compose.yml").write_text(COMPOSE.format(image=image, port=port))
    (tmp_path / ".env").write_text("TAG=v1\n")
    compose = ("podman-compose", "--file", str(tmp_path / "docker-compose.yml"), "--project-name", "lab")
    monkeypatch.chdir(tmp_path)
    run(*compose, "up", "--detach")
    try:
        eventually("the published port answers", lambda: fetch(f"http://127.0.0.1:{port}/version") == "v1")
    finally:
        run(*compose, "down", "--timeout", "1")


def fetch(url: str) -> str:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return str(answer.read().decode().strip())
    except OSError:
        return ""
