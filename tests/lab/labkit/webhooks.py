"""GitHub's `package` webhook, as its documentation shows it, signed and sent.

https://docs.github.com/en/webhooks/webhook-events-and-payloads#package
"""

from __future__ import annotations

import hashlib
import hmac
import json
import urllib.error
import urllib.request
import uuid
from dataclasses import dataclass
from typing import Any

MEDIA_TYPE = "application/vnd.docker.distribution.manifest.v2+json"


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: Any
    headers: dict[str, str]


@dataclass(frozen=True, slots=True)
class Delivery:
    """One webhook request; the same object sent twice is a redelivery."""

    path: str
    body: bytes
    headers: dict[str, str]


def package_event(
    reference: str, digest: str, *, action: str = "published", event: str = "package"
) -> dict[str, Any]:
    """The payload for a pushed `registry/owner/name:tag` with this manifest digest."""
    repository, _, tag = reference.rpartition(":")
    registry, owner, name = repository.split("/", 2)
    return {
        "action": action,
        event: {
            "id": 1, "name": name, "namespace": owner, "ecosystem": "CONTAINER", "package_type": "CONTAINER",
            "owner": {"login": owner, "id": 1, "type": "Organization"},
            "package_version": {
                "id": 2, "version": digest, "name": digest,
                "package_url": f"{registry}/{owner}/{name}:{tag}",
                "container_metadata": {
                    "tag": {"name": tag, "digest": digest},
                    "manifest": {"digest": digest, "media_type": MEDIA_TYPE},
                },
            },
            "registry": {"name": "GitHub CONTAINER Registry", "type": "CONTAINER", "url": f"http://{registry}/{owner}"},
        },
        "sender": {"login": "octocat"},
    }


def sign(body: bytes, secret: str) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def deliver(unit: str, payload: dict[str, Any], secret: str, *, event: str = "package") -> Delivery:
    """A signed delivery for one unit, with an id of its own."""
    body = json.dumps(payload).encode()
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "GitHub-Hookshot/lab",
        "X-GitHub-Event": event,
        "X-GitHub-Delivery": str(uuid.uuid4()),
        "X-Hub-Signature-256": sign(body, secret),
    }
    return Delivery(f"/github-package-update/{unit}", body, headers)


def send(base_url: str, delivery: Delivery) -> Answer:
    return request(f"{base_url}{delivery.path}", delivery.body, delivery.headers)


def request(
    url: str, body: bytes | None = None, headers: dict[str, str] | None = None, *, method: str | None = None
) -> Answer:
    """One HTTP request; an answer of 400 and above is an answer too. Raises OSError when nothing answers."""
    asked = urllib.request.Request(url, data=body, headers=headers or {}, method=method)
    try:
        with urllib.request.urlopen(asked, timeout=10) as answer:
            return _read(answer.status, answer.read(), dict(answer.headers))
    except urllib.error.HTTPError as refused:
        with refused:
            return _read(refused.code, refused.read(), dict(refused.headers))


def _read(status: int, body: bytes, headers: dict[str, str]) -> Answer:
    lowered = {name.lower(): value for name, value in headers.items()}
    is_json = lowered.get("content-type", "").startswith(("application/json", "application/problem+json"))
    return Answer(status, json.loads(body) if is_json and body else body.decode(errors="replace"), lowered)
