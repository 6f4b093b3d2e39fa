"""Build the one file that is the program: dist/pod-upgrade-trigger.pyz, and its checksum beside it.

Promise: the same commit, Python minor version, zlib and liblzma give the same bytes, from any directory,
user, umask, time zone and hash seed. Names are sorted, dates are SOURCE_DATE_EPOCH or the commit's, modes are
fixed. Modules are inside as source, in one archive: each interpreter compiles what it imports once and keeps
it (podup.loader, podup.compiled). The few modules up to the loader are plain entries, with .pyc files for the
building interpreter: of an unchecked hash, as a zip's local times depend on the time zone, and compiled in a
bare interpreter, without what depends on its state (marshal format 2 has no references; no column tables).
Refused: a version that is not SemVer, a module that does not compile.

Formats: PEP 441 (zipapp), PEP 552 (hash-based pyc), https://reproducible-builds.org/specs/source-date-epoch/.
"""

import argparse
import hashlib
import importlib.util
import io
import lzma
import marshal
import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT))

from podup.cli import overview  # noqa: E402

NAME = "pod-upgrade-trigger.pyz"
SHEBANG = b"#!/usr/bin/env python3\n"
CONSTANTS = "from podup.version import COMMIT, OVERVIEW, VERSION\n"
PLAIN = ("podup/__init__.py", "podup/compiled.py", "podup/loader.py", "podup/version.py")
SHARED = (
    ("migrations", "podup/migrations"),
    ("systemd", "podup/share/systemd"),
    ("scripts", "podup/share/scripts"),
)
SHARED_SUFFIXES = {".sql", ".example", ".sh"}
WEB_SUFFIXES = {".html", ".js", ".css", ".svg", ".png", ".ico", ".json", ".webmanifest", ".txt", ".woff2"}
SEMVER = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?")
UNCHECKED_HASH = 0b01
EARLIEST = 315532800  # 1980-01-01, the first moment a zip can name
BARE = ("-I", "-S", "-X", "no_debug_ranges")


def main(arguments: list[str]) -> int:
    """Build into the directory asked for and say what was made."""
    if not (sys.flags.isolated and sys.flags.no_site and "no_debug_ranges" in sys._xoptions):
        return subprocess.run([sys.executable, *BARE, __file__, *arguments], check=False).returncode
    asked = _parse(arguments)
    version = asked.version.removeprefix("v") if asked.version else _project_version()
    if not SEMVER.fullmatch(version):
        sys.stderr.write(f"build_zipapp: {version!r} is not a version like 1.2.3\n")
        return 2
    commit = asked.commit or _commit()
    data = pack(contents(version=version, commit=commit, repo=asked.repo), epoch=_epoch())
    digest = hashlib.sha256(data).hexdigest()
    asked.output.mkdir(parents=True, exist_ok=True)
    _replace(asked.output / NAME, data, mode=0o755)
    _replace(asked.output / f"{NAME}.sha256", f"{digest}  {NAME}\n".encode(), mode=0o644)
    sys.stdout.write(f"{asked.output / NAME} {version} ({commit}), {len(data)} bytes\nsha256 {digest}\n")
    return 0


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="build_zipapp.py", description="Build the program as one file.")
    parser.add_argument("--version", metavar="X.Y.Z", help="version inside (default: that of pyproject.toml)")
    parser.add_argument("--commit", metavar="HASH", help="commit inside (default: the one checked out)")
    parser.add_argument("--repo", default="", help="OWNER/NAME it is released in, where it looks for updates")
    parser.add_argument("--output", metavar="DIR", type=Path, default=ROOT / "dist", help="default: dist/")
    return parser.parse_args(arguments)


