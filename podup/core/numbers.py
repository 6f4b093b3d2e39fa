"""Numbers in sentences for people."""


def counted(number: int, noun: str) -> str:
    """Return `1 restart`, `2 restarts`; for nouns that take an s."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
