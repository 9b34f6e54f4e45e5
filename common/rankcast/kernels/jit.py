"""Compilation of kernels: the one place that imports numba, and where its machine code is kept.

A kernel is ``@kernel`` on a function over arrays and integers. Kernels release the
GIL, never use ``parallel=True`` and check no bounds: clamp what came from the wire first.
"""

from __future__ import annotations

import hashlib
import logging
import os
import sys
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, ParamSpec, TypeAlias, TypeVar, cast

from filelock import FileLock

from rankcast.atomic_file import write_whole

log = logging.getLogger(__name__)

Integer: TypeAlias = Any
"""A whole number in a kernel: int when interpreted, int64 when compiled, and either mixed with the
other, which no union of the two would let through."""
Real: TypeAlias = Any
"""A float in a kernel, of Python or of either precision of numpy."""

P = ParamSpec("P")
R = TypeVar("R")


def _kernel_sources() -> list[Path]:
    """Files whose functions and constants kernels are made of."""
    root = Path(__file__).parent.parent
    return [
        path
        for path in sorted(root.rglob("*.py"))
        if path.relative_to(root).parts[0] in ("codec", "entropy")
        or path.name == "jit.py"
        or b"@kernel" in (data := path.read_bytes())
        or b"@inline" in data
    ]


def _source_hash() -> str:
    # numba does not notice that a callee or a constant in another file has changed, so the folder
    # is named by all sources that kernels are made of together: any edit there starts a new cache.
    digest = hashlib.sha256(sys.version.encode())
    for path in _kernel_sources():
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def _writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _cache_folder() -> Path | None:
    """First writable folder for machine code, or None."""
    home = os.environ.get("RANKCAST_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME")
    candidates = [Path(home)] if home else []
    try:
        candidates.append(Path.home() / ".cache")
    except RuntimeError:  # no home folder at all, as for some service accounts
        log.debug("no home folder for the kernel cache")
    name = f"kernels-{_source_hash()}"
    for base in candidates:
        folder = base / "rankcast" / name
        if _writable(folder):
            return folder
        log.warning("%s cannot be written: compiled kernels are kept elsewhere or not", folder)
    return None


if "NUMBA_CACHE_DIR" in os.environ:
    CACHED = True
else:
    _folder = _cache_folder()
    CACHED = _folder is not None
    if _folder is not None:
        os.environ["NUMBA_CACHE_DIR"] = str(_folder)
    else:
        log.warning(
            "no writable folder for compiled kernels: they are compiled at every start "
            "(set RANKCAST_CACHE_DIR to keep them)"
        )

# Off in numba's own defaults. Small patches have no long loops to vectorise, only short
# unrolled ones: the transforms run three to four times as fast with it.
os.environ.setdefault("NUMBA_SLP_VECTORIZE", "1")

import numba  # noqa: E402 - the folder must be set before

if "NUMBA_CACHE_DIR" in os.environ:
    # numba may have been imported, and its settings read, before this module.
    cast(Any, numba.config).CACHE_DIR = os.environ["NUMBA_CACHE_DIR"]


def compiled_before() -> bool:
    """True when machine code of every kernel of these sources is kept already."""
    return CACHED and _marker().exists()


def mark_compiled(kept: bytes = b"") -> None:
    """Note that every kernel was compiled and kept, and keep `kept` with them.

    `rankcast.kernels.warm` does so at its end.
    """
    if CACHED:
        write_whole(_marker(), kept)


def kept_with_kernels() -> bytes:
    """What `mark_compiled` kept; nothing before."""
    return _marker().read_bytes() if compiled_before() else b""


def compile_lock() -> AbstractContextManager[object]:
    """Hold off other processes that would compile the same files; waits for its holder."""
    return FileLock(f"{_marker()}.lock") if CACHED else nullcontext()


def _marker() -> Path:
    # numba keeps machine code by path and modification time of each file, so that another
    # checkout of the same sources has none of its own yet.
    root = Path(__file__).parent.parent
    digest = hashlib.sha256(str(root).encode())
    for path in _kernel_sources():
        digest.update(str(path.stat().st_mtime_ns).encode())
    return Path(os.environ["NUMBA_CACHE_DIR"]) / f"complete-{digest.hexdigest()[:16]}"


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile `function` on first use: nogil, cached on disk, no fast-math.

    ``NUMBA_DISABLE_JIT=1`` leaves it interpreted and ``NUMBA_BOUNDSCHECK=1`` checks
    every index; results are the same to the bit.
    """
    compile_ = cast(Any, numba.njit)  # numba is untyped
    return cast(Callable[P, R], compile_(nogil=True, cache=CACHED)(function))


def lean_kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a kernel that allocates nothing and calls lean kernels only.

    Without numba's runtime nobody counts references. Otherwise every view of an array costs two
    atomic additions, on counters that all threads share: a third of the time of small patches.
    An allocation, or a slice assigned to a slice, does not compile.
    """
    compile_ = cast(Any, numba.njit)  # numba is untyped
    return cast(Callable[P, R], compile_(nogil=True, cache=CACHED, _nrt=False)(function))


def fused_kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a lean kernel as a part of each lean kernel that calls it.

    For kernels that take many arrays: each array is eight words or so, and all of them are
    copied at every call that remains one.
    """
    compile_ = cast(Any, numba.njit)  # numba is untyped
    return cast(
        Callable[P, R], compile_(nogil=True, cache=CACHED, _nrt=False, forceinline=True)(function)
    )


def inline_kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a small helper that is inlined into the kernels that call it."""
    compile_ = cast(Any, numba.njit)  # numba is untyped
    return cast(Callable[P, R], compile_(nogil=True, cache=CACHED, inline="always")(function))
