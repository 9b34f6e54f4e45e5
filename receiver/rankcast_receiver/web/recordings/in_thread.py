"""in_thread: a call in a thread, for whose end a cancelled caller waits too."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar, TypeVarTuple

import anyio
import anyio.to_thread

Given = TypeVarTuple("Given")
Result = TypeVar("Result")


async def in_thread(
    limiter: anyio.CapacityLimiter, call: Callable[[*Given], Result], *arguments: *Given
) -> Result:
    """Make a call in a thread.

    A caller that is cancelled waits until the call has returned: it may then close what the call
    used.
    """
    task = asyncio.ensure_future(anyio.to_thread.run_sync(call, *arguments, limiter=limiter))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        with suppress(Exception):  # nobody waits for the result any more
            await task
        raise
