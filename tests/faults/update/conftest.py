"""The simulated machine is shared with the unit tests."""

import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TESTS / "unit" / "update"), str(TESTS / "faults")]
