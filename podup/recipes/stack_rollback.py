"""Taking a stack back to a version that ran here before, also with the registry gone."""

from podup.recipes.stack_deploy import StackChange

STACK_ROLLBACK = StackChange("stack_rollback", "Take a stack back to an earlier version", action="rollback")
