"""The known word somebody most likely meant."""

from collections.abc import Iterable


def nearest(word: str, known: Iterable[str]) -> str:
    """Return the known word with the fewest edits from `word`, or an empty string when none is near.

    Near is at most a third of the letters (at least one) inserted, left out, changed or swapped with their
    neighbour. Of equally near ones the first wins. Else a beginning counts: `roll` is near `rollback`.
    """
    limit = max(1, len(word) // 3)
    best, least = "", limit + 1
    for candidate in known:
        edits = _distance(word, candidate, limit=least) if abs(len(word) - len(candidate)) <= limit else least
        if edits < least:
            best, least = candidate, edits
    if not best and len(word) >= 3:
        return next((candidate for candidate in known if candidate.startswith(word)), "")
    return best


def _distance(left: str, right: str, *, limit: int) -> int:
    """Return the optimal string alignment distance, or at least `limit` when it is not below that."""
    before: list[int] = []
    row = list(range(len(right) + 1))
    for i, letter in enumerate(left, 1):
        older, before, row = before, row, [i]
        for j, other in enumerate(right, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != other))
            if i > 1 and j > 1 and letter == right[j - 2] and left[i - 2] == other:
                cost = min(cost, older[j - 2] + 1)
            row.append(cost)
        if min(row) >= limit:
            return limit
    return row[-1]
