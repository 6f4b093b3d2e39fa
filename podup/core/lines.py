"""Text folded into lines of a width, at spaces only."""


def fold(text: str, width: int, *, indent: int = 0) -> list[str]:
    """Return `text` in lines of at most `width` letters, all but the first indented.

    Blanks inside a line stay. A word that is longer than a line stays whole, so that it can be copied.
    """
    lines: list[str] = []
    line, *words = text.split(" ")
    for word in words:
        if line.strip() and word and len(line) + 1 + len(word) > width:
            lines.append(line.rstrip())
            line = " " * indent + word
        else:
            line += f" {word}"
    return [*lines, line]
