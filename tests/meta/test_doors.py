"""Each effect has one door: a module that alone may use the thing. Everybody else is given what they need."""

import ast
from pathlib import Path

from source_tree import imports_of, name_of, nodes_of, product_files, room_of, shown, text_of

MODULE_DOORS = {
    "subprocess": ("podup/host/run.py",),
    "dataclasses": ("podup/records.py",),
    "sqlite3": ("podup/store/db.py",),
    "urllib.request": ("podup/net/",),
    "http.client": ("podup/net/", "podup/cli/"),
    "smtplib": ("podup/net/",),
    "http.server": (),
    "socketserver": (),
    "time": ("podup/clock.py",),
    "fcntl": ("podup/files/",),
    "shutil": ("podup/files/",),
    "tempfile": ("podup/files/",),
    "random": (),
    "uuid": (),
    "secrets": (),
    "logging": (),
    "pickle": (),
    "multiprocessing": (),
    "asyncio": (),
}
CALL_DOORS = {
    "os.environ": ("podup/settings/", "podup/compiled.py"),
    "os.environb": ("podup/settings/",),
    "os.getenv": ("podup/settings/",),
    "os.putenv": (),
    "os.system": (),
    "os.popen": (),
    "os.execv": ("podup/app/program.py",),
    "os.urandom": ("podup/app/",),
    "datetime.now": ("podup/clock.py",),
    "datetime.utcnow": (),
    "datetime.today": ("podup/clock.py",),
    "date.today": ("podup/clock.py",),
}
# The second keeps compiled code and is loaded before any room is; what it writes may be lost at any time.
WRITING = ("podup/files/", "podup/compiled.py")
WRITING_OS = set(
    [
        "rename",
        "replace",
        "renames",
        "link",
        "symlink",
        "unlink",
        "remove",
        "rmdir",
        "removedirs",
        "mkdir",
        "makedirs",
        "fsync",
        "fdatasync",
        "truncate",
        "ftruncate",
        "chmod",
        "fchmod",
        "chown",
        "fchown",
        "utime",
        "mkfifo",
        "mknod",
        "pwrite",
        "writev",
    ]
)
WRITING_PATH = set(
    [
        "write_text",
        "write_bytes",
        "unlink",
        "mkdir",
        "rmdir",
        "touch",
        "symlink_to",
        "hardlink_to",
        "chmod",
        "lchmod",
    ]
)
BROAD_ROOMS = ("server", "engine")
BROAD_AT_MOST = 3


def _is_behind(path: Path, doors: tuple[str, ...]) -> bool:
    return any(shown(path) == door or (door.endswith("/") and shown(path).startswith(door)) for door in doors)


def test_effect_modules_are_imported_only_at_their_door() -> None:
    wrong = []
    for path in product_files():
        for found in imports_of(path):
            for module, doors in MODULE_DOORS.items():
                if (found.module == module or found.module.startswith(module + ".")) and not _is_behind(
                    path, doors
                ):
                    wrong.append(f"{shown(path)}:{found.line} imports {module}; allowed: {doors}")
    assert not wrong, "use the room that owns this effect, or take its object by argument:\n" + "\n".join(
        wrong
    )


def test_environment_time_and_randomness_come_by_argument() -> None:
    wrong = []
    for path in product_files():
        for node in nodes_of(path):
            if not (isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name | ast.Attribute)):
                continue
            owner = node.value.id if isinstance(node.value, ast.Name) else node.value.attr
            doors = CALL_DOORS.get(f"{owner}.{node.attr}")
            if doors is not None and not _is_behind(path, doors):
                wrong.append(f"{shown(path)}:{node.lineno} uses {owner}.{node.attr}; allowed: {doors}")
    assert not wrong, "take a Clock, a Settings or a random source by argument:\n" + "\n".join(wrong)


