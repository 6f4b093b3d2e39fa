"""Why `pip install` failed, by what it printed: the requirements are wrong, or the world was away.

pip ends with 1 for all of it, and says "No matching distribution found" also where no index answered: what it
wrote to its log about each index tells the two apart. What the words do not settle (of a pip that has others,
a wrong hash, which may be a torn download) is unclear. Source: what pip 23 prints, tried out.
"""

import re

from podup.core.host_faults import Blame, Problem, says_host
from podup.patterns import regex

_AWAY = regex(
    r"connection broken by|Max retries exceeded|Read timed out|Connection (?:refused|reset|aborted)"
    r"|Temporary failure in name resolution|Name or service not known|Network is unreachable"
    r"|ProxyError|SSLError|CERTIFICATE_VERIFY_FAILED"
    r"|\b(?:401|403|407|408|429|5[0-9][0-9]) (?:Client|Server) Error"
    r"|HTTP error (?:401|403|407|408|429|5[0-9][0-9])",
    re.IGNORECASE,
)
_WRONG = regex(
    r"Invalid requirement|Could not open requirements file|requires a different Python|ResolutionImpossible"
    r"|\(from versions: (?!none\))|404 Client Error|HTTP error 404|not a valid wheel filename"
    r"|is not a supported wheel|subprocess-exited-with-error|metadata-generation-failed|Failed building wheel"
    r"|Failed to build|does not exist|no such option",
    re.IGNORECASE,
)


def read(said: str) -> Problem:
    """Return why it failed; `said` is all it printed, with what its log says of each index."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    for line in lines:
        if _AWAY.search(line) or says_host(line):
            return Problem(line, Blame.WORLD)
    errors = [line for line in lines if line.lower().startswith("error:")]
    told = (errors or lines or ["it said nothing"])[-1]
    is_wrong = any(_WRONG.search(line) for line in lines)
    return Problem(told, Blame.PROGRAM if is_wrong else Blame.UNCLEAR)
