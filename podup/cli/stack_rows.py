"""The rows of the commands about compose stacks."""

from podup.cli.row import CALLER, DRY_RUN, JSON, NO_WAIT, REASON, VERBOSE, YES, Arg, Command, at_least_one

_GROUP = "Stacks"
_MODULE = "podup.cli.stack"
_STACK = Arg("stack", "the stack, as `stack list` shows it", required=True)
_TASK = (DRY_RUN, NO_WAIT, VERBOSE, CALLER, REASON, JSON)
_FORCE = Arg("--force", "go on where a rule says no; put on record")
_NO_DUMPS = Arg("--no-dumps", "leave the databases out of the backup that is made first")
_SKIP_SMOKE = Arg("--skip-smoke", "leave the smoke checks out; needs --reason, put on record")

ROWS: tuple[Command, ...] = (
    Command(
        "stack list",
        _MODULE,
        "List the stacks: environment, version, last change, backups",
        args=(JSON,),
        examples=("stack list",),
        group=_GROUP,
        function="run_list",
    ),
    Command(
        "stack show",
        _MODULE,
        "Show a stack: containers, versions to go back to, backups, proof",
        args=(_STACK, JSON),
        examples=("stack show odoo18-prod",),
        group=_GROUP,
        function="run_show",
    ),
    Command(
        "stack preflight",
        _MODULE,
        "Make the checks before a deployment; exit 3 when one blocks",
        args=(_STACK, Arg("version", "the version to deploy, else what runs now", default=""), _FORCE, JSON),
        examples=("stack preflight odoo18-staging", "stack preflight odoo18-prod sha-19b9b98 --json"),
        group=_GROUP,
        function="run_preflight",
    ),
    Command(
        "stack backup",
        _MODULE,
        "Back up compose file, .env and databases, verified",
        args=(_STACK, Arg("--list", "list the backups there are"), *_TASK),
        examples=("stack backup odoo18-prod", "stack backup odoo18-prod --list"),
        group=_GROUP,
        function="run_backup",
    ),
    Command(
        "stack restore",
        _MODULE,
        "Put a backup back, after backing up what is there now",
        args=(
            _STACK,
            Arg("backup", "the backup, as `stack backup --list` shows it", required=True),
            Arg("--files-only", "leave the databases as they are"),
            _NO_DUMPS,
            YES,
            *_TASK,
        ),
        examples=("stack restore odoo18-prod 20260130-100000",),
        group=_GROUP,
        function="run_restore",
    ),
    Command(
        "stack smoke",
        _MODULE,
        "Make the smoke checks; exit 1 when one fails",
        args=(_STACK, JSON),
        examples=("stack smoke odoo18-prod",),
        group=_GROUP,
        function="run_smoke",
    ),
    Command(
        "stack deploy",
        _MODULE,
        "Deploy a version: check, back up, pull, start, prove, or take back",
        args=(
            _STACK,
            Arg("words", "the version, or the environment and the version", many=True, required=True),
            _FORCE,
            _SKIP_SMOKE,
            *_TASK,
        ),
        examples=(
            "stack deploy odoo18-staging sha-19b9b98",
            "stack deploy odoo18-prod prod sha-19b9b98",
            "stack deploy odoo18-prod prod sha-19b9b98 --skip-smoke --reason approved-by-ops",
        ),
        group=_GROUP,
        function="run_deploy",
    ),
    Command(
        "stack rollback",
        _MODULE,
        "Go back to a version that ran here before",
        args=(
            _STACK,
            Arg("version", "the version, else the last good one", default=""),
            Arg("--last-good", "the newest version that ran well and is not the current one"),
            Arg("--list", "list the versions that ran here"),
            _NO_DUMPS,
            _FORCE,
            _SKIP_SMOKE,
            *_TASK,
        ),
        examples=(
            "stack rollback odoo18-prod --list",
            "stack rollback odoo18-prod sha-4b1ce21",
            "stack rollback odoo18-prod --last-good",
        ),
        group=_GROUP,
        function="run_rollback",
    ),
    Command(
        "stack promote",
        _MODULE,
        "Record what a staging stack runs as verified",
        args=(_STACK, *_TASK),
        examples=("stack promote odoo18-staging --reason tested-by-hand",),
        group=_GROUP,
        function="run_promote",
    ),
    Command(
        "stack history",
        _MODULE,
        "List what was deployed, taken back, backed up and promoted, newest first",
        args=(
            Arg("stack", "only of this stack", default=""),
            Arg("--count", "how many", value="N", parse=at_least_one, default=20),
            JSON,
        ),
        examples=("stack history", "stack history odoo18-prod --count 5"),
        group=_GROUP,
        function="run_history",
    ),
    Command(
        "stack sync",
        _MODULE,
        "Copy a stack's source directory to its run directory; nothing is deleted",
        args=(_STACK, *_TASK),
        examples=("stack sync odoo18-prod --dry-run", "stack sync odoo18-prod"),
        group=_GROUP,
        function="run_sync",
    ),
    Command(
        "stack workflow",
        "podup.cli.stack_workflow",
        "Print a GitHub Actions workflow that publishes an image under sha- tags",
        args=(Arg("--image", "the image, ghcr.io/OWNER/NAME", value="REF", required=True),),
        examples=("stack workflow --image ghcr.io/seisei/www > .github/workflows/docker-build.yml",),
        group=_GROUP,
    ),
)
