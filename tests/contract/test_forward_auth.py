"""ForwardAuth with a real proxy in front: nginx asks a login service, then says who it is in a header.

The proxy comes from 127.0.0.2, which is trusted; everybody else comes from 127.0.0.1, which is not.
"""

import json
import os
import shutil
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from whole import Whole

from podup.clock import SystemClock
from podup.core.secrets import Secret
from podup.core.signatures import sign
from podup.server.listeners import listen_tcp
from podup.server.server import Server

SECRET = "the-webhook-secret"
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
CONFIG = """\
daemon off; master_process off; pid {dir}/pid; error_log {dir}/error.log;
events {{ worker_connections 64; }}
http {{
  access_log off;
  client_body_temp_path {dir}/body; proxy_temp_path {dir}/proxy; fastcgi_temp_path {dir}/fastcgi;
  uwsgi_temp_path {dir}/uwsgi; scgi_temp_path {dir}/scgi;
  map $cookie_login $known {{ good admin; other guest; default ""; }}
  server {{                                     # the login service
    listen 127.0.0.1:{login};
    if ($known = "") {{ return 401; }}
    add_header X-User $known;
    return 204;
  }}
  server {{                                     # the proxy
    listen 127.0.0.1:{proxy};
    proxy_bind 127.0.0.2;
    location = /login {{ internal; proxy_pass http://127.0.0.1:{login}; proxy_pass_request_body off; }}
    location /github-package-update/ {{
      proxy_set_header X-Forwarded-User "";
      proxy_set_header Host $http_host;
      proxy_pass http://127.0.0.1:{port};
    }}
    location / {{
      auth_request /login;
      auth_request_set $user $upstream_http_x_user;
      proxy_set_header X-Forwarded-User $user;
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header Host $http_host;
      proxy_pass http://127.0.0.1:{port};
    }}
  }}
}}
"""


@dataclass(frozen=True)
class Site:
    whole: Whole
    direct: str
    proxy: str


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def ask(url: str, body: Any = None, **headers: str) -> tuple[int, Any]:
    data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    if data is not None:
        named.setdefault("Content-Type", "application/json")
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, named), timeout=10) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    if NGINX is None:
        pytest.skip("needs nginx")
    whole = Whole(
        tmp_path_factory.mktemp("forward"),
        PODUP_FWD_AUTH_HEADER="X-Forwarded-User",
        PODUP_FWD_AUTH_ADMIN_VALUE="admin",
        PODUP_TRUSTED_PROXIES="127.0.0.2",
    )
    server = Server(whole.site, [listen_tcp("127.0.0.1:0")], SystemClock())
    serving = threading.Thread(target=server.serve_forever, daemon=True)
    serving.start()
    directory = tmp_path_factory.mktemp("nginx")
    login, proxy = free_port(), free_port()
    config = Path(directory / "nginx.conf")
    config.write_text(CONFIG.format(dir=directory, login=login, proxy=proxy, port=server.port))
    running = subprocess.Popen(
        [NGINX, "-p", str(directory), "-e", str(directory / "error.log"), "-c", str(config)],
        env={"PATH": os.environ["PATH"]},
    )
    wait_for(proxy)
    yield Site(whole, f"http://127.0.0.1:{server.port}", f"http://127.0.0.1:{proxy}")
    running.terminate()
    running.wait(10)
    server.stop()
    serving.join(10)
    server.server_close()
    whole.close()


def wait_for(port: int) -> None:
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise AssertionError("nginx does not listen")


def test_who_is_logged_in_at_the_proxy_is_an_administrator(site: Site) -> None:
    assert ask(f"{site.proxy}/api/tasks", Cookie="login=good")[0] == 200
    assert ask(f"{site.proxy}/api/tasks")[0] == 401
    status, body = ask(f"{site.proxy}/api/session", Cookie="login=good")
    assert (status, json.loads(body)["how"]) == (200, "forward-auth")


def test_an_effect_wants_the_csrf_header(site: Site) -> None:
    frozen = {"unit": "web", "reason": "sale"}
    status, body = ask(f"{site.proxy}/api/freeze", frozen, Cookie="login=good")
    assert (status, json.loads(body)["error"]["code"]) == (403, "csrf")
    assert ask(f"{site.proxy}/api/freeze", frozen, Cookie="login=good", X_Podup_CSRF="1")[0] == 200


def test_another_user_of_the_proxy_is_nobody_here_even_with_a_forged_header(site: Site) -> None:
    assert ask(f"{site.proxy}/api/tasks", Cookie="login=other")[0] == 401
    assert ask(f"{site.proxy}/api/tasks", Cookie="login=other", X_Forwarded_User="admin")[0] == 401


def test_the_header_counts_from_the_proxy_only(site: Site) -> None:
    status, body = ask(f"{site.direct}/api/tasks", X_Forwarded_User="admin", X_Forwarded_For="127.0.0.2")
    assert status == 401
    assert "PODUP_TRUSTED_PROXIES" in json.loads(body)["error"]["hint"]


def test_webhooks_and_probes_pass_without_a_login(site: Site) -> None:
    body = json.dumps({"image": "ghcr.io/acme/web:latest"}).encode()
    signature = sign(body, Secret(SECRET))
    url = f"{site.proxy}/github-package-update/web"
    assert ask(url, body, X_Podup_Signature_256=signature)[0] == 202
    assert ask(url, body, X_Forwarded_User="admin")[0] == 401
    assert ask(f"{site.direct}/health")[0] == 200


def test_the_event_log_names_the_client_behind_the_proxy(site: Site) -> None:
    assert ask(f"{site.proxy}/api/kinds", Cookie="login=good")[0] == 200
    events = site.whole.events("path=/api/kinds")
    assert (events[0]["meta"]["client"], events[0]["meta"]["by"]) == ("127.0.0.1", "forward-auth")
