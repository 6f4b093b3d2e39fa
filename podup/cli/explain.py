"""`explain`: which rules a delivery met, and which stopped it; where a task came from."""

from collections.abc import Mapping
from typing import Any

from podup.cli.context import Context
from podup.cli.moments import when
from podup.cli.output import Output, printable
from podup.cli.timeline import asker
from podup.errors import EXIT_DONE


def run(args: Mapping[str, Any], context: Context) -> int:
    """Explain one delivery, task or request."""
    found = context.app().api.call("GET", f"/api/explain/{args['id']}")
    out = context.out
    if args["json"]:
        out.json(found)
        return EXIT_DONE
    for delivery in found["deliveries"]:
        _show_delivery(out, delivery)
    task = found["task"]
    if task:
        trigger = task["trigger"]
        about = " ".join(filter(None, (task["kind"], task["unit"])))
        out.line(printable(f"task {task['task_id']}: {about}, asked for by {asker(trigger)}"))
        says = task["summary"] or "no more is known"
        out.line(printable(f"  {task['status'].replace('_', ' ')}: {says}"))
    for event in found["events"]:
        out.line(printable(f"  {when(event['ts'])} {event['action']} {event['status']}"))
    return EXIT_DONE


def _show_delivery(out: Output, delivery: Mapping[str, Any]) -> None:
    image = " ".join(filter(None, (delivery["image"], ", ".join(delivery["tags"]))))
    event = delivery["event"] or "generic"
    out.line(printable(f"delivery {delivery['id']} for {delivery['unit']}: {event} {image}"))
    for rule in delivery["rules"]:
        mark, role = ("✓", "ok") if rule["ok"] else ("✗", "bad")
        out.line(out.styled(printable(f"  {mark} {rule['rule']}: {rule['says']}"), role))
    out.line(printable(f"  {delivery['outcome']}: {delivery['reason']}"))
