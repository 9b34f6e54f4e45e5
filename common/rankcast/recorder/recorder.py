"""Recorder: records every packet that decodes from what was recorded before."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from rankcast.errors import NeedKeyframe, RecordingError
from rankcast.recorder.disk_room import DiskRoom
from rankcast.recorder.keyframe_wishes import AskKeyframe, KeyframeWishes
from rankcast.recorder.recorded_chain import RecordedChain
from rankcast.recordings import RecordingWriter
from rankcast.runtime import SINK, WAITING_FOR_KEYFRAME
from rankcast.wire import Packet


class Recorder:
    """Records the packets of cameras, goes on after a fault of the disk, counts what is lost.

    After a loss it records nothing of a camera up to the next key frame, and asks for one as soon
    as the disk has room: a recording never holds a frame whose reference it lacks.

    Parameters
    ----------
    writer : RecordingWriter
        Owned: `close` closes it.
    ask : callable, optional
        Asks for key frames.
    now_s : callable
        Monotonic clock.
    free : callable, optional
        Returns the free bytes of a folder's file system.
    reserve_bytes : int
        Free space that `writer` keeps.
    tried_again : bool
        A frame that the disk does not take is none that is lost: another recorder gets it.

    Notes
    -----
    For one thread, that of `writer`.
    """

    def __init__(
        self,
        writer: RecordingWriter,
        ask: AskKeyframe = lambda _camera, _wanted: None,
        *,
        now_s: Callable[[], float] = time.monotonic,
        free: Callable[[Path], int] | None = None,
        reserve_bytes: int = 0,
        tried_again: bool = False,
    ) -> None:
        self._tried_again = tried_again
        self._writer = writer
        self._chains: dict[str, RecordedChain] = {}
        self._room = DiskRoom(writer.path.parent, now_s, free, reserve_bytes)
        self._wishes = KeyframeWishes(ask, self.wants_keyframe, now_s)

    @property
    def recorded(self) -> int:
        """Frames in the kernel, which survive the end of this process."""
        return self._writer.recorded

    def recorded_of(self, camera: str) -> int:
        """Return those of one camera."""
        return self._writer.recorded_of(camera)

    @property
    def fault(self) -> str:
        """The latest error; empty if there was none."""
        return self._writer.fault

    def put(self, camera: str, data: bytes | bytearray | memoryview, packet: Packet) -> None:
        """Record one packet: a picture, a status or an end.

        Raises
        ------
        NeedKeyframe
            If it is predicted from a frame that was not recorded: it is lost.
        RecordingError
            If the disk did not take it: it is lost, unless it is a status.
        """
        header = packet.header
        if not header.kind.is_picture:
            self._writer.write(camera, data, packet)
            return
        chain = self._chains.setdefault(camera, RecordedChain())
        try:
            if not chain.continues(header):
                raise NeedKeyframe(
                    f"frame {header.sequence} of {camera} is predicted from one that is not "
                    "recorded: the recording goes on at the next key frame"
                )
            self._write(camera, data, packet)
        except NeedKeyframe:
            chain.break_off()
            self._writer.lose(camera, WAITING_FOR_KEYFRAME)
            raise
        except RecordingError:
            chain.break_off()
            if not self._tried_again:
                self._writer.lose(camera, SINK)
            self._room.refused(len(data))
            raise
        else:
            chain.add(header)
            self._room.wrote(len(data))
        finally:
            self._wishes.update((camera,))

    def _write(self, camera: str, data: bytes | bytearray | memoryview, packet: Packet) -> None:
        try:
            self._writer.write(camera, data, packet)
        except NeedKeyframe as exc:
            if self._writer.segment is None and self._writer.fault:
                # The disk did not take something before it, such as a status.
                raise RecordingError(self._writer.fault) from exc
            raise

    def lose(self, camera: str, cause: str, count: int = 1) -> None:
        """Count frames that never came here; the ledger in the recording has them."""
        self._writer.lose(camera, cause, count)

    def wants_keyframe(self, camera: str) -> bool:
        """Return True if only a key frame of `camera` can be recorded next, or in time."""
        chain = self._chains.get(camera)
        waits = chain is None or chain.broken or self._writer.wants_start(camera)
        return waits and self._room.may_try

    def idle(self) -> None:
        """Do what is due once a second; call it also while nothing arrives."""
        self._writer.idle()
        self._wishes.update(tuple(self._chains))

    def close(self) -> None:
        """Finish the recording.

        Raises
        ------
        RecordingError
            If the disk may have lost some of it.
        """
        self._writer.close()
