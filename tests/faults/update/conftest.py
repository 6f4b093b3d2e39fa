"""The model of a disk that loses power is shared with the tests of `files`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
