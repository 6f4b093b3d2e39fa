"""The bad releases an update has to survive, each a whole program that is built and run.

`main` are its first words, `files` replace others of its files; `ends` is the exit code of the update and
`why` what its log says: a dry start refuses some (1), the others are taken back from their trial (4).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from programs import GOOD, ROOT, changed

REFUSED, TAKEN_BACK, PUT_OFF = "refused", "taken back", "put off"
EXITS = {REFUSED: 1, TAKEN_BACK: 4, PUT_OFF: 1}
HANGS = "put off: its dry start failed: it did not end within 12 s (try 1 of 3)"
SERVES = "import sys\nserves = 'http-server' in sys.argv\n"
MIGRATION = f"podup/migrations/{len(list((ROOT / 'migrations').glob('*.sql'))) + 1:04}_next.sql"
NEVER_ANSWERS = """
if serves:
    import os, socket, time
    host, _, port = os.environ["PODUP_HTTP_ADDR"].rpartition(":")
    listening = socket.create_server((host, int(port)))
    time.sleep(3600)
"""
DIES_ONCE_WELL = """
def die_once_well():
    import os, time, urllib.request
    while True:
        time.sleep(0.2)
        try:
            urllib.request.urlopen(f"http://{os.environ['PODUP_HTTP_ADDR']}/health", timeout=2).close()
        except OSError:
            continue
        time.sleep(0.5)
        os._exit(1)
if serves:
    import threading
    threading.Thread(target=die_once_well, daemon=True).start()
"""
WRONG_VERSION = """
if serves:
    import podup.version
    podup.version.VERSION = "7.7.7"
"""
ENDLESS = """CREATE TABLE numbers (n INTEGER NOT NULL);
INSERT INTO numbers
WITH RECURSIVE up (n) AS (SELECT 1 UNION ALL SELECT 1 FROM up) SELECT n FROM up WHERE n > 1;
"""


@dataclass(frozen=True)
class Candidate:
    ends: str
    why: str
    main: str = GOOD
    files: Mapping[str, str] = field(default_factory=dict)

    def build(self, newer: Path, target: Path) -> Path:
        """Make it of a good build of the same version."""
        return changed(newer, target, main=self.main, files=self.files)


def migrating(why: str, sql: str, *, ends: str = REFUSED) -> Candidate:
    return Candidate(ends, why, files={MIGRATION: f"-- oldest-reader: 0.1.0\n{sql}"})


CANDIDATES = {
    "crash on import": Candidate(REFUSED, "No module named 'gone'", f"import gone\n{GOOD}"),
    "crash on an import only some commands make": Candidate(
        REFUSED, "import of podup.app.facade", f"import sys\nsys.modules['podup.app.facade'] = None\n{GOOD}"
    ),
    "missing main": Candidate(REFUSED, "can't find '__main__' module", main=""),
    "exits 0 at once": Candidate(REFUSED, "ended with 0 and said nothing", "raise SystemExit(0)\n"),
    "exits 10 at once": Candidate(REFUSED, "ended with 10 and said nothing", "raise SystemExit(10)\n"),
    "exits 0 instead of serving": Candidate(
        TAKEN_BACK, "not steadily well", f"{SERVES}if serves: sys.exit(0)\n{GOOD}"
    ),
    "exits 10 instead of serving": Candidate(
        TAKEN_BACK, "not steadily well", f"{SERVES}if serves: sys.exit(10)\n{GOOD}"
    ),
    "hangs at once": Candidate(PUT_OFF, HANGS, "import time\ntime.sleep(3600)\n"),
    "hangs before listening": Candidate(
        TAKEN_BACK, "not steadily well", f"{SERVES}if serves: __import__('time').sleep(3600)\n{GOOD}"
    ),
    "listens and never answers": Candidate(
        TAKEN_BACK, "not steadily well", f"{SERVES}{NEVER_ANSWERS}{GOOD}"
    ),
    "answers the wrong version": Candidate(
        TAKEN_BACK, "version 7.7.7 answers, not 1.1.0", f"{SERVES}{WRONG_VERSION}{GOOD}"
    ),
    "healthy then dies": Candidate(TAKEN_BACK, "rolling back", f"{SERVES}{DIES_ONCE_WELL}{GOOD}"),
    "migration raises": migrating(
        "no such table: nowhere", "CREATE TABLE half (n INTEGER);\nINSERT INTO nowhere VALUES (1);\n"
    ),
    "migration hangs": migrating(HANGS, ENDLESS, ends=PUT_OFF),
    "migration drops a column": migrating(
        "its migration damages the database", "ALTER TABLE event_log DROP COLUMN meta;\n"
    ),
    "needs a newer Python": Candidate(REFUSED, "SyntaxError", f"from 3 import {{future}}\n{GOOD}"),
}
