"""The engine as other rooms hold it: where things are, and what to call to get something done."""

from collections.abc import Callable
from pathlib import Path

from podup.clock import Clock
from podup.engine.catalogue import Catalogue
from podup.engine.event_log import EventLog
from podup.engine.inbox import Inbox
from podup.engine.intake import Intake
from podup.records import dataclass
from podup.store.db import Store


@dataclass(frozen=True, slots=True)
class Engine:
    """All parts, built once. `wake` makes the dispatcher look for new work now."""

    state_dir: Path
    store: Store
    clock: Clock
    intake: Intake
    inbox: Inbox
    catalogue: Catalogue
    log: EventLog
    random_bytes: Callable[[int], bytes]
    wake: Callable[[], None]
