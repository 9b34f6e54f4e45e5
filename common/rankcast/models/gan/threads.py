"""How many threads torch uses: a matter of the calling thread, never of the whole process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import torch
from threadpoolctl import ThreadpoolController


@cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()  # looks through the loaded libraries, which takes milliseconds


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Let torch use `count` threads for what the calling thread does within the block.

    ``torch.set_num_threads`` would also write the number that other threads start from: two blocks
    at once could leave the process with the number of the other one for ever. OpenMP itself keeps
    one for each thread. A torch that was built without OpenMP keeps its own number.

    Parameters
    ----------
    count : int
    """
    # torch sets OpenMP's number when a thread first asks for it, which must not be in the block.
    torch.get_num_threads()
    with _controller().limit(limits=count, user_api="openmp"):
        yield
