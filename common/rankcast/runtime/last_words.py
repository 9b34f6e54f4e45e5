"""LastWords: memory shared with the guard process, which reads it when this process is stuck."""

from __future__ import annotations

import json
import mmap
import struct
from collections.abc import Mapping
from typing import Any, Final

MAX_THREADS: Final = 512
MAX_TEXT_BYTES: Final = 116
MAX_STATE_BYTES: Final = 252
MAX_REPORT_BYTES: Final = 1 << 20
"""A longer report, of thousands of cameras, is not kept."""

_THREAD: Final = struct.Struct(f"<QI{MAX_TEXT_BYTES}s")
_REPORT: Final = struct.Struct("<II")
_REPORTS_AT: Final = MAX_THREADS * _THREAD.size
_SLOT_BYTES: Final = _REPORT.size + MAX_REPORT_BYTES
_NEWEST_AT: Final = _REPORTS_AT + 2 * _SLOT_BYTES
_BEATS_AT: Final = _NEWEST_AT + 1
_GOODBYE_AT: Final = _BEATS_AT + 1
_STATE_AT: Final = _GOODBYE_AT + 1
_STATE: Final = struct.Struct(f"<I{MAX_STATE_BYTES}s")


class LastWords:
    """What each thread does, the newest state and report, in memory that survives a fork.

    One process writes and the other reads, at any moment: a report is written beside the previous
    one and then declared to be the newest. Untouched pages take no memory.
    """

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _STATE_AT + _STATE.size)
        self._slots: dict[int, int] = {}
        self._free = list(range(MAX_THREADS - 1, -1, -1))

    def beat(self) -> None:
        """Note that the interpreter still works."""
        self._memory[_BEATS_AT] = (self._memory[_BEATS_AT] + 1) % 256

    @property
    def beats(self) -> int:
        """A number that changes with each `beat`."""
        return self._memory[_BEATS_AT]

    def say_goodbye(self) -> None:
        """Note that the process is about to end in a way of its own."""
        self._memory[_GOODBYE_AT] = 1

    @property
    def goodbye(self) -> bool:
        """True if the process has ended in a way of its own."""
        return bool(self._memory[_GOODBYE_AT])

    def keep_state(self, text: str) -> None:
        """Keep one line about the state of the command, instead of the previous one."""
        data = text.encode(errors="replace")[:MAX_STATE_BYTES]
        _STATE.pack_into(self._memory, _STATE_AT, len(data), data)

    @property
    def state(self) -> str:
        """The newest state; empty if there is none."""
        size, data = _STATE.unpack_from(self._memory, _STATE_AT)
        return bytes(data[:size]).decode(errors="replace")

    def note_thread(self, ident: int, text: str) -> None:
        """Note what a thread does; an empty text forgets it."""
        slot = self._slots.get(ident)
        if slot is None:
            if not text or not self._free:
                return
            slot = self._slots[ident] = self._free.pop()
        data = text.encode(errors="replace")[:MAX_TEXT_BYTES]
        _THREAD.pack_into(self._memory, slot * _THREAD.size, ident if text else 0, len(data), data)
        if not text:
            del self._slots[ident]
            self._free.append(slot)

    def threads(self) -> dict[int, str]:
        """Return what each thread does."""
        found = {}
        for slot in range(MAX_THREADS):
            ident, size, data = _THREAD.unpack_from(self._memory, slot * _THREAD.size)
            if ident:
                found[ident] = data[:size].decode(errors="replace")
        return found

    def keep_report(self, path: str, values: Mapping[str, Any]) -> None:
        """Keep a report and the path where it belongs, instead of the previous one."""
        where, data = path.encode(errors="surrogateescape"), json.dumps(values).encode()
        if len(where) + len(data) > MAX_REPORT_BYTES:
            return
        slot = 1 - self._memory[_NEWEST_AT]
        begin = _REPORTS_AT + slot * _SLOT_BYTES
        _REPORT.pack_into(self._memory, begin, len(where), len(data))
        begin += _REPORT.size
        self._memory[begin : begin + len(where) + len(data)] = where + data
        self._memory[_NEWEST_AT] = slot

    def drop_report(self) -> None:
        """Forget the report, because the process has written it itself."""
        for slot in (0, 1):
            _REPORT.pack_into(self._memory, _REPORTS_AT + slot * _SLOT_BYTES, 0, 0)

    def report(self) -> tuple[str, dict[str, Any]] | None:
        """Return the path and the values of the newest report; None without one."""
        begin = _REPORTS_AT + self._memory[_NEWEST_AT] * _SLOT_BYTES
        where_bytes, data_bytes = _REPORT.unpack_from(self._memory, begin)
        if not data_bytes:
            return None
        begin += _REPORT.size
        middle = begin + where_bytes
        where = self._memory[begin:middle].decode(errors="surrogateescape")
        values = json.loads(self._memory[middle : middle + data_bytes])
        return where, values
