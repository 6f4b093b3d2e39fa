"""Every PODUP_ name that stands anywhere is a setting that exists."""

import re
from pathlib import Path

from source_tree import ROOT, shown, text_of

from podup.settings.load import FOR_HOOKS
from podup.settings.table import BY_ENV, OLDER, ROWS

NAME = re.compile(r"\b(?:PODUP|WEBHOOK)_[A-Z][A-Z0-9_]+\b")
FOLDERS = ("podup", "scripts", "systemd", "docs", ".github")


def _files() -> list[Path]:
    found = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.is_file()]
    texts = [path for path in found if path.suffix not in (".pyc", ".png", ".ico", ".woff2")]
    return sorted([*texts, *ROOT.glob("*.md"), ROOT / "build_zipapp.py"])


def test_no_setting_is_named_that_does_not_exist() -> None:
    known = {*BY_ENV, *OLDER, *FOR_HOOKS, *(f"{row.env}_FILE" for row in ROWS if row.is_secret)}
    wrong = [
        f"{shown(path)}: {name}"
        for path in _files()
        for name in sorted(set(NAME.findall(text_of(path))) - known)
    ]
    assert not wrong, "add a row to the table of settings (podup/settings), or mend the name:\n" + "\n".join(
        wrong
    )
