"""Compiled kernels: numba, its cache, and the thread pool of this process."""

from rankcast.kernels.jit import Integer, Real, fused_kernel, inline_kernel, kernel, lean_kernel
from rankcast.kernels.pool import MAX_THREADS, set_threads

__all__ = [
    "MAX_THREADS",
    "Integer",
    "Real",
    "fused_kernel",
    "inline_kernel",
    "kernel",
    "lean_kernel",
    "set_threads",
]
