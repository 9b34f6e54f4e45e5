"""Recordings: the packets of cameras in MCAP files that survive a killed process."""

from rankcast.recordings.export import FORMATS as EXPORT_FORMATS
from rankcast.recordings.export import Exported, ExportFormat, export_recording
from rankcast.recordings.reader import RecordingReader, SegmentFacts
from rankcast.recordings.recorder_clock import RecorderClock
from rankcast.recordings.recording import Recording, time_of
from rankcast.recordings.recording_options import RecordingOptions
from rankcast.recordings.repair import RepairReport, repair_segment
from rankcast.recordings.retention import RecordingLimits, Retention
from rankcast.recordings.segment import (
    PACKET_ENCODING,
    SUFFIX,
    Damage,
    DamagedPlace,
    RecordedMessage,
    SegmentReader,
    SegmentSummary,
    read_last_time,
    read_summary,
    segment_path,
    segments_of,
)
from rankcast.recordings.survey import CameraSurvey, Gap, Survey, survey_recording
from rankcast.recordings.writer import RecordingWriter

__all__ = [
    "EXPORT_FORMATS",
    "PACKET_ENCODING",
    "SUFFIX",
    "CameraSurvey",
    "Damage",
    "DamagedPlace",
    "ExportFormat",
    "Exported",
    "Gap",
    "RecordedMessage",
    "RecorderClock",
    "Recording",
    "RecordingLimits",
    "RecordingOptions",
    "RecordingReader",
    "RecordingWriter",
    "RepairReport",
    "Retention",
    "SegmentFacts",
    "SegmentReader",
    "SegmentSummary",
    "Survey",
    "export_recording",
    "read_last_time",
    "read_summary",
    "repair_segment",
    "segment_path",
    "segments_of",
    "survey_recording",
    "time_of",
]
