"""`explain`: which rules a delivery met, and which stopped it; where a task came from."""

from collections.abc import Mapping
from typing import Any

from podup.cli.context import Context
from podup.cli.output import Output
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
        by = " ".join(filter(None, (trigger["source"], trigger["caller"], trigger["reason"])))
        out.line(f"task {task['task_id']}: {task['kind']} {task['unit'] or ''}, asked for by {by}")
        out.line(f"  {task['status'].replace('_', ' ')}: {task['summary'] or 'no more is known'}")
    clock = SystemClock()
    for event in found["events"]:
        out.line(f"  {clock.local(event['ts']):%Y-%m-%d %H:%M:%S} {event['action']} {event['status']}")
    return 0


def _show_delivery(out: Output, delivery: Mapping[str, Any]) -> None:
    image = " ".join(filter(None, (delivery["image"], ", ".join(delivery["tags"]))))
    out.line(f"delivery {delivery['id']} for {delivery['unit']}: {delivery['event'] or 'generic'} {image}")
    for rule in delivery["rules"]:
        mark, role = ("✓", "ok") if rule["ok"] else ("✗", "bad")
        out.line(out.styled(f"  {mark} {rule['rule']}: {rule['says']}", role))
    out.line(f"  {delivery['outcome']}: {delivery['reason']}")
