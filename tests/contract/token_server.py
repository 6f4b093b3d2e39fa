"""A token server as the distribution specification describes it: it signs what the real registry accepts.

Source: distribution, "Token Authentication Specification" and "Token Authentication Implementation".
"""

import base64
import json
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

ISSUER, SERVICE = "podup test", "the registry"
_LIFE_S = 300


class TokenServer:
    """Gives tokens to who logs in as `login` (a Basic value); `asked` are the scopes and logins that came."""

    def __init__(self, place: Path, login: str) -> None:
        self.certificate, self._key = place / "token.crt", place / "token.key"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=tokens",
             "-out", str(self.certificate), "-keyout", str(self._key)],
            check=True, capture_output=True,
        )  # fmt: skip
        self._login = login
        self.asked: list[tuple[str, str]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                query = parse_qs(urlsplit(self.path).query)
                scope, login = query.get("scope", [""])[0], self.headers.get("Authorization", "")
                outer.asked.append((scope, login))
                good = login == outer._login
                body = json.dumps({"token": outer._token(scope), "expires_in": _LIFE_S}) if good else "{}"
                self.send_response(200 if good else 401)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *_: object) -> None:
                """Nothing: the test asserts what was asked."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.realm = f"http://127.0.0.1:{self._server.server_port}/token"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> "TokenServer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _token(self, scope: str) -> str:
        kind, name, actions = scope.split(":")
        now = int(time.time())
        claims = {
            "iss": ISSUER, "sub": "ada", "aud": SERVICE, "jti": str(now),
            "exp": now + _LIFE_S, "nbf": now - 10, "iat": now - 10,
            "access": [{"type": kind, "name": name, "actions": actions.split(",")}],
        }  # fmt: skip
        chain = "".join(self.certificate.read_text().splitlines()[1:-1])
        header = {"typ": "JWT", "alg": "RS256", "x5c": [chain]}
        text = ".".join(_encoded(json.dumps(part).encode()) for part in (header, claims))
        signing = ["openssl", "dgst", "-sha256", "-sign", str(self._key)]
        signature = subprocess.run(signing, input=text.encode(), capture_output=True, check=True).stdout
        return f"{text}.{_encoded(signature)}"


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
