"""A machine whose only program is a `docker` made of a shell script and files: stacks without containers.

What the script is asked stands in `asked`, a line each: `R` for what only looks, `W` for what changes. What
real programs give away about the environment of containers it gives away too, in answers and complaints.
A version called `broken...` ends at once.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from podup.core.digests import digest_of
from podup.core.manifests import OCI_MANIFEST
from podup.host.compose_arguments import PROJECT_LABEL

SCRIPT = r"""#!/bin/sh
PATH=/usr/bin:/bin
cd "PLACE" || exit 99
all="$*"
note() { printf '%s %s\n' "$1" "docker $all" >> asked; }
value() { sed -n "s/^$1=//p" "RUN/.env" | tr -d "'\r"; }
id_of() { printf %s "$1" | sha256sum | cut -c1-64; }
names_in() { grep -qxF -- "$1" images; }
name_of() { case $1 in sha256:*) known_as "$1" ;; *) ! names_in "$1" || pulled_as "$1" ;; esac; }
pulled_as() { case $1 in localhost/*) echo "REPOSITORY:${1##*:}" ;; *) echo "$1" ;; esac; }
known_as() {
  while read -r one; do
    one=$(pulled_as "$one")
    [ "sha256:$(id_of "$one")" != "$1" ] || { echo "$one"; break; }
  done < images
}
tag=${ODOO_TAG:-$(value ODOO_TAG)}
password=$(value DB_PASSWORD)
case $all in
"compose version") note R; echo "Docker Compose version v2.29.0" ;;
"version --format"*) note R; echo 27.0.1 ;;
"compose "*" config "*) note R
  printf '{"services":{"web":{"image":"REPOSITORY:%s",' "$tag"
  printf '"environment":{"DB_PASSWORD":"%s"}}}}\n' "$password" ;;
"compose "*" up "*) note W; echo "$tag" > runs
  echo "web: created with --env DB_PASSWORD=$password" >&2 ;;
"ps "*" label=PROJECT=odoo"|"ps "*" label=PROJECT.working_dir=RUN") note R
  [ ! -s runs ] || id_of "container $(cat runs)" ;;
"ps "*) note R ;;
"volume ls "*) note R ;;
"container inspect "*) note R
  tag=$(cat runs) status=running running=true
  case $tag in broken*) status=exited running=false ;; esac
  printf '[{"Id":"%s","Name":"/odoo-web-1","RestartCount":0,' "$3"
  printf '"Image":"sha256:%s","State":{"Status":"%s",' "$(id_of "REPOSITORY:$tag")" $status
  printf '"Running":%s,"ExitCode":1,"StartedAt":"2026-01-30T10:00:00Z"},' $running
  printf '"Config":{"Image":"REPOSITORY:%s","Env":["DB_PASSWORD=%s"],' "$tag" "$password"
  printf '"Labels":{"PROJECT":"odoo","PROJECT.working_dir":"RUN","com.docker.compose.service":"web",'
  printf '"com.docker.compose.container-number":"1","com.docker.compose.oneoff":"False"}},"Mounts":[],'
  printf '"HostConfig":{"RestartPolicy":{"Name":"always"}}}]\n' ;;
"image inspect "*) note R; form=$4; shift 4; code=0
  for ref; do
    name=$(name_of "$ref")
    if [ -n "$name" ]; then
      case $form in *.Config.Labels*) told=null ;; *) told="[\"REPOSITORY@sha256:$(id_of "$name")\"]" ;; esac
      printf 'sha256:%s %s\n' "$(id_of "$name")" "$told"
    else echo "Error: No such image: $ref" >&2; code=1; fi
  done; exit $code ;;
"pull "*) note W; echo "$2" >> images; echo "pulling with password=$password" >&2 ;;
"tag "*) note W; echo "$3" >> images ;;
"rmi "*) note W; grep -vxF -- "$3" images > images.new; mv images.new images ;;
"images "*) note R; cat images ;;
"network ls"*) note R; echo bridge ;;
"info "*) note R; echo "PLACE" ;;
"stop "*) note W ;;
"rm "*) note W; : > runs ;;
"logs "*) note R; echo "connecting with password=$password" ;;
"exec "*pg_dump*) note W; echo "the dump of a database, as far as this script goes" ;;
"exec "*"pg_restore --list"*) note R; echo "1; 0 1 TABLE DATA public res_users odoo" ;;
"exec "*"pg_restore --file=/dev/null"*) note R; cat > /dev/null ;;
"exec "*pg_restore*) note W; cat > loaded ;;
"exec "*psql*) note R; echo 1 ;;
*) note W; echo "docker: what is '$all'?" >&2; exit 125 ;;
esac
"""
CONFIG = """
[stacks.odoo]
env = "prod"
family = "odoo"
proves = true
tag_variable = "ODOO_TAG"
source_dir = "{source}"
databases = [{{ name = "odoo", service = "web" }}]
smoke = [{{ database = "odoo" }}]
settle_s = 1
deadline_s = 5
min_free_percent = 0
"""


class DockerOnPaper:
    """The machine in `root`, with one stack `odoo` that runs v1 of what `registry` serves."""

    def __init__(self, root: Path, registry: str, *, password: str = "odoo") -> None:
        self._place = root / "machine"
        self.programs = root / "bin"
        self.run_dir, source = root / "stacks/odoo", root / "source"
        for directory in (self._place, self.programs, self.run_dir, source):
            directory.mkdir(parents=True)
        repository = f"{registry}/acme/odoo"
        script = SCRIPT.replace("PROJECT", PROJECT_LABEL).replace("PLACE", str(self._place))
        script = script.replace("RUN", str(self.run_dir))
        (self.programs / "docker").write_text(script.replace("REPOSITORY", repository))
        (self.programs / "docker").chmod(0o755)
        (self._place / "images").write_text(f"{repository}:v1\n")
        (self._place / "runs").write_text("v1\n")
        (self._place / "asked").touch()
        self.env_file = self.run_dir / ".env"
        self.env_file.write_text(f"ODOO_TAG=v1\nDB_PASSWORD={password}\n")
        self.env_file.chmod(0o600)
        text = f"services:\n  web:\n    image: {repository}:${{ODOO_TAG}}\n    environment:\n"
        text += "      DB_PASSWORD: ${DB_PASSWORD}\n"
        (self.run_dir / "docker-compose.yml").write_text(text)
        (source / "docker-compose.yml").write_text(text + "# newer\n")
        (root / "config.toml").write_text(CONFIG.format(source=source))
        self.settings = {
            "PATH": str(self.programs),
            "PODUP_CONFIG": str(root / "config.toml"),
            "PODUP_STACKS_DIR": str(root / "stacks"),
            "PODUP_BACKUPS_DIR": str(root / "backups"),
            "PODUP_RELEASES_DIR": str(root / "releases"),
            "PODUP_DEPLOY_HISTORY": str(root / "history.log"),
        }

    @property
    def runs(self) -> str:
        return (self._place / "runs").read_text().strip()

    @property
    def asked(self) -> list[str]:
        return (self._place / "asked").read_text().splitlines()

    @property
    def changes(self) -> list[str]:
        """What was asked of it that changes something."""
        return [line[2:] for line in self.asked if line.startswith("W")]


@contextmanager
def registry_behind_login(login: str) -> Iterator[str]:
    """A registry on loopback that has every image for who brings `login`; gives its host and port."""
    manifest = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "layers": []}
    config = {"mediaType": "application/vnd.oci.image.config.v1+json", "size": 2}
    body = json.dumps({**manifest, "config": {**config, "digest": digest_of(b"{}")}}).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            good = self.headers.get("Authorization") == f"Basic {login}"
            self.send_response(200 if good else 401)
            self.send_header("WWW-Authenticate", 'Basic realm="here"')
            self.send_header("Content-Type", OCI_MANIFEST)
            self.send_header("Docker-Content-Digest", digest_of(body))
            self.send_header("Content-Length", str(len(body) if good else 0))
            self.end_headers()
            if good and self.command == "GET":
                self.wfile.write(body)

        do_HEAD = do_GET

        def log_message(self, *_: object) -> None:
            """Nothing: what is said to it matters to the test, not that it was."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
