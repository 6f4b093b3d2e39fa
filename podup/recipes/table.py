"""The kinds of task there are. Adding a kind is a file and a row."""

from collections.abc import Mapping
from typing import Any

from podup.errors import NotFound
from podup.recipes.auto_update import AUTO_UPDATE
from podup.recipes.restart import RESTART
from podup.recipes.service import DEPLOY, ROLLBACK
from podup.recipes.stack_backup import STACK_BACKUP
from podup.recipes.stack_check import STACK_CHECK
from podup.recipes.stack_deploy import STACK_DEPLOY, STACK_ROLLBACK
from podup.recipes.stack_promote import STACK_PROMOTE
from podup.recipes.stack_restore import STACK_RESTORE
from podup.recipes.stack_sync import STACK_SYNC
from podup.recipes.verbs import Recipe

RECIPES: Mapping[str, Recipe[Any]] = {
    recipe.kind: recipe
    for recipe in (
        DEPLOY,
        ROLLBACK,
        RESTART,
        AUTO_UPDATE,
        STACK_DEPLOY,
        STACK_ROLLBACK,
        STACK_BACKUP,
        STACK_PROMOTE,
        STACK_RESTORE,
        STACK_SYNC,
        STACK_CHECK,
    )
}


def recipe_of(kind: str) -> Recipe[Any]:
    """Return the recipe of a kind. Raises NotFound."""
    if kind not in RECIPES:
        raise NotFound(
            "unknown-kind", f"there is no kind of task named {kind!r}", f"known: {', '.join(RECIPES)}"
        )
    return RECIPES[kind]
