"""The native core: kernels in C, called through ctypes."""

from rankcast.core.library import (
    HIGHEST,
    LEVEL,
    address_of,
    function,
    struct,
    wasm_module,
)

__all__ = ["HIGHEST", "LEVEL", "address_of", "function", "struct", "wasm_module"]
