"""Recordings: the packets of cameras in MCAP files that survive a killed process."""

from rankcast.recordings.channels import PACKET_ENCODING
from rankcast.recordings.damage import Damage, DamagedPlace
from rankcast.recordings.export import FORMATS as EXPORT_FORMATS
from rankcast.recordings.export import Exported, ExportFormat, export_recording
from rankcast.recordings.reader import RecordingReader, SegmentFacts
from rankcast.recordings.recorded_message import RecordedMessage
from rankcast.recordings.recorder_clock import RecorderClock
from rankcast.recordings.recording import Recording, time_of
from rankcast.recordings.repair import RepairReport, repair_segment
from rankcast.recordings.retention import RecordingLimits, Retention
from rankcast.recordings.segment_names import SUFFIX, segment_path, segments_of
from rankcast.recordings.segment_reader import SegmentReader
from rankcast.recordings.survey import CameraSurvey, Gap, Survey, survey_recording
from rankcast.recordings.writer import RecordingOptions, RecordingWriter

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
    "Survey",
    "export_recording",
    "repair_segment",
    "segment_path",
    "segments_of",
    "survey_recording",
    "time_of",
]
