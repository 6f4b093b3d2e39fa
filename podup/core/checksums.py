"""Checksum files of one line, as `sha256sum` writes and `sha256sum -c` reads them.

    <64 hex digits><space><space or *><name>

Taken: capitals in the digits, `*name` (binary mark), CRLF or no line end. Refused, each with its own
sentence: a byte order mark, another name, a path instead of a name, a second entry, fewer or more than
64 digits, BSD style lines, comments, text around the line, a file larger than 4 KiB. What is taken is
what `sha256sum -c` takes for this one file, so the shell script and this parser never disagree on a good
file, and a page of HTML is never one.
"""

from podup.errors import Invalid
from podup.patterns import regex

LARGEST_BYTES = 4096
_LINE = regex(r"([0-9a-fA-F]+) [ *]([^\r\n]+)")
_DIGITS = 64


def parse_checksum(data: bytes, name: str) -> str:
    """Return the lower-case digest that `data` gives for the file `name`.

    Raises Invalid `checksum-file-invalid` with the reason.
    """
    if len(data) > LARGEST_BYTES:
        raise _invalid(f"it is larger than {LARGEST_BYTES} bytes")
    if data.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        raise _invalid("it begins with a byte order mark")
    try:
        text = data.decode("ascii")
    except UnicodeDecodeError:
        raise _invalid("it is not plain text") from None
    lines = text.replace("\r\n", "\n").removesuffix("\n").split("\n")
    if len(lines) != 1:
        raise _invalid(f"it has {len(lines)} lines, one is expected")
    found = _LINE.fullmatch(lines[0])
    if found is None:
        raise _invalid("its line is not '<sha256>  <name>'")
    if len(found[1]) != _DIGITS:
        raise _invalid(f"its digest has {len(found[1])} digits, not {_DIGITS}")
    if found[2] != name:
        raise _invalid(f"it is for {found[2][:80]!r}, not for {name!r}")
    return found[1].lower()


def _invalid(why: str) -> Invalid:
    return Invalid(
        "checksum-file-invalid", f"the checksum file is refused: {why}", "ask whoever runs the release server"
    )
