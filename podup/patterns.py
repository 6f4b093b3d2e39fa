"""Regular expressions that are compiled when they are first used.

The program has some eighty of them, and compiling all took a tenth of the time it took to start, for the few
that a command or a first request needs. To a type checker it is `re.compile`, and the result
has all methods of `re.Pattern`, at the same price from the second call on.

A wrong expression is noticed at its first use; a test compiles all of them.
"""

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    regex = re.compile
else:

    class Pattern:
        """One expression; what is asked of it first compiles it and puts the answers of `re` in place."""

        def __init__(self, text: Any, flags: int) -> None:
            self.pattern = text
            self._given_flags = flags

        def __getattr__(self, name: str) -> Any:
            if name.startswith("__"):
                raise AttributeError(name)
            compiled = re.compile(self.pattern, self._given_flags)
            for known in dir(compiled):
                if not known.startswith("_"):
                    setattr(self, known, getattr(compiled, known))
            return getattr(compiled, name)

    def regex(text: Any, flags: int = 0) -> Any:
        """As `re.compile`, later."""
        return Pattern(text, flags)
