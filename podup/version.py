"""What `build_zipapp.py` writes into the packed copy: version and commit of this program, and what
`--help` prints (when empty it is rendered).
"""

VERSION = "0.1.0"
COMMIT = "unknown"
OVERVIEW = ""
