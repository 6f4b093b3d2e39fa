"""A small OCI registry on loopback, with rules and with faults to switch on."""

import json
from dataclasses import dataclass, field

from peer import Peer, reply

from podup.core.digests import digest_of
from podup.core.manifests import DOCKER_LIST, OCI_INDEX, OCI_MANIFEST

TOKEN = "t0ken"
LOGIN = "Basic YWRhOnMzY3JldA=="  # ada:s3cret


@dataclass
class FakeRegistry:
    """Serves what was put into it. `auth` is `none`, `basic` or `bearer`; `faults` are looked at per request.

    A fault is a path's end, or `*`, and the raw pieces to answer with. `asked` are methods and paths.
    """

    auth: str = "none"
    tells_digest: bool = True
    knows_head: bool = True
    life_s: int = 300
    tags: dict[tuple[str, str], str] = field(default_factory=dict)
    documents: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    faults: dict[str, list] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    tokens_given: int = 0
    tokens_good: set[str] = field(default_factory=set)

    def __enter__(self):
        self.peer = Peer(self._answer)
        self.peer.__enter__()
        return self

    def __exit__(self, *error):
        self.peer.__exit__(*error)

    @property
    def host(self):
        return f"127.0.0.1:{self.peer.port}"

    def put(self, media_type, document):
        content = document if isinstance(document, bytes) else json.dumps(document).encode()
        digest = digest_of(content)
        self.documents[digest] = media_type, content
        return digest

    def put_image(self, version="1", layers=(100, 23)):
        config = {"mediaType": "application/vnd.oci.image.config.v1+json", "size": 7}
        document = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": config | {"digest": digest_of(version.encode())},
            "layers": [{"mediaType": "x", "digest": digest_of(b"%d" % size),
            "size": size} for size in layers],
        }
        return self.put(OCI_MANIFEST, document)

    def put_index(self, entries, media_type=OCI_INDEX):
        listed = [
            {"mediaType": OCI_MANIFEST, "digest": digest, "size": 1,
             "platform": dict(zip(("os", "architecture", "variant"), platform.split("/"), strict=False))}
            for platform, digest in entries.items()
        ]  # fmt: skip
        return self.put(media_type, {"schemaVersion": 2, "mediaType": media_type, "manifests": listed})

    def push(self, repository, tag, digest):
        self.tags[repository, tag] = digest
        return digest

    def _answer(self, head):
        method, path = head.split(" ")[:2]
        self.asked.append(f"{method} {path}")
        for end, pieces in self.faults.items():
            if end == "*" or path.partition("?")[0].endswith(end):
                return pieces
        if path.startswith("/token"):
            return [self._token(head)]
        if self.auth != "none" and not self._is_known(head):
            return [self._challenge(path)]
        return [self._serve(method, path.removeprefix("/v2/"))]

    def _is_known(self, head):
        sent = next((line[15:] for line in head.split("\r\n") if line.startswith("Authorization: ")), "")
        return sent == LOGIN if self.auth == "basic" else sent.removeprefix("Bearer ") in self.tokens_good

    def _challenge(self, path):
        if self.auth == "basic":
            return reply(b"", 401, WWW_Authenticate='Basic realm="here"')
        repository = path.removeprefix("/v2/").partition("/manifests/")[0].partition("/tags/")[0]
        realm = f'realm="http://{self.host}/token",service="reg",scope="repository:{repository}:pull"'
        return reply(b"", 401, WWW_Authenticate=f"Bearer {realm}")

    def _token(self, head):
        if "secret" in self.faults and LOGIN not in head:
            return reply(b"{}", 401)
        self.tokens_given += 1
        token = f"{TOKEN}{self.tokens_given}"
        self.tokens_good.add(token)
        return reply(json.dumps({"token": token, "expires_in": self.life_s}).encode())

    def _serve(self, method, path):
        if path.partition("?")[0].endswith("/tags/list"):
            return self._list(path)
        repository, _, reference = path.partition("/manifests/")
        digest = self.tags.get((repository, reference), reference)
        if digest not in self.documents:
            errors = {"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}]}
            return reply(b"" if method == "HEAD" else json.dumps(errors).encode(), 404)
        if method == "HEAD" and not self.knows_head:
            return reply(b"", 405)
        media_type, content = self.documents[digest]
        told = {"Docker_Content_Digest": digest} if self.tells_digest else {}
        if method == "HEAD":
            return reply(b"", 200, Content_Length=str(len(content)), Content_Type=media_type, **told)
        return reply(content, 200, Content_Type=media_type, **told)

    def _list(self, path):
        repository = path.partition("/tags/")[0]
        names = sorted(tag for where, tag in self.tags if where == repository)
        last = path.partition("last=")[2]
        page = [name for name in names if name > last][:2]
        body = json.dumps({"name": repository, "tags": page or None}).encode()
        if page and page[-1] != names[-1]:
            return reply(body, 200, Link=f'</v2/{repository}/tags/list?n=2&last={page[-1]}>; rel="next"')
        return reply(body)


__all__ = ["DOCKER_LIST", "LOGIN", "FakeRegistry", "reply"]
