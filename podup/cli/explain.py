"""`explain`: which rules a delivery met, and which stopped it; where a task came from."""

from collections.abc import Mapping
from typing import Any

from podup.cli.context import Context
from podup.cli.output import Output, printable
from podup.cli.timeline import asker
from podup.clock import SystemClock


def run(args: Mapping[str, Any], context: Context) -> int:
    """Explain one delivery, task or request."""
    found = context.app().api.call("GET", f"/api/explain/{args['id']}")
    out = context.out
    if args["json"]:
        out.json(found)
        return 0
    for delivery in found["deliveries"]:
        _show_delivery(out, delivery)
    task = found["task"]
    if task:
        trigger = task["trigger"]
        about = " ".join(filter(None, (task["kind"], task["unit"])))
        out.line(printable(f"task {task['task_id']}: {about}, asked for by {asker(trigger)}"))
        says = task["summary"] or "no more is known"
        out.line(printable(f"  {task['status'].replace('_', ' ')}: {says}"))
    clock = SystemClock()
    for event in found["events"]:
        at = f"{clock.local(event['ts']):%Y-%m-%d %H:%M:%S}"
        out.line(printable(f"  {at} {event['action']} {event['status']}"))
    return 0


def _show_delivery(out: Output, delivery: Mapping[str, Any]) -> None:
    image = " ".join(filter(None, (delivery["image"], ", ".join(delivery["tags"]))))
    event = delivery["event"] or "generic"
    out.line(printable(f"delivery {delivery['id']} for {delivery['unit']}: {event} {image}"))
    for rule in delivery["rules"]:
        mark, role = ("✓", "ok") if rule["ok"] else ("✗", "bad")
        out.line(out.styled(printable(f"  {mark} {rule['rule']}: {rule['says']}"), role))
    out.line(printable(f"  {delivery['outcome']}: {delivery['reason']}"))
