"""The unit files the project ships, as systemd reads them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

EXAMPLES = Path("systemd")


def test_systemd_finds_nothing_to_complain_about(tmp_path: Path) -> None:
    program = Path.home() / ".local/bin/pod-upgrade-trigger"
    if not program.exists():
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
    runner = Path.home() / ".local/share/pod-upgrade-trigger/scripts/self-update-runner.sh"
    runner.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy("scripts/self-update-runner.sh", runner)
    units = []
    for example in EXAMPLES.glob("*.user.*.example"):
        unit = tmp_path / example.name.replace(".user.", ".").removesuffix(".example")
        shutil.copy(example, unit)
        units.append(str(unit))
    assert len(units) == 4
    asked = ["systemd-analyze", "--user", "verify", *units]
    verdict = subprocess.run(asked, capture_output=True, text=True, timeout=60)
    assert (verdict.returncode, verdict.stdout + verdict.stderr) == (0, "")
