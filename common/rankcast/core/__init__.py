"""The native core: kernels in C, called through ctypes."""

from rankcast.core.library import LEVEL, address_of, function, struct

__all__ = ["LEVEL", "address_of", "function", "struct"]
