"""This is the journal's own thread, and how long anybody waits for it: a disk that hangs must not hold up what is to be done."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")

HANGS_S = 3.0  # so long a call holds up what is to be done; then it is done without its record


class DiskHangs(Exception):
    """This says that the journal's thread has not come back from the disk."""


class JournalThread:
    """One thread, one call after another. While a call does not come back nobody queues behind it: the queue stays short."""

    def __init__(self, came_back: Callable[[], None], hangs_s: float = HANGS_S) -> None:
        """`came_back` is called in the loop when a call that hung has ended after all."""
        self._came_back, self._hangs_s = came_back, hangs_s
        self._one = ThreadPoolExecutor(1, thread_name_prefix="journal")
        self._stuck: asyncio.Future[Any] | None = None
        self._since_s = 0.0

    def hangs(self) -> bool:
        """This returns whether the disk holds the thread at this moment."""
        return self._stuck is not None

    def hung_s(self) -> float:
        """This returns for how long."""
        return asyncio.get_running_loop().time() - self._since_s if self._stuck is not None else 0.0

    async def free(self) -> None:
        """This returns when no call hangs."""
        while self._stuck is not None:
            await asyncio.wait({self._stuck})

    async def run(self, what: Callable[[], T]) -> T:
        """This runs one thing, however long it takes, and returns its result."""
        return await asyncio.get_running_loop().run_in_executor(self._one, what)

    async def soon(self, what: Callable[[], T], later: Callable[[T], None] = lambda result: None) -> T:
        """This runs one thing and returns its result; raises DiskHangs where that does not come soon.

        It goes on all the same, and `later` is given its result.
        """
        if self._stuck is not None:
            raise DiskHangs
        loop = asyncio.get_running_loop()
        job = loop.run_in_executor(self._one, what)
        done, _ = await asyncio.wait({job}, timeout=self._hangs_s)
        if done:
            return job.result()
        if self._stuck is None:
            self._stuck, self._since_s = job, loop.time() - self._hangs_s

        def came(job: asyncio.Future[T]) -> None:
            if not job.cancelled() and job.exception() is None:
                later(job.result())
            if self._stuck is job:
                self._stuck = None
                self._came_back()

        job.add_done_callback(came)
        raise DiskHangs

    def shutdown(self) -> None:
        """This ends the thread, unless the disk has it."""
        self._one.shutdown(wait=self._stuck is None)
