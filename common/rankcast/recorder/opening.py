"""open_recorder: the recorder that a table ``[record]`` describes."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

from rankcast.recorder.event_recorder import EventOptions, EventRecorder
from rankcast.recorder.keyframe_wishes import AskKeyframe
from rankcast.recorder.recorder import Recorder
from rankcast.recorder.triggers import Triggers
from rankcast.recordings import RecordingLimits, RecordingOptions, RecordingWriter
from rankcast.settings import RecordTable

AnyRecorder: TypeAlias = Recorder | EventRecorder


def open_recorder(
    table: RecordTable, triggers: Triggers, ask: AskKeyframe, *, tried_again: bool = False
) -> AnyRecorder:
    """Open the recorder that `table` describes, in the thread that uses it.

    Parameters
    ----------
    table : RecordTable
    triggers : Triggers
    ask : callable
        Asks for key frames.
    tried_again : bool
        See `Recorder`.

    Raises
    ------
    RankcastError
        If nothing can be written there.
    """
    path = Path(table.file)
    limits = RecordingLimits(table.max_bytes, table.max_age_s, table.min_free_bytes)
    options = RecordingOptions(table.segment_bytes, table.segment_s, table.sync_frames, limits)
    if not table.events:
        return Recorder(
            RecordingWriter(path, options), ask, reserve_bytes=limits.min_free_bytes,
            tried_again=tried_again,
        )  # fmt: skip
    around = EventOptions(table.pre_s, table.post_s, table.ring_bytes, table.trigger_meta, options)
    return EventRecorder(path, around, triggers, ask)
