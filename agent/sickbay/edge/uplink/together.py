"""This is how the jobs of one connection run together and end together, whatever Python 3.11 does to a cancellation."""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any


def unless_cancelled() -> None:
    """This raises CancelledError where that was swallowed: asyncio.wait_for of Python 3.11 does, when an answer comes just then."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def until_one_ends(jobs: Sequence[Coroutine[Any, Any, None]]) -> None:
    """This runs all of them until one fails, and raises its error.

    Not a TaskGroup: that of Python 3.11 loses a cancellation which comes together with an error, and SIGTERM would wait for ever.
    """
    tasks = [asyncio.create_task(job) for job in jobs]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