def test_files_are_written_only_by_the_files_room() -> None:
    wrong = []
    for path in product_files():
        if _is_behind(path, WRITING):
            continue
        ours = _names_from_podup(path)
        for node in nodes_of(path):
            if isinstance(node, ast.Call) and (what := _writes(node, ours)):
                wrong.append(f"{shown(path)}:{node.lineno} calls {what}")
    assert not wrong, (
        "only podup/files writes (durably, traced, so that crash tests can replay it); call "
        "podup.files.durable_write, make_dirs, rename, remove ...:\n" + "\n".join(wrong)
    )


def _names_from_podup(path: Path) -> set[str]:
    """Names bound by imports of our own modules: `files.rename(...)` goes through the door."""
    names: set[str] = set()
    for node in nodes_of(path):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "podup":
            names |= {alias.asname or alias.name for alias in node.names}
    return names


def _writes(call: ast.Call, ours: set[str]) -> str:
    func = call.func
    if isinstance(func, ast.Name):
        return "open() for writing" if func.id == "open" and _opens_to_write(call) else ""
    if not isinstance(func, ast.Attribute):
        return ""
    owner = func.value.id if isinstance(func.value, ast.Name) else ""
    if owner in ours or "os.devnull" in ast.unparse(call):
        return ""
    if owner == "os" and func.attr in WRITING_OS:
        return f"os.{func.attr}"
    if owner == "os" and func.attr == "open":
        flags = ast.unparse(call)
        return "os.open for writing" if "O_WRONLY" in flags or "O_RDWR" in flags else ""
    if func.attr == "open" and owner != "os":
        return ".open() for writing" if _opens_to_write(call, first=0) else ""
    return f".{func.attr}()" if func.attr in WRITING_PATH else ""


def _opens_to_write(call: ast.Call, *, first: int = 1) -> bool:
    modes = [*call.args[first : first + 1], *(k.value for k in call.keywords if k.arg == "mode")]
    return any(
        isinstance(mode, ast.Constant)
        and isinstance(mode.value, str)
        and len(mode.value) <= 4
        and set(mode.value) <= set("rwxabt+")
        and bool(set(mode.value) & set("wxa+"))
        for mode in modes
    )


def test_catching_everything_happens_at_three_doors_only() -> None:
    found = []
    for path in product_files():
        for node in nodes_of(path):
            if isinstance(node, ast.ExceptHandler) and _is_broad(node) and not _raises_again(node):
                found.append((room_of(name_of(path)), f"{shown(path)}:{node.lineno}"))
    outside = [where for room, where in found if room not in BROAD_ROOMS]
    assert not outside, f"only a request, a task process and a scheduler tick catch everything: {outside}"
    files = {where.partition(":")[0] for _, where in found}
    assert len(files) <= BROAD_AT_MOST, f"more than {BROAD_AT_MOST} files catch everything: {found}"


def _is_broad(handler: ast.ExceptHandler) -> bool:
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(kind is None or ast.unparse(kind) in ("Exception", "BaseException") for kind in kinds)


def _raises_again(handler: ast.ExceptHandler) -> bool:
    return isinstance(handler.body[-1], ast.Raise)


def test_an_ignored_error_says_why() -> None:
    wrong = []
    for path in product_files():
        lines = text_of(path).splitlines()
        for node in nodes_of(path):
            if isinstance(node, ast.ExceptHandler) and [type(n) for n in node.body] == [ast.Pass]:
                around = lines[node.lineno - 1 : node.body[0].lineno]
                if not any("#" in line for line in around):
                    wrong.append(f"{shown(path)}:{node.body[0].lineno}")
    assert not wrong, f"`pass` in an except wants a comment on its line that says why that is right: {wrong}"


def test_only_the_terminal_prints() -> None:
    wrong = [
        f"{shown(path)}:{node.lineno}"
        for path in product_files()
        if room_of(name_of(path)) not in ("cli", "app", "__main__")
        for node in nodes_of(path)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("print", "input")
    ]
    assert not wrong, f"only cli/ prints; return the text, or raise an error with a hint: {wrong}"
