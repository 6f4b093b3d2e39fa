"""What `build_zipapp.py` writes into the packed copy: version and commit of this program, the repository
(OWNER/NAME) whose release it is, and what `--help` prints (when empty it is rendered).
"""

VERSION = "0.1.0"
COMMIT = "unknown"
REPOSITORY = ""
OVERVIEW = ""
