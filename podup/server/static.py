"""The files of the pages, read once at the start: the program's own zip may be replaced while it runs.

A path is a key of a table, never a path of the file system, so there is nothing to traverse. Everything has
an ETag; text is kept gzipped too. The policy lets a page load only what this server serves.
"""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from podup.errors import NotFound
from podup.late import late
from podup.records import dataclass
from podup.server.request import Request
from podup.server.response import Response
from podup.server.router import Handler, Route, Who

if TYPE_CHECKING:
    import gzip
    from importlib.resources.abc import Traversable
else:
    gzip = late("gzip")

MAX_FILE = 8 * 1024 * 1024
MAX_FILES = 2000
INDEX = "index.html"
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_TYPES = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "ico": "image/x-icon",
    "js": "text/javascript; charset=utf-8",
    "json": "application/json",
    "map": "application/json",
    "mjs": "text/javascript; charset=utf-8",
    "png": "image/png",
    "svg": "image/svg+xml",
    "txt": "text/plain; charset=utf-8",
    "webmanifest": "application/manifest+json",
    "woff2": "font/woff2",
}
_PACKED = ("css", "html", "js", "json", "map", "mjs", "svg", "txt", "webmanifest")


@dataclass(frozen=True, slots=True)
class File:
    """One file as it is served; `packed` is its gzip form, empty where that is not smaller."""

    media: str
    body: bytes
    packed: bytes
    etag: str


class Files:
    """All files of one directory, by their path with `/`."""

    def __init__(self, files: dict[str, File]) -> None:
        self._files = files

    def __contains__(self, name: str) -> bool:
        return name in self._files

    def respond(self, name: str, request: Request) -> Response:
        """Return the file, or 304 when the client has it. Raises NotFound."""
        file = self._files.get(name)
        if file is None:
            raise NotFound("no-such-file", "there is no such file")
        headers = (
            ("ETag", file.etag),
            ("Cache-Control", "no-cache"),
            ("Vary", "Accept-Encoding"),
            ("Content-Security-Policy", _POLICY),
            ("Cross-Origin-Opener-Policy", "same-origin"),
        )
        known = {tag.strip().removeprefix("W/") for tag in request.header("if-none-match").split(",")}
        if file.etag in known or "*" in known:
            return Response(304, headers)
        typed = (("Content-Type", file.media), *headers)
        if file.packed and _takes_gzip(request.header("accept-encoding")):
            return Response(200, (*typed, ("Content-Encoding", "gzip")), file.packed)
        return Response(200, typed, file.body)


def read_files(directories: "Sequence[Path | Traversable]") -> Files:
    """Read the first of the directories that has an index; none of them gives an empty table.

    Left out: hidden files, unknown types, files larger than 8 MiB, linked directories, links out.
    """
    for directory in directories:
        if directory.is_dir() and directory.joinpath(INDEX).is_file():
            return Files(dict(_read_below(directory)))
    return Files({})


def routes(files: Files, pages: Sequence[str]) -> tuple[Route, ...]:
    """Return the rows: the shell for every page, the assets, the icon, and `/manual` for `/services`."""

    def shell(request: Request) -> Response:
        return files.respond(INDEX, request)

    def asset(request: Request) -> Response:
        return files.respond(f"assets/{request.params['name']}", request)

    def icon(request: Request) -> Response:
        return files.respond("favicon.ico" if "favicon.ico" in files else "favicon.svg", request)

    def manual(_request: Request) -> Response:
        return Response(308, (("Location", "/services"),))

    rows: list[tuple[str, str, Handler]] = [(page, "The shell of the pages.", shell) for page in pages]
    rows += [
        ("/assets/{name*}", "A file of the pages.", asset),
        ("/favicon.ico", "The icon.", icon),
        ("/manual", "The older name of /services.", manual),
    ]
    return tuple(Route("GET", path, says, Who.OPEN, handler=does, in_loop=True) for path, says, does in rows)


def _read_below(root: "Path | Traversable") -> Iterator[tuple[str, File]]:
    waiting: list[tuple[str, Path | Traversable]] = [("", root)]
    count = 0
    while waiting:
        prefix, directory = waiting.pop()
        for entry in sorted(directory.iterdir(), key=lambda found: found.name):
            suffix = entry.name.rpartition(".")[2].lower()
            if entry.name.startswith(".") or _leads_out(entry, root):
                continue
            if entry.is_dir():
                waiting.append((f"{prefix}{entry.name}/", entry))
            elif suffix in _TYPES and count < MAX_FILES:
                body = entry.read_bytes()
                if len(body) <= MAX_FILE:
                    count += 1
                    yield f"{prefix}{entry.name}", _file(suffix, body)


def _leads_out(entry: "Path | Traversable", root: "Path | Traversable") -> bool:
    if not isinstance(entry, Path) or not isinstance(root, Path) or not entry.is_symlink():
        return False
    return entry.is_dir() or not entry.resolve().is_relative_to(root.resolve())


def _file(suffix: str, body: bytes) -> File:
    packed = gzip.compress(body, mtime=0) if suffix in _PACKED else b""
    if len(packed) >= len(body):
        packed = b""
    return File(_TYPES[suffix], body, packed, f'"{hashlib.sha256(body).hexdigest()[:32]}"')


def _takes_gzip(accepted: str) -> bool:
    for part in accepted.lower().split(","):
        coding, _, quality = part.partition(";")
        if coding.strip() in ("gzip", "*"):
            return quality.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False
