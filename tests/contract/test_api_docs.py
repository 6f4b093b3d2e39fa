"""The curl lines of docs/api.md, run as they stand against the program on loopback."""

import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from whole import SECRET, TOKEN, Whole

from podup.clock import SystemClock
from podup.server.listeners import listen_tcp
from podup.server.server import Server
from podup.store import digests, image_locks
from podup.store.digests import Quarantine

DOCS = Path(__file__).resolve().parents[2] / "docs" / "api.md"
EXAMPLES = re.findall(r"^### (\S+ \S+)$.*?^```sh\n(.*?)^```$", DOCS.read_text(), flags=re.M | re.S)
NO_STACK = "no stack is configured on the simulated machine"
EXPECTED = {
    "POST /api/manual/services/{slug}/rollback": (409, "nothing ran before"),
    "POST /api/self-update/rollback": (400, "no version is named"),
    "GET /api/stacks/{name}": (404, NO_STACK),
    **{
        f"POST /api/stacks/{{name}}/{verb}": (404, NO_STACK)
        for verb in ("preflight", "smoke", "deploy", "rollback", "backup", "promote", "sync", "restore")
    },
}
LEFT_OUT = {"POST /api/self-update/run": "starts a unit", "GET /api/version/check": "asks the network"}


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    if shutil.which("curl") is None or shutil.which("openssl") is None:
        pytest.skip("needs curl and openssl")
    whole = Whole(tmp_path_factory.mktemp("docs"))
    delivered = whole.deliver("api", {"image": "ghcr.io/acme/api:latest"}).json
    assert whole.deliver("api", {"image": "x"}, secret="wrong").status == 401
    with whole.database.write() as cx:
        digests.quarantine(cx, Quarantine("api.service", "sha256:" + "a" * 64, "it failed", 1.0))
        image_locks.acquire_all(cx, ["unit:old.service"], owner="tsk_gone", now_s=1.0)
    server = Server(whole.site, [listen_tcp("127.0.0.1:0")], SystemClock())
    serving = threading.Thread(target=server.serve_forever, daemon=True)
    serving.start()
    yield {
        "PATH": os.environ["PATH"],
        "URL": f"http://127.0.0.1:{server.port}",
        "TOKEN": TOKEN,
        "SECRET": SECRET,
        "DIGEST": "sha256:" + "b" * 64,
        "SERVICE": "web",
        "TASK": delivered["task_id"],
        "DELIVERY": whole.ask("GET", "/api/deliveries").json["deliveries"][0]["id"],
        "BUCKET": "unit:old.service",
        "STACK": "shop",
        "NAME": "ci",
    }
    server.stop()
    serving.join(10)
    server.server_close()
    whole.close()


def test_every_row_has_an_example() -> None:
    assert len(EXAMPLES) > 70
    assert len({name for name, _ in EXAMPLES}) == len(EXAMPLES)


@pytest.mark.parametrize(("name", "lines"), EXAMPLES, ids=[name for name, _ in EXAMPLES])
def test_a_curl_line_does_what_it_says(name: str, lines: str, environment: dict[str, str]) -> None:
    if name in LEFT_OUT:
        pytest.skip(LEFT_OUT[name])
    shell = f"curl() {{ command curl -o /dev/null -w '%{{http_code}}' \"$@\"; }}\n{lines}"
    done = subprocess.run(
        ["bash", "-c", shell], env=environment, capture_output=True, text=True, timeout=20
    )
    status = int(done.stdout.strip() or 0)
    wanted = EXPECTED.get(name)
    if wanted is not None:
        assert status == wanted[0], (done.stdout, done.stderr)
    else:
        assert 200 <= status < 400, (done.stdout, done.stderr)
