"""Limits torch's threads for the calling thread instead of the process."""

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
    """Let torch use `count` threads for the calling thread's work within the block.

    ``torch.set_num_threads`` also sets the default of new threads, so two concurrent blocks could
    leave the process with the wrong number for good. OpenMP stores the number per thread. A torch
    built without OpenMP is left unchanged.

    Parameters
    ----------
    count : int
    """
    # torch sets OpenMP's number on a thread's first use: trigger that before the block.
    torch.get_num_threads()
    with _controller().limit(limits=count, user_api="openmp"):
        yield
