"""The routes about what the program keeps: locks, old rows and files, the database and its backups."""

from typing import Any

from podup.engine.engine import Engine
from podup.engine.upkeep import Upkeep
from podup.errors import Invalid, NotFound, Refused
from podup.host.processes import ProcessIdentity, is_alive
from podup.records import dataclass
from podup.server.request import PAGING, Request
from podup.server.response import Response, answer, answer_list
from podup.server.router import Route, Who
from podup.store import backup, image_locks, tasks
from podup.store.db import problems, table_counts

_BINARY = (
    ("Content-Type", "application/octet-stream"),
    ("Content-Disposition", 'attachment; filename="last_payload.bin"'),
)
_HOUR_S = 3600.0
_MAX_HOURS = 24 * 366 * 10


@dataclass(frozen=True, slots=True)
class PruneBody:
    """Finished tasks and rate timestamps older than this go; without it, what is past retention."""

    max_age_hours: int | None = None
    dry_run: bool = False
    caller: str = ""


class UpkeepRoutes:
    """Shows and clears what is kept."""

    def __init__(self, engine: Engine, upkeep: Upkeep) -> None:
        self._engine = engine
        self._upkeep = upkeep

    def rows(self) -> tuple[Route, ...]:
        """Return the rows of the table."""
        locks = "/api/image-locks"
        free = f"{locks}/{{bucket*}}"
        old = "Forget what is old, and files an older version left; `is_all` false: ask again for the rest."
        wrong = "Download the last body whose signature did not match."
        copy = "Make a verified copy of the database."
        held = "List what running tasks hold: units, images, stacks."
        let_go = "Free a lock nobody works for; `force=1` takes it from a living task."
        return (
            Route("GET", locks, held, Who.ADMIN, self.locks, query=PAGING),
            Route("DELETE", free, let_go, Who.ADMIN, self.free, effect=True, query=("force",)),
            Route("POST", "/api/prune-state", old, Who.ADMIN, self.prune, effect=True, body=PruneBody),
            Route("GET", "/last_payload.bin", wrong, Who.ADMIN, self.payload),
            Route("GET", "/api/db", "Check the database and list its backups.", Who.ADMIN, self.check),
            Route("POST", "/api/db/backup", copy, Who.ADMIN, self.back_up, effect=True),
        )

    def locks(self, request: Request) -> Response:
        now_s = self._engine.clock.now()
        with self._engine.store.read() as cx:
            rows = [
                {
                    "bucket": lock.bucket,
                    "owner": lock.owner,
                    "since": lock.since,
                    "age_s": round(now_s - lock.since, 1),
                    "pid": lock.pid or None,
                    "is_alive": is_alive(ProcessIdentity(lock.pid, lock.start_time, lock.boot_id)),
                }
                for lock in image_locks.held(cx)
            ]
        return answer_list("locks", rows, request)

    def free(self, request: Request) -> Response:
        bucket = request.params["bucket"]
        with self._engine.store.write() as cx:
            lock = next((held for held in image_locks.held(cx) if held.bucket == bucket), None)
            if lock is None:
                raise NotFound("lock-not-found", f"nothing is locked as {bucket[:200]!r}")
            task = tasks.get(cx, lock.owner)
            is_used = task is not None and not task.status.is_final
            if is_used and request.query_one("force") != "1":
                hint = f"stop the task (`tasks stop {lock.owner}`), or say force=1"
                raise Refused("lock-in-use", f"the living task {lock.owner} holds {bucket}", hint)
            image_locks.release(cx, bucket)
        self._engine.wake()
        return answer({"bucket": bucket, "owner": lock.owner, "released": True})

    def prune(self, request: Request) -> Response:
        body: PruneBody = request.data
        hours = body.max_age_hours
        if hours is not None and not 0 <= hours <= _MAX_HOURS:
            raise Invalid("bad-field", f"max_age_hours has to be from 0 to {_MAX_HOURS}")
        max_age_s = None if hours is None else hours * _HOUR_S
        return answer(self._upkeep.prune(max_age_s=max_age_s, dry_run=body.dry_run))

    def payload(self, request: Request) -> Response:
        try:
            body = (self._engine.state_dir / "last_payload.bin").read_bytes()
        except FileNotFoundError:
            raise NotFound("no-payload", "no signature was wrong so far") from None
        return Response(200, _BINARY, body)

    def check(self, request: Request) -> Response:
        with self._engine.store.read() as cx:
            found = problems(cx)
            value: dict[str, Any] = {
                "ok": not found,
                "problems": found,
                "schema": backup.schema_number(cx),
                "rows": table_counts(cx),
            }
        kept = backup.list_backups(self._upkeep.backups)
        value["backups"] = [{"path": str(path), "bytes": path.stat().st_size} for path in kept]
        return answer(value)

    def back_up(self, request: Request) -> Response:
        made = self._upkeep.back_up()
        value = {"path": str(made.path), "bytes": made.size_bytes, "sha256": made.sha256}
        return answer({**value, "schema": made.schema, "rows": made.counts})
