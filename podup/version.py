"""What `build_zipapp.py` writes into the packed copy: version and commit of this program, what `--help`
prints (when empty it is rendered), and the magic number of the interpreter its modules are compiled for.
"""

VERSION = "0.1.0"
COMMIT = "unknown"
OVERVIEW = ""
COMPILED_FOR = ""
