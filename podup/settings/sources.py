"""Where the text of a setting can stand, in order: the process environment (the name itself, NAME_FILE for a
secret, a systemd credential, an older name), the environment file, the TOML file.

An empty variable counts as absent. NAME and NAME_FILE at once are refused: one of them would be ignored.
"""

from collections.abc import Mapping
from pathlib import Path

from podup.core.secrets import Secret
from podup.errors import Invalid
from podup.records import dataclass, field
from podup.settings.row import Row


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value comes from: `kind` is environment, env-file, credential, config or default.

    `name` is the variable or key it stands under, `path` the file when there is one.
    """

    kind: str
    name: str = ""
    path: str = ""

    def __str__(self) -> str:
        return " ".join(part for part in (self.kind, self.name, self.path) if part)


@dataclass(frozen=True, slots=True)
class Found:
    """The text of a setting and where it stood."""

    text: str = field(repr=False)
    origin: Origin


@dataclass(frozen=True, slots=True)
class Layer:
    """One set of variables: the process environment, or an environment file."""

    kind: str
    variables: Mapping[str, str] = field(repr=False)
    path: str = ""
    credentials: Path | None = None

    def find(self, row: Row) -> Found | None:
        """Return what this layer says of a setting. Raises Invalid for a file that cannot be read."""
        given = self.variables.get(row.env, "")
        if row.is_secret:
            named = self.variables.get(f"{row.env}_FILE", "")
            if given and named:
                raise Invalid(
                    "setting-twice", f"{row.env} and {row.env}_FILE are both set", "keep one of them"
                )
            if named:
                text = read_secret(named, what=f"{row.env}_FILE").reveal()
                return Found(text, Origin(self.kind, f"{row.env}_FILE", named))
            if not given and (credential := self._credential(row)) is not None:
                return credential
        if given:
            return Found(given, Origin(self.kind, row.env, self.path))
        for older in row.older:
            if self.variables.get(older):
                return Found(self.variables[older], Origin(self.kind, older, self.path))
        return None

    def _credential(self, row: Row) -> Found | None:
        for name in (row.env, row.env.lower(), row.env.lower().replace("_", "-")):
            path = self.credentials / name if self.credentials is not None else None
            if path is not None and path.is_file():
                text = read_secret(str(path), what=f"credential {name}").reveal()
                return Found(text, Origin("credential", name, str(path)))
        return None


def read_secret(path: str, *, what: str) -> Secret:
    """Return the secret a file holds, without the newline at its end."""
    text = read_file(Path(path), what=what).strip("\r\n")
    if not text:
        raise Invalid("setting-file-empty", f"{what}: {path} is empty", "write the secret into it")
    return Secret(text)


def read_file(path: Path, *, what: str) -> str:
    """Return the text of a file somebody named in a setting; raises Invalid('setting-file-unreadable')."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        hint = "the file must exist and be readable for the user this runs as"
        raise Invalid("setting-file-unreadable", f"{what}: cannot read {path}: {reason}", hint) from error
