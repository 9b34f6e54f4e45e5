"""Number of threads that torch uses, set for the calling thread and never for the process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import torch
from threadpoolctl import ThreadpoolController


@cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()  # scans the loaded libraries, which takes milliseconds


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Let torch use `count` threads for the work of the calling thread within the block.

    ``torch.set_num_threads`` also sets the default of new threads, so that two concurrent blocks
    could leave the process with the wrong number for ever. OpenMP keeps one number per thread. A
    torch built without OpenMP keeps its own number.

    Parameters
    ----------
    count : int
    """
    # torch sets OpenMP's number when a thread first asks for it; have that done before the block.
    torch.get_num_threads()
    with _controller().limit(limits=count, user_api="openmp"):
        yield
