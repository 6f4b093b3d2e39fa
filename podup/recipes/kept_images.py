"""The images a service ran before: under which name they are kept, and which may go."""

import hashlib
import re
from collections.abc import Sequence

from podup.core.units import slug
from podup.patterns import regex
from podup.recipes.actions import RemoveImage, UntagImage
from podup.recipes.facts import LocalImage
from podup.recipes.policy import short
from podup.recipes.verbs import Step

_PLAIN = regex(r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*")
_LONGEST = 100


def kept_repository(unit: str) -> str:
    """Return the repository of ours under which images of `unit`, and of no other unit, are kept."""
    name = slug(unit)
    if len(name) <= _LONGEST and _PLAIN.fullmatch(name):
        return f"localhost/podup/{name}"
    readable = re.sub(r"[^a-z0-9]+", "-", name.lower())[:_LONGEST].strip("-") or "unit"
    return f"localhost/podup/{readable}-{hashlib.sha256(name.encode()).hexdigest()[:12]}"


def prune_images(
    images: Sequence[LocalImage], kept: str, *, running: Sequence[str], previous: Sequence[str], keep: int
) -> list[Step]:
    """Return the steps that let go of all but `keep` images, the one that ran just now among them.

    `running` are image ids that are never touched, `previous` digests that ran well, newest first; images
    nobody remembers go before those, the oldest build first. What has a name that is not ours stays.
    """
    ours = [
        image
        for image in images
        if image.id not in running and all(name.startswith(f"{kept}:") for name in image.names)
    ]
    ours.sort(key=lambda image: (_rank(image, previous), -image.created_at))
    steps: list[Step] = []
    for image in ours[max(keep - 1, 0) :]:
        steps += [Step(f"let go of {name}", UntagImage(name)) for name in image.names]
        if image.containers <= 0:
            steps.append(Step(f"remove the old image {short(image.id)}", RemoveImage(image.id)))
    return steps


def _rank(image: LocalImage, previous: Sequence[str]) -> int:
    own = {image.digest, *(name.rpartition("@")[2] for name in image.repo_digests)}
    return next((rank for rank, digest in enumerate(previous) if digest in own), len(previous))
