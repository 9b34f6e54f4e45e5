"""GrabberProcess: one process that reads a device, with deadlines for all it does."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from rankcast.atomic_file import os_reason
from rankcast.errors import SettingsError, SourceError, WorkerError
from rankcast.frame import Pixels, Scalar
from rankcast.runtime import Worker
from rankcast_sender.grabber.device_spec import DeviceSpec
from rankcast_sender.grabber.driver_log import DriverLog
from rankcast_sender.grabber.messages import (
    MAX_LINE_BYTES,
    Applied,
    DeviceFacts,
    Failed,
    GrabberProtocolError,
    Idle,
    Message,
    Opened,
    Pong,
    RingWanted,
    SlotWritten,
    parse_message,
)
from rankcast_sender.grabber.ring import FrameRing

log = logging.getLogger(__name__)

HANG_S: Final = 1.0
"""A read that takes this much longer than it may by design never returns."""
TRIGGER_HANG_S: Final = 5.0
"""While a trigger is awaited by a read that nothing bounds, only a process that does not even
answer a ping is ended."""
PING_S: Final = 1.0
APPLY_S: Final = 4.0
"""Longest time to change settings; clients of the control channel wait for 5 s."""
CLOSE_S: Final = 0.7
"""Time to close the device; a signal leaves threads 1.2 s in all."""
READERS_S: Final = 2.0
LAST_WORDS_S: Final = 0.3


class GrabberProcess:
    """Starts a process that opens a device, and takes its frames.

    All methods but `wake` and `interrupt` are called in the grab thread of the camera.

    Parameters
    ----------
    spec : DeviceSpec
    newest_wins : bool
        True: a frame that was not taken in time is replaced by a newer one. False: frames wait
        while there are slots.
    """

    def __init__(self, spec: DeviceSpec, *, newest_wins: bool = True) -> None:
        self._spec = spec
        self._newest_wins = newest_wins
        self._changed = threading.Condition()
        self._sending = threading.Lock()
        self._written: deque[tuple[int, SlotWritten]] = deque()
        self._numbered = 0
        self._applied: Applied | None = None
        self._failed: Failed | None = None
        self._broken: GrabberProtocolError | None = None
        self._ring_wanted = 0
        self._ended = False
        self._woken = False
        self._interrupted = False
        self._killed = ""
        self._group_killed = False
        self._closed = False
        self._heard_s = time.monotonic()
        self._pinged_s = 0.0
        self._requests = 0
        self.facts: DeviceFacts | None = None
        """What the device says about itself; None until it is open."""
        self.lost = 0
        """Frames that the device has lost."""
        self.replaced = 0
        """Frames that were not taken before a newer one came."""
        self._driver_log = DriverLog(spec.name, spec.secrets)
        self._ring = FrameRing()
        try:
            self._process = spec.start(self._ring.inherited)
        except OSError as exc:
            self._ring.close()
            raise SourceError(
                f"{spec.name}: the grabber process cannot be started ({os_reason(exc)}): check "
                f"{spec.python or 'the Python of the sender'} and the limits of this machine"
            ) from exc
        self._workers = (
            Worker("rankcast-grabber", self._read_messages, task=f"messages of {spec.name}"),
            Worker("rankcast-driver", self._read_log, task=f"driver messages of {spec.name}"),
        )
        for worker in self._workers:
            worker.start()
        self._send("open", module=spec.module, path=list(spec.import_path),
                   options=dict(spec.options))  # fmt: skip

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._process.pid

    def wake(self) -> None:
        """End a wait at once; may be called from any thread."""
        with self._changed:
            self._woken = True
            self._changed.notify_all()

    def interrupt(self) -> None:
        """End this wait and all later ones; may be called from any thread."""
        with self._changed:
            self._interrupted = True
            self._changed.notify_all()

    def wait_open(self, timeout_s: float) -> bool:
        """Wait until the device is open; False if it is not within `timeout_s` or after `wake`.

        Raises
        ------
        SourceError
            If it cannot be opened.
        SettingsError
            If an option is impossible for it.
        """
        with self._changed:
            self._wait(lambda: self.facts is not None, timeout_s)
        if self.facts is not None:
            return True
        self._check_end()
        return False

    def take(self, timeout_s: float) -> tuple[int, SlotWritten, Pixels] | None:
        """Return the next frame; None if there is none within `timeout_s` or after `wake`.

        Returns
        -------
        int, SlotWritten, ndarray
            The number of the frame, from 0; lost and replaced ones have numbers too.

        Raises
        ------
        SourceError
            If the device has failed, or the process hangs or has ended.
        SettingsError
            If there is not enough shared memory.
        """
        with self._changed:
            self._wait(lambda: bool(self._written or self._ring_wanted), timeout_s)
            written = self._written.popleft() if self._written else None
            wanted, silent_s = self._ring_wanted, time.monotonic() - self._heard_s
        for slot in self._ring.given_back():
            self._give_back(slot)
        if written is not None:
            pixels, copied = self._ring.take(written[1])
            if copied:
                self._give_back(written[1].slot)
            return *written, pixels
        self._check_end()
        if wanted:
            # All slots that were announced have been taken.
            self._ring_wanted, self._heard_s = 0, time.monotonic()
            self._send("ring", **self._ring.resize(wanted))
        else:
            self._check_progress(silent_s)
        return None

    def apply(self, values: Mapping[str, Scalar]) -> DeviceFacts:
        """Change settings of the device, all or none.

        Raises
        ------
        SettingsError
            If the device refuses them, or cannot answer yet.
        SourceError
            If the device has failed, or the process hangs or has ended.
        """
        self._check_end()
        self._requests += 1
        self._send("apply", id=self._requests, values=dict(values))
        ends_s = time.monotonic() + APPLY_S
        with self._changed:
            while (left_s := ends_s - time.monotonic()) > 0:
                self._wait(self._has_answer, left_s)
                if self._has_answer() or self._is_over():
                    break
            answer = self._applied if self._has_answer() else None
        if answer is None:
            raise self._unanswered()
        if answer.facts is None:
            raise SettingsError(f"{self._spec.name}: {self._driver_log.redact(answer.why)}")
        return answer.facts

    def _unanswered(self) -> SourceError | SettingsError:
        """Return why a change of settings has no answer, after killing a process that hangs."""
        name, facts = self._spec.name, self.facts
        self._check_end()
        if self._interrupted:
            return SettingsError(f"{name} is being closed: the change may not be in force")
        if _may_read_for_ever(facts) or (facts and facts.longest_read_s + HANG_S > APPLY_S):
            return SettingsError(
                f"{name} has not answered within {APPLY_S:g} s, because it reads: the change is "
                "made after that; read the values back"
            )
        return self._hang(f"a change of settings has not returned for {APPLY_S:g} s")

    def close(self, grace_s: float = CLOSE_S) -> None:
        """Close the device and end the process, by force if it takes longer than `grace_s`."""
        if self._closed:
            return
        self._closed = True
        self._send("close")
        try:
            try:
                self._process.wait(grace_s)
            except subprocess.TimeoutExpired:
                self._kill()
                self._process.wait()
            # What the driver has started may outlive the process, and would hold its pipes.
            self._kill_group()
            self._join_readers()
        finally:
            self._close_streams()
            self._ring.close()

    def _join_readers(self) -> None:
        for worker in self._workers:
            try:
                worker.join(READERS_S)
            except WorkerError as exc:  # the camera can be opened again all the same
                log.warning("%s: %s", self._spec.name, exc)

    def _close_streams(self) -> None:
        messages, driver = self._workers
        process = self._process
        for stream, reader in (
            (process.stdin, None), (process.stdout, messages), (process.stderr, driver)
        ):  # fmt: skip
            assert stream is not None
            if reader is not None and reader.running:
                continue  # closing would wait for its read: it closes with the thread
            with suppress(OSError):  # what could not be written any more
                stream.close()

    def kill(self) -> None:
        """End the process at once, because it does not react."""
        self._kill()
        self.close()

    def _kill(self) -> None:
        """Kill the process with all that its driver has started, which would hold its pipes."""
        if sys.platform == "win32":
            self._process.kill()
        else:
            self._kill_group()

    def _kill_group(self) -> None:
        """Kill what is left of the group of the process, which may have ended by itself."""
        if sys.platform != "win32" and not self._group_killed:
            # Once it is empty, its number may become another's.
            self._group_killed = self._process.poll() is not None
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)

    # Called with the lock held.

    def _wait(self, happened: Any, timeout_s: float) -> None:  # Any: a predicate
        self._changed.wait_for(lambda: happened() or self._woken or self._is_over(), timeout_s)
        self._woken = False

    def _is_over(self) -> bool:
        """Return True if there is nothing to wait for any more."""
        return (
            self._interrupted or self._ended or self._failed is not None or self._broken is not None
        )

    def _has_answer(self) -> bool:
        return self._applied is not None and self._applied.id == self._requests

    # Called without the lock.

    def _check_end(self) -> None:
        """Raise the reason why no frame will come any more, if there is one."""
        name, failed = self._spec.name, self._failed
        if self._broken is not None:
            raise SourceError(f"{name}: {self._broken}") from self._broken
        if failed is not None:
            why = self._driver_log.redact(failed.why)
            line = why if why.startswith(name) else f"{name}: {why}"
            if failed.refused:
                raise SettingsError(line)
            raise SourceError(f"{line}{self._last_words()}")
        if self._killed:
            raise SourceError(self._killed)
        if self._ended:
            raise SourceError(f"{name}: the grabber process {self._how_it_ended()}")

    def _how_it_ended(self) -> str:
        try:
            code = self._process.wait(READERS_S)
        except subprocess.TimeoutExpired:
            return "closed its output"
        words = self._last_words()
        if code < 0:
            with suppress(ValueError):
                return (
                    f"was ended by {signal.Signals(-code).name}: a driver crashed it, or the "
                    f"system killed it{words}"
                )
        return f"ended with code {code}{words}"

    def _last_words(self) -> str:
        """Wait for the end of the process and return what its driver printed last."""
        with suppress(subprocess.TimeoutExpired, WorkerError):
            self._process.wait(LAST_WORDS_S)
            self._workers[1].join(LAST_WORDS_S)
        return f"; the driver says: {self._driver_log.last}" if self._driver_log.last else ""

    def _check_progress(self, silent_s: float) -> None:
        """Raise if the process does not come back from its device."""
        facts = self.facts
        assert facts is not None
        if _may_read_for_ever(facts):
            now_s = time.monotonic()
            if silent_s > TRIGGER_HANG_S:
                raise self._hang(f"nothing has answered for {silent_s:.1f} s")
            if silent_s > PING_S and now_s - self._pinged_s > PING_S:
                self._pinged_s = now_s
                self._send("ping")
        elif silent_s > facts.longest_read_s + HANG_S:
            raise self._hang(
                f"a read has not returned for {silent_s:.1f} s, the limit is "
                f"{facts.longest_read_s + HANG_S:g} s"
            )

    def _hang(self, what: str) -> SourceError:
        """Kill the process and return the reason, which all later calls raise."""
        self._kill()
        self._killed = f"{self._spec.name}: {what}: the grabber process was killed"
        return SourceError(self._killed)

    def _send(self, operation: str, **values: Any) -> None:
        line = json.dumps({"op": operation, **values}).encode() + b"\n"
        assert self._process.stdin is not None
        # If it has ended, its end is noticed where its messages are read.
        with self._sending, suppress(OSError, ValueError):
            self._process.stdin.write(line)
            self._process.stdin.flush()

    def _give_back(self, slot: int) -> None:
        self._send("slot", slot=slot, slot_bytes=self._ring.slot_bytes)

    def _read_log(self) -> None:
        assert self._process.stderr is not None
        self._driver_log.read(self._process.stderr)

    def _read_messages(self) -> None:
        stream = self._process.stdout
        assert stream is not None
        try:
            while line := stream.readline(MAX_LINE_BYTES):
                self._handle(parse_message(line))
        except GrabberProtocolError as exc:
            self._broken = exc
            self._kill()
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def _handle(self, message: Message) -> None:
        replaced: list[tuple[int, SlotWritten]] = []
        with self._changed:
            # A pong comes from a thread that does not touch the device.
            if not isinstance(message, Pong) or _may_read_for_ever(self.facts):
                self._heard_s = time.monotonic()
            if isinstance(message, SlotWritten | Idle | Failed):
                self.lost += message.lost
                self.replaced += message.dropped
                self._numbered += message.lost + message.dropped
            match message:
                case SlotWritten():
                    self._check_slot(message)
                    if self._newest_wins:
                        replaced = list(self._written)
                        self._written.clear()
                        self.replaced += len(replaced)
                    self._written.append((self._numbered, message))
                    self._numbered += 1
                case Opened():
                    self.facts = message.facts
                case Applied():
                    self._applied = message
                    self.facts = message.facts or self.facts
                case RingWanted():
                    self._ring_wanted = message.frame_bytes
                case Failed():
                    self._failed = message
            self._changed.notify_all()
        for _, written in replaced:
            self._give_back(written.slot)

    def _check_slot(self, message: SlotWritten) -> None:
        if any(written.slot == message.slot for _, written in self._written):
            raise GrabberProtocolError(
                f"the grabber process announced slot {message.slot} twice: a driver has damaged it"
            )


def _may_read_for_ever(facts: DeviceFacts | None) -> bool:
    """Return True while the device waits for a trigger in a read that does not end by itself."""
    return facts is not None and facts.waits_for_trigger and not facts.polls
