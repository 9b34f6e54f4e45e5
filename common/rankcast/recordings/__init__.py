"""Recordings: the packets of cameras in MCAP files that survive a killed process."""

from rankcast.recordings.channels import PACKET_ENCODING
from rankcast.recordings.damage import Damage, DamagedPlace
from rankcast.recordings.reader import RecordingReader, SegmentFacts
from rankcast.recordings.recorded_message import RecordedMessage
from rankcast.recordings.recorder_clock import RecorderClock
from rankcast.recordings.retention import RecordingLimits, Retention
from rankcast.recordings.segment_names import SUFFIX, segment_path, segments_of
from rankcast.recordings.segment_reader import SegmentReader
from rankcast.recordings.writer import RecordingOptions, RecordingWriter

__all__ = [
    "PACKET_ENCODING",
    "SUFFIX",
    "Damage",
    "DamagedPlace",
    "RecordedMessage",
    "RecorderClock",
    "RecordingLimits",
    "RecordingOptions",
    "RecordingReader",
    "RecordingWriter",
    "Retention",
    "SegmentFacts",
    "SegmentReader",
    "segment_path",
    "segments_of",
]
