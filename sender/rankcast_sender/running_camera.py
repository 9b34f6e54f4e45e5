"""RunningCamera: one camera while the sender runs, from its threads to its status line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rankcast.errors import RankcastError
from rankcast.runtime import StopFlag, losses_text
from rankcast_sender.audit import AUDIT_STOP_S, Audit
from rankcast_sender.camera import Camera
from rankcast_sender.pipeline import PIPELINE_STOP_S, CameraPipeline
from rankcast_sender.publisher import Publisher
from rankcast_sender.replay_pipeline import ReplayPipeline
from rankcast_sender.substreams import Substream


@dataclass(slots=True)
class RunningCamera:
    """One camera while the sender runs."""

    publisher: Publisher
    pipeline: CameraPipeline | ReplayPipeline
    audit: Audit | None
    substreams: Sequence[Substream] = ()
    ended: bool = False
    error: RankcastError | None = None
    frames_before: int = 0
    bytes_before: int = 0

    @property
    def camera(self) -> Camera:
        """What the pipeline, control requests and the status share."""
        return self.publisher.camera

    @property
    def name(self) -> str:
        """Name of the camera."""
        return self.camera.name

    def finish(self, flag: StopFlag) -> None:
        """Join the threads of a camera that has ended, and store the error that ended it."""
        if self.ended:
            return
        self.ended = True
        if flag.requested and self.audit is not None:
            self.audit.abandon()  # first: encoding waits for a disk that takes no originals
        try:
            try:
                self.pipeline.join(flag.left_s(PIPELINE_STOP_S))
            finally:
                self.publisher.close()
                for substream in self.substreams:
                    substream.publisher.close()
                if self.audit is not None:
                    self.audit.close(flag.left_s(AUDIT_STOP_S))
        except RankcastError as exc:
            self.error = exc

    @property
    def recorded_text(self) -> str:
        """How many frames are recorded, and how many were published and are not."""
        tape = self.camera.tape
        if tape is None:
            return ""
        lost = tape.lost
        text = f", recorded {tape.recorded}"
        return text + (f", not recorded {losses_text(lost)}" if lost else "")

    @property
    def substreams_text(self) -> str:
        """What was published of the substreams that anybody has watched."""
        return "".join(
            f"; {each.name}: {each.camera.viewers} viewers, published {balance.passed}, "
            f"lost {losses_text(balance.lost)}"
            for each in self.substreams
            if (balance := each.camera.balance()).passed
        )

    def status_line(self, elapsed_s: float) -> tuple[Any, str]:
        """Return the state whose changes are logged, and the line; rates cover `elapsed_s`."""
        camera = self.camera
        balance, packet_bytes, state = camera.balance(), camera.figures.packet_bytes, camera.state
        frames, size = balance.passed - self.frames_before, packet_bytes - self.bytes_before
        self.frames_before, self.bytes_before = balance.passed, packet_bytes
        viewers, recorded = camera.viewers, self.recorded_text
        text = (
            f"{self.name}: {state}, {viewers} {'viewer' if viewers == 1 else 'viewers'}, "
            f"{frames / elapsed_s:.1f} fps, {size / max(frames, 1) / 1e3:.1f} kB/frame, "
            f"{size * 8e-6 / elapsed_s:.2f} Mbit/s, published {balance.passed}, "
            f"lost {losses_text(balance.lost)}{recorded}{self.substreams_text}"
        )
        return (state, viewers, frozenset(balance.lost), "not" in recorded), text
