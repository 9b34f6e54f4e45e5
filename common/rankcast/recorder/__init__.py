"""Recorders: what of a stream is recorded, all the time or around events, and what is lost."""

from rankcast.recorder.event_recorder import EventOptions, EventRecorder
from rankcast.recorder.free_space import FreeSpace
from rankcast.recorder.keyframe_wishes import AskKeyframe
from rankcast.recorder.opening import AnyRecorder, open_recorder
from rankcast.recorder.packet_ring import PacketRing, RingEntry
from rankcast.recorder.recorded_chain import RecordedChain
from rankcast.recorder.recorded_tail import RecordedTail
from rankcast.recorder.recorder import Recorder
from rankcast.recorder.triggers import Trigger, Triggers, check_cause, signals_as_triggers

__all__ = [
    "AnyRecorder",
    "AskKeyframe",
    "EventOptions",
    "EventRecorder",
    "FreeSpace",
    "PacketRing",
    "RecordedChain",
    "RecordedTail",
    "Recorder",
    "RingEntry",
    "Trigger",
    "Triggers",
    "check_cause",
    "open_recorder",
    "signals_as_triggers",
]
