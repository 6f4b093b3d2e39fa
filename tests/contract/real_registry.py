"""The real `docker-registry` on a loopback port, with images pushed over its own HTTP API."""

import http.client
import json
import shutil
import socket
import ssl
import subprocess
import time
from pathlib import Path

from podup.core.digests import digest_of
from podup.core.manifests import DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST

PROGRAM = shutil.which("docker-registry")
LOGIN = "Basic YWRhOnMzY3JldA=="  # ada:s3cret
_HTPASSWD = "ada:$2b$04$DvaM6uQRhfYuxESElNUUyOitFiXSq1SwERMwqJEOIOk.c3CMlwYYO\n"


class RealRegistry:
    """Runs until the end of the `with`. `login` asks for ada:s3cret, `tls` is a certificate and its key.

    `token` says whose tokens count (configuration of distribution, `auth.token`). What was pushed stays in
    `place`, also for the next one there.
    """

    def __init__(
        self,
        place: Path,
        *,
        login: bool = False,
        tls: tuple[Path, Path] | None = None,
        token: dict[str, str] | None = None,
    ) -> None:
        self._place = place
        self._login = login
        self._token = token
        self._tls = tls
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.host = f"127.0.0.1:{free.getsockname()[1]}"

    def __enter__(self) -> "RealRegistry":
        config = self._place / "registry.yml"
        (self._place / "htpasswd").write_text(_HTPASSWD)
        config.write_text(self._config())
        with (self._place / "registry.log").open("wb") as log:
            self._process = subprocess.Popen([PROGRAM, "serve", str(config)], stdout=log, stderr=log)
        until = time.monotonic() + 10
        while time.monotonic() < until and self._process.poll() is None:
            try:
                self.request("GET", "/v2/")
                return self
            except OSError:
                time.sleep(0.05)
        self.__exit__()
        raise RuntimeError((self._place / "registry.log").read_text()[-2000:])

    def __exit__(self, *error: object) -> None:
        self._process.terminate()
        self._process.wait(timeout=10)

    def request(self, method: str, path: str, body: bytes = b"",
    media_type: str = "") -> http.client.HTTPResponse:
        host, port = self.host.split(":")
        if self._tls is None:
            connection = http.client.HTTPConnection(host, int(port), timeout=10)
        else:
            trust = ssl.create_default_context(cafile=str(self._tls[0]))
            connection = http.client.HTTPSConnection(host, int(port), timeout=10, context=trust)
        headers = {"Content-Type": media_type or "application/octet-stream"}
        if self._login:
            headers["Authorization"] = LOGIN
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        response.read()
        connection.close()
        return response

    def push_blob(self, repository: str, content: bytes) -> str:
        digest = digest_of(content)
        location = self.request("POST", f"/v2/{repository}/blobs/uploads/").headers["Location"]
        path = location.partition(self.host)[2] or location
        joint = "&" if "?" in path else "?"
        done = self.request("PUT", f"{path}{joint}digest={digest}", content)
        assert done.status == 201, done.status
        return digest

    def push_image(self, repository: str, tag: str, what: str, *,
    media_type: str = OCI_MANIFEST) -> tuple[str, str]:
        """Push an image of one layer; return the digests of its manifest and of its config."""
        kind = "docker" if media_type == DOCKER_MANIFEST else "oci"
        config = json.dumps({"os": "linux", "architecture": "amd64", "what": what}).encode()
        parts = {
            "config": self._descriptor(repository, config, _TYPES[kind, "config"]),
            "layers": [self._descriptor(repository, what.encode() * 50, _TYPES[kind, "layer"])],
        }
        document = {"schemaVersion": 2, "mediaType": media_type, **parts}
        return self.push_manifest(repository, tag, document), digest_of(config)

    def push_index(self, repository: str, tag: str, entries: dict[str, str]) -> str:
        listed = [
            {"mediaType": OCI_MANIFEST, "digest": digest, "size": 1,
             "platform": dict(zip(("os", "architecture", "variant"), name.split("/"), strict=False))}
            for name, digest in entries.items()
        ]  # fmt: skip
        return self.push_manifest(
            repository, tag, {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": listed}
        )

    def push_manifest(self, repository: str, tag: str, document: dict) -> str:
        content = json.dumps(document).encode()
        done = self.request("PUT", f"/v2/{repository}/manifests/{tag}", content, document["mediaType"])
        assert done.status == 201, done.status
        return digest_of(content)

    def _descriptor(self, repository: str, content: bytes, media_type: str) -> dict:
        return {"mediaType": media_type, "digest": self.push_blob(repository, content), "size": len(content)}

    def _config(self) -> str:
        parts = {
            "version": "0.1",
            "storage": {"filesystem": {"rootdirectory": str(self._place / "data")}},
            "http": {"addr": self.host, "secret": "x"},
            "log": {"level": "error", "accesslog": {"disabled": True}},
        }
        if self._login:
            parts["auth"] = {"htpasswd": {"realm": "here", "path": str(self._place / "htpasswd")}}
        if self._token is not None:
            parts["auth"] = {"token": self._token}
        if self._tls is not None:
            parts["http"]["tls"] = {"certificate": str(self._tls[0]), "key": str(self._tls[1])}
        return json.dumps(parts)  # JSON is YAML


_TYPES = {
    ("docker", "config"): "application/vnd.docker.container.image.v1+json",
    ("docker", "layer"): "application/vnd.docker.image.rootfs.diff.tar.gzip",
    ("oci", "config"): "application/vnd.oci.image.config.v1+json",
    ("oci", "layer"): "application/vnd.oci.image.layer.v1.tar+gzip",
}


def make_certificate(place: Path) -> tuple[Path, Path]:
    """Make a certificate for 127.0.0.1 that signs itself; return its file and its key's."""
    certificate, key = place / "tls.crt", place / "tls.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-days", "2",
         "-subj", "/CN=podup test", "-addext", "subjectAltName=IP:127.0.0.1", "-out", str(certificate),
         "-keyout", str(key)],
        check=True, capture_output=True,
    )  # fmt: skip
    return certificate, key
