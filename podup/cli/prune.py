"""`prune-state`: forget what is old, and say what that was. A call forgets for seconds, so it asks again."""

from collections.abc import Mapping
from typing import Any

from podup.cli.calls import Api
from podup.cli.context import Context
from podup.errors import EXIT_DONE

_COUNTED = (
    ("tasks", "finished tasks with their journals"),
    ("timestamps", "timestamps of rate limits"),
    ("buckets", "rate limits that are empty now"),
    ("events", "events"),
    ("deliveries", "deliveries"),
    ("history", "rows of old history"),
)
_SAID_LAST = ("dry_run", "is_all")


def run(args: Mapping[str, Any], context: Context) -> int:
    """Prune, or on a dry run only tell."""
    body = {"dry_run": args["dry_run"]}
    if args["max_age_hours"] is not None:
        body["max_age_hours"] = args["max_age_hours"]
    done = _prune(context.app().api, body)
    if args["json"]:
        context.out.json(done)
        return EXIT_DONE
    verb = "would remove" if args["dry_run"] else "removed"
    lines = [f"{verb} {done[name]} {says}" for name, says in _COUNTED if done[name]]
    lines += [f"{verb} the lock {bucket}, which nobody holds" for bucket in done["locks"]]
    lines += [f"{verb} {path}, of an older version" for path in done["older_files"]]
    for line in lines or ["nothing is old enough"]:
        context.out.line(line)
    return EXIT_DONE


def _prune(api: Api, body: Mapping[str, Any]) -> dict[str, Any]:
    """Return what went in all calls together."""
    done: dict[str, Any] = api.call("POST", "/api/prune-state", body=body)
    while not done["is_all"]:
        more = api.call("POST", "/api/prune-state", body=body)
        done = {name: value if name in _SAID_LAST else done[name] + value for name, value in more.items()}
    return done
