"""Compilation of kernels: the only module that imports numba, and the cache of its machine code.

A kernel is ``@kernel`` on a function over arrays and integers. Kernels release the
GIL, never use ``parallel=True`` and check no bounds: clamp values from the wire first.

A cache that cannot be used is a matter of time, never of results: whatever fails there is logged
once, with the path, and the kernels are compiled instead.
"""

# numba is untyped.
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, ParamSpec, TypeAlias, TypeVar, cast

from filelock import FileLock, Timeout

from rankcast.atomic_file import os_reason, write_whole
from rankcast.errors import RankcastError, SettingsError
from rankcast.library_environment import check_library_environment
from rankcast.user_path import expand_path

log = logging.getLogger(__name__)

CACHE_BYTES: Final = 32 << 20
"""Free space that a new cache needs; all kernels together take about half of it."""
DIGEST_BYTES: Final = hashlib.sha256().digest_size
LOCK_TIMEOUT_S: Final = 300.0
"""Compiling takes one to two minutes; on a slow machine a few."""

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


def _objection(folder: Path) -> str:
    """Return why `folder` cannot hold the cache; empty when it can. Creates the folder."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        status = folder.stat()
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"x")
    except OSError as exc:
        return os_reason(exc)
    # Machine code of strangers would run with the rights of this user.
    if hasattr(os, "geteuid") and status.st_uid not in (0, os.geteuid()):
        return "it belongs to another user"
    if os.name != "nt" and status.st_mode & 0o002:
        return "other users may write to it"
    free_bytes = shutil.disk_usage(folder).free
    if free_bytes < CACHE_BYTES and not any(folder.glob("complete-*")):
        return f"{free_bytes >> 20} MiB are free, want {CACHE_BYTES >> 20}"
    return ""


def _named_folder(variable: str, objections: list[str]) -> Path | None:
    """Return the folder that a variable names; None if it names none, with an objection if bad."""
    text = os.environ.get(variable)
    if not text:
        return None
    try:
        return Path(expand_path(text))
    except ValueError as exc:
        objections.append(f"{variable}={text!r:.60} cannot be used: {exc}")
        return None


def _candidates(objections: list[str]) -> Iterator[Path]:
    """Yield the folders that may hold machine code, best first."""
    chosen = _named_folder("NUMBA_CACHE_DIR", objections)
    if chosen is not None:
        yield chosen
    name = f"kernels-{_source_hash()}"
    home = _named_folder("RANKCAST_CACHE_DIR", objections)
    if home is None:
        home = _named_folder("XDG_CACHE_HOME", objections)
        # The XDG Base Directory Specification has a relative path ignored.
        if home is not None and not home.is_absolute():
            home = None
    if home is not None:
        yield home / "rankcast" / name
    # There may be no home folder at all, as for some service accounts.
    with suppress(RuntimeError):
        yield Path.home() / ".cache" / "rankcast" / name


def _cache_folder() -> Path | None:
    """Return the first folder that can hold machine code, or None; log why others cannot."""
    objections: list[str] = []
    for folder in _candidates(objections):
        objection = _objection(folder)
        if not objection:
            if objections:
                log.warning("kernel cache %s: using %s instead", "; ".join(objections), folder)
            return folder
        objections.append(f"{folder} cannot be used: {objection}")
    log.warning(
        "kernel cache %s: kernels are compiled at every start; set RANKCAST_CACHE_DIR to a "
        "folder of your own", "; ".join(objections) or "has no folder, HOME is not set",
    )  # fmt: skip
    return None


_folder = _cache_folder()
CACHED = _folder is not None
if _folder is not None:
    os.environ["NUMBA_CACHE_DIR"] = str(_folder)
else:
    os.environ.pop("NUMBA_CACHE_DIR", None)

# Off in numba's own defaults. Small patches have no long loops to vectorise, only short
# unrolled ones: the transforms run three to four times as fast with it.
os.environ.setdefault("NUMBA_SLP_VECTORIZE", "1")

check_library_environment("NUMBA_")
with warnings.catch_warnings(record=True) as _caught:
    warnings.simplefilter("always")
    try:
        import numba
        from numba.core.caching import FunctionCache, IndexDataCacheFile
    except ValueError as _exc:  # a setting of the right type, but out of range
        raise SettingsError(
            f"numba does not load: {os_reason(_exc).rstrip('.')}; check the environment variables "
            "NUMBA_... and the file .numba_config.yaml"
        ) from _exc
for _warning in _caught:
    # numba goes on with its default after ten lines of traceback.
    _text = str(_warning.message)
    if "Environment variable 'NUMBA_" in _text:
        raise SettingsError(_text.partition("\n")[0].rstrip("."))
    warnings.warn(_warning.message, stacklevel=2)

# numba may have been imported, and its settings read, before this module.
cast(Any, numba.config).CACHE_DIR = os.environ.get("NUMBA_CACHE_DIR", "")


class _CheckedCacheFile(IndexDataCacheFile):
    """Machine code with a digest behind it: damaged code would crash, or compute nonsense."""

    def _load_data(self, name: str) -> Any:
        content = Path(self._data_path(name)).read_bytes()
        data, digest = content[:-DIGEST_BYTES], content[-DIGEST_BYTES:]
        if digest != hashlib.sha256(data).digest():
            raise ValueError(f"{name} does not match its digest")
        return super()._load_data(name)  # which ignores what follows the data

    def _save_data(self, name: str, data: Any) -> None:
        dumped = self._dump(data)
        with self._open_for_write(self._data_path(name)) as file:
            file.write(dumped + hashlib.sha256(dumped).digest())


class _TolerantCache(FunctionCache):
    """The cache of one kernel, which compiles the kernel where the cache fails."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        old = self._cache_file
        self._cache_file = _CheckedCacheFile(
            self.cache_path, self._impl.filename_base, old._source_stamp
        )

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the kept machine code, or None when there is none or it cannot be read."""
        try:
            return super().load_overload(sig, target_context)
        except Exception as exc:  # unpickling damaged data may raise anything
            _report_cache(self.cache_path, exc)
            # An index that cannot be read would keep new code from being saved.
            with suppress(OSError):
                self.flush()
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep machine code if possible."""
        try:
            super().save_overload(sig, data)
        except (OSError, ValueError, EOFError) as exc:
            _report_cache(self.cache_path, exc)
            self.disable()


