"""Version and commit of this program, and what `--help` prints: `build_zipapp.py` writes all three in the
packed copy. An empty overview is rendered when it is asked for.
"""

VERSION = "0.1.0"
COMMIT = "unknown"
OVERVIEW = ""
