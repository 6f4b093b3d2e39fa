"""Version and commit of this program. `build_zipapp.py` rewrites the two values in the packed copy."""

VERSION = "0.1.0"
COMMIT = "unknown"
