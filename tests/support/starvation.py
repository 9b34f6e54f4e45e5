"""Time in which processes were ready to run but had no processor, which is not their fault."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path


class Starvation:
    """Counts the starvation of some processes from its creation on.

    Of each process the thread that waited longest counts. Threads wait side by side, so that the
    sum over all of them would excuse any delay. Linux only; elsewhere nothing is excused.
    """

    def __init__(self, *pids: int) -> None:
        self._pids = pids
        self._now_ns: dict[tuple[int, str], int] = {}
        self._longest_ns = 0
        self.look()
        self._before_ns = dict(self._now_ns)
        self._longest_ns = 0

    def look(self) -> None:
        """Read the counters before a thread ends and takes its own along."""
        for pid in self._pids:
            for file in Path(f"/proc/{pid}/task").glob("*/schedstat"):
                with suppress(OSError):  # the thread has ended
                    now_ns, thread = int(file.read_text().split()[1]), (pid, file.parent.name)
                    waited_ns = now_ns - self._now_ns.get(thread, 0)
                    self._longest_ns = max(self._longest_ns, waited_ns)
                    self._now_ns[thread] = now_ns

    def longest_s(self) -> float:
        """Return the longest single wait of a thread, if `look` is called often.

        The system counts a wait when it ends. Shorter waits between two looks add up.
        """
        self.look()
        return self._longest_ns / 1e9

    def seconds(self) -> float:
        """Return the longest wait of a thread so far; for several processes the sum."""
        self.look()
        longest_ns = dict.fromkeys(self._pids, 0)
        for (pid, thread), now_ns in self._now_ns.items():
            waited_ns = now_ns - self._before_ns.get((pid, thread), 0)
            longest_ns[pid] = max(longest_ns[pid], waited_ns)
        return sum(longest_ns.values()) / 1e9