_reported = False


def _report_cache(path: object, error: BaseException) -> None:
    """Log once per process that the cache fails: one cause concerns hundreds of kernels."""
    global _reported
    if not _reported:
        _reported = True
        reason = os_reason(error) if isinstance(error, OSError) else f"damaged ({error})"
        log.warning("kernel cache %s: %s: kernels are compiled again", path, reason)


def compiled_before() -> bool:
    """Return True when machine code of every kernel of these sources is in the cache."""
    return CACHED and _marker().exists()


def mark_compiled(kept: bytes = b"") -> None:
    """Mark the cache as complete, and keep `kept` beside it.

    `rankcast.kernels.warm` does so at its end.
    """
    if not CACHED or _reported:
        return
    try:
        write_whole(_marker(), kept)
    except RankcastError as exc:
        _report_cache(_marker().parent, exc.__cause__ or exc)


def kept_with_kernels() -> bytes:
    """Return what `mark_compiled` kept; empty before, and where it cannot be read."""
    try:
        return _marker().read_bytes() if compiled_before() else b""
    except OSError as exc:
        _report_cache(_marker(), exc)
        return b""


@contextmanager
def compile_lock() -> Iterator[None]:
    """Keep other processes from compiling the same kernels meanwhile.

    Waits for a process that does so already. Where the lock cannot be taken, both compile.
    """
    lock = FileLock(f"{_marker()}.lock", timeout=LOCK_TIMEOUT_S) if CACHED else None
    if lock is not None:
        try:
            lock.acquire()
        except Timeout:
            log.warning("kernel cache %s: locked for %g s by another process: not waiting for it",
                        _marker().parent, LOCK_TIMEOUT_S)  # fmt: skip
            lock = None
        except (OSError, NotImplementedError) as exc:
            reason = os_reason(exc) if isinstance(exc, OSError) else exc
            log.warning("kernel cache %s cannot be locked: %s", _marker().parent, reason)
            lock = None
    try:
        yield
    finally:
        if lock is not None:
            lock.release()


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
    return _compile(function)


def lean_kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a kernel that allocates nothing and calls lean kernels only.

    Without numba's runtime no references are counted. Otherwise every view of an array costs two
    atomic additions, on counters that all threads share: a third of the time of small patches.
    An allocation, or a slice assigned to a slice, does not compile.
    """
    return _compile(function, _nrt=False)


def fused_kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a lean kernel as a part of each lean kernel that calls it.

    For kernels that take many arrays: each array is eight words or so, and every call that is
    not inlined copies all of them.
    """
    return _compile(function, _nrt=False, forceinline=True)


def inline_kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a small function that is inlined into the kernels that call it."""
    return _compile(function, inline="always")


def _compile(function: Callable[P, R], **options: Any) -> Callable[P, R]:
    dispatcher = cast(Any, numba.njit)(nogil=True, **options)(function)  # numba is untyped
    if CACHED and hasattr(dispatcher, "enable_caching"):  # not where JIT is disabled
        # numba's own cache raises whatever goes wrong with a file.
        try:
            dispatcher._cache = _TolerantCache(function)
        except RuntimeError as exc:
            if "NUMBA_" in str(exc):
                raise SettingsError(f"got a wrong environment variable: {exc}") from exc
            _report_cache(_folder, exc)
    return cast(Callable[P, R], dispatcher)
