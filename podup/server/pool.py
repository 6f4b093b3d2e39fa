"""A small pool of threads for handlers that may block. Its queue is bounded: what does not fit is refused."""

import queue
import threading
from collections.abc import Callable

Job = Callable[[], None]


class Pool:
    """Runs jobs in `workers` daemon threads, at most `waiting` more in line. A job must not raise."""

    def __init__(self, *, workers: int, waiting: int) -> None:
        self._jobs: queue.Queue[Job | None] = queue.Queue(waiting + workers)
        self._waiting = waiting
        self._threads = [
            threading.Thread(target=self._work, name=f"handler-{number}", daemon=True)
            for number in range(workers)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, job: Job) -> bool:
        """Return whether there was room for the job."""
        if self._jobs.qsize() >= self._waiting:
            return False
        self._jobs.put_nowait(job)
        return True

    def stop(self, timeout_s: float) -> None:
        """Let the threads end after what is in line; wait for each at most `timeout_s`."""
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join(timeout_s)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