def contents(*, version: str, commit: str, repo: str = "") -> dict[str, bytes]:
    """Return name -> bytes of all that goes in, sorted by name."""
    files: dict[str, bytes] = {}
    for path in sorted((ROOT / "podup").rglob("*")):
        name = path.relative_to(ROOT).as_posix()
        if not path.is_file() or not _is_wanted(path):
            continue
        if path.suffix == ".py" or name.startswith("podup/web/"):
            files[name] = path.read_bytes()
    for source, target in SHARED:
        for path in sorted((ROOT / source).rglob("*")):
            if path.is_file() and path.suffix in SHARED_SUFFIXES:
                files[f"{target}/{path.relative_to(ROOT / source).as_posix()}"] = path.read_bytes()
    constants = {"VERSION": version, "COMMIT": commit, "OVERVIEW": overview.render("{program}")}
    stamps = {**constants, "REPOSITORY": repo}
    files["podup/version.py"] = stamped(files["podup/version.py"].decode(), stamps)
    files["__main__.py"] = start(files["podup/__main__.py"].decode(), constants)
    ours = [name for name in files if name.startswith("podup/") and name.endswith(".py")]
    modules = {name: files[name] for name in ours}
    files = {name: data for name, data in files.items() if name not in modules or name in PLAIN}
    files |= {f"{name}c": pyc(name, files[name]) for name in ("__main__.py", *PLAIN)}
    files["sources.tar.xz"] = sources(modules)
    return dict(sorted(files.items()))


def _is_wanted(path: Path) -> bool:
    hidden = any(part.startswith(".") or part == "__pycache__" for part in path.relative_to(ROOT).parts)
    return not hidden and (path.suffix == ".py" or path.suffix in WEB_SUFFIXES)


def stamped(text: str, constants: dict[str, str]) -> bytes:
    """Return the text of podup/version.py with these constants in it."""
    for name, value in constants.items():
        line = f"{name} = {value!r}"
        text, count = re.subn(rf'^{name} = ".*"$', lambda _, line=line: line, text, flags=re.MULTILINE)
        if count != 1:
            raise SystemExit(f"build_zipapp: podup/version.py has {count} lines that set {name}")
    return text.encode()


def start(text: str, constants: dict[str, str]) -> bytes:
    """Return podup/__main__.py with the constants in place of their import, so `--version` loads nothing."""
    if text.count(CONSTANTS) != 1:
        raise SystemExit(f"build_zipapp: podup/__main__.py does not have the line {CONSTANTS!r}")
    return text.replace(
        CONSTANTS, "".join(f"{name} = {value!r}\n" for name, value in constants.items())
    ).encode()


def sources(modules: dict[str, bytes]) -> bytes:
    """Return the text of the modules in one archive, which compresses far better than each on its own."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as packed:
        for name, data in sorted(modules.items()):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            packed.addfile(member, io.BytesIO(data))
    return lzma.compress(buffer.getvalue(), preset=9 | lzma.PRESET_EXTREME)


def code_of(name: str, source: bytes) -> bytes:
    """Return the code of a module, marshalled."""
    return marshal.dumps(compile(source, name, "exec", dont_inherit=True, optimize=2), 2)


def pyc(name: str, source: bytes) -> bytes:
    """Return a module that is loaded before the loader in zipimport's form, dated by an unchecked hash."""
    header = importlib.util.MAGIC_NUMBER + UNCHECKED_HASH.to_bytes(4, "little")
    return header + importlib.util.source_hash(source) + code_of(name, source)


def pack(files: dict[str, bytes], *, epoch: int) -> bytes:
    """Return the zip of these files behind a shebang line, all dated `epoch` (Unix seconds, in UTC)."""
    moment = datetime.fromtimestamp(max(epoch, EARLIEST), UTC)
    date = (moment.year, moment.month, moment.day, moment.hour, moment.minute, moment.second)
    buffer = io.BytesIO()
    buffer.write(SHEBANG)
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name, date)
            entry.compress_type = zipfile.ZIP_STORED if name.endswith(".xz") else zipfile.ZIP_DEFLATED
            entry.create_system = 3
            executable = name.endswith(".sh") or data.startswith(b"#!")
            entry.external_attr = (0o100755 if executable else 0o100644) << 16
            archive.writestr(entry, data)
    return buffer.getvalue()


def _project_version() -> str:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return str(project["version"])


def _commit() -> str:
    """Return the commit's first seven letters, marked when tracked files differ from it."""
    head = _git("rev-parse", "HEAD")[:7]
    if not head:
        return "unknown"
    return f"{head}-dirty" if _git("status", "--porcelain", "--untracked-files=no") else head


def _epoch() -> int:
    given = os.environ.get("SOURCE_DATE_EPOCH") or _git("log", "-1", "--format=%ct")
    return int(given or EARLIEST)


def _git(*words: str) -> str:
    command = ["git", "--no-optional-locks", "-c", "safe.directory=*", "-C", str(ROOT), *words]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _replace(path: Path, data: bytes, *, mode: int) -> None:
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.write_bytes(data)
    fresh.chmod(mode)
    fresh.replace(path)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
