"""Arrays beside a page that nobody may touch: native code that leaves them ends its process."""

from __future__ import annotations

import ctypes
import mmap
from types import ModuleType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

PAGE: Final = mmap.PAGESIZE
_NO_ACCESS: Final = 0


def guarded_zeros(shape: Any, dtype: Any, *, behind: bool) -> NDArray[Any]:
    """Return an array that ends at such a page if `behind`, else one that begins behind one."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    inside = -(-size // PAGE) * PAGE
    memory = mmap.mmap(-1, inside + 2 * PAGE)
    start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    libc = ctypes.CDLL(None, use_errno=True)
    for page in (start, start + PAGE + inside):
        if libc.mprotect(ctypes.c_void_p(page), ctypes.c_size_t(PAGE), _NO_ACCESS):
            raise OSError(ctypes.get_errno(), "mprotect")
    offset = PAGE + (inside - size if behind else 0)
    return np.ndarray(shape, dtype, buffer=memory, offset=offset)


class _Numpy:
    def __init__(self, *, behind: bool) -> None:
        self._behind = behind

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)

    def zeros(self, shape: Any, dtype: Any = np.float64) -> NDArray[Any]:
        return guarded_zeros(shape, dtype, behind=self._behind)

    def array(self, data: Any, dtype: Any) -> NDArray[Any]:
        source = np.array(data, dtype)
        made = self.zeros(source.shape, dtype)
        made[:] = source
        return made


def guard(*modules: ModuleType, behind: bool) -> None:
    """Have the arrays that these modules make lie in guarded memory, from now on."""
    for module in modules:
        vars(module)["np"] = _Numpy(behind=behind)
