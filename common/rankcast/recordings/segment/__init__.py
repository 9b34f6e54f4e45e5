"""One file of a recording: its bytes, written message by message, and read past damage."""

from rankcast.recordings.segment.channels import LEDGER_ENCODING, PACKET_ENCODING, encoding_of
from rankcast.recordings.segment.damage import Damage, DamagedPlace
from rankcast.recordings.segment.file_lock import is_locked
from rankcast.recordings.segment.recorded_message import RecordedMessage
from rankcast.recordings.segment.segment_file import SegmentFile
from rankcast.recordings.segment.segment_names import (
    SUFFIX,
    is_segment,
    segment_path,
    segments_of,
)
from rankcast.recordings.segment.segment_reader import SegmentReader
from rankcast.recordings.segment.segment_summary import (
    SegmentSummary,
    read_last_time,
    read_summary,
)
from rankcast.recordings.segment.start_index import StartIndex

__all__ = [
    "LEDGER_ENCODING",
    "PACKET_ENCODING",
    "SUFFIX",
    "Damage",
    "DamagedPlace",
    "RecordedMessage",
    "SegmentFile",
    "SegmentReader",
    "SegmentSummary",
    "StartIndex",
    "encoding_of",
    "is_locked",
    "is_segment",
    "read_last_time",
    "read_summary",
    "segment_path",
    "segments_of",
]
