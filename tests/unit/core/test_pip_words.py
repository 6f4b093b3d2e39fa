"""What pip 23 printed when it was made to fail in each of these ways."""

import pytest

from podup.core.host_faults import Blame
from podup.core.pip_words import read

NONE = """ERROR: Could not find a version that satisfies the requirement foo (from versions: none)
ERROR: No matching distribution found for foo
"""
RETRYING = "WARNING: Retrying (Retry(total=0, connect=None)) after connection broken by "
SKIPPED = "2026-11-22T11:18:08,327 Could not fetch URL http://127.0.0.1:7101/simple/foo/: "

AWAY = {
    "refused": f"{RETRYING}'NewConnectionError('[Errno 111] Connection refused')': /simple/foo/\n{NONE}",
    "slow": f"{RETRYING}'ReadTimeoutError(\"Read timed out. (read timeout=2.0)\")': /simple/foo/\n{NONE}",
    "proxy": f"{RETRYING}'ProxyError('Cannot connect to proxy.')': /simple/foo/\n{NONE}",
    "tls": f"{RETRYING}'SSLError(SSLError(1, 'wrong version number'))': /simple/foo/\n{NONE}",
    "503": f"{NONE}{SKIPPED}Max retries exceeded with url: /simple/foo/ (too many 503 error responses)",
    "403": f"{NONE}{SKIPPED}403 Client Error: Forbidden for url: http://index/foo/ - skipping",
    "500": "ERROR: HTTP error 502 while getting https://files.example.org/foo-1.0.whl",
    "disk": "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device",
    "built": "error: metadata-generation-failed\nOSError: [Errno 28] No space left on device",
}
WRONG = {
    "no such package": f"{NONE}{SKIPPED}404 Client Error: Not Found for url: http://127.0.0.1:7101/simple/foo/",
    "no such version": NONE.replace("none", "1.0, 1.1"),
    "invalid": "ERROR: Invalid requirement: 'foo ===== 3' (from line 1 of bad.txt)",
    "no file": "ERROR: Could not open requirements file: [Errno 2] No such file or directory: 'none.txt'",
    "no wheel": "WARNING: Requirement './x.whl' looks like a filename, but the file does not exist\n"
    "ERROR: x.whl is not a valid wheel filename.",
    "build": "  error: subprocess-exited-with-error\n\n  no compiler\nerror: metadata-generation-failed\n\n"
    "note: This is an issue with the package mentioned above, not pip.\nhint: See above for details.",
    "python": "ERROR: Package 'tiny' requires a different Python: 3.11.2 not in '>=3.99'",
    "conflict": "ERROR: Cannot install a and b: these package versions have conflicting dependencies.\n"
    "ERROR: ResolutionImpossible: for help visit https://pip.pypa.io",
}
UNCLEAR = {
    "nothing": "",
    "no index said why": NONE,
    "hash": "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.",
    "no pip": "/usr/bin/python3: No module named pip",
    "time": "\nstopped after 3600 s",
}


@pytest.mark.parametrize(
    ("said", "blame"),
    [
        pytest.param(said, blame, id=name)
        for cases, blame in ((AWAY, Blame.WORLD), (WRONG, Blame.PROGRAM), (UNCLEAR, Blame.UNCLEAR))
        for name, said in cases.items()
    ],
)
def test_whose_fault_it_is(said, blame):
    seen = read(said)
    assert seen.blame is blame and seen.says


def test_the_line_that_says_it_is_told():
    assert "Connection refused" in read(AWAY["refused"]).says
    assert read(WRONG["no such version"]).says == "ERROR: No matching distribution found for foo"
    assert read(WRONG["build"]).says == "error: metadata-generation-failed"
    assert read("").says == "it said nothing"
