"""The channels of a recording: topics, encodings, and what their records say."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from typing import Final

from rankcast.recordings.segment import mcap_format as mcap
from rankcast.wire import RECEIVED_NAME, VERSION

PACKET_ENCODING: Final = f"rankcast/{VERSION}"
"""Encoding of messages that are packets of docs/wire.md, verbatim."""
LEDGER_ENCODING: Final = "json"

_TOPIC: Final = re.compile(rf"({RECEIVED_NAME})/(frames|status|ledger)")
_ANY_VERSION: Final = re.compile(r"rankcast/\d{1,9}")


@dataclass(frozen=True, slots=True)
class ChannelFacts:
    """What the record of a channel says."""

    id: int
    topic: str
    encoding: str
    camera: str = ""
    """Empty if the channel is none of a recording."""
    kind: str = ""
    """``frames``, ``status`` or ``ledger``."""

    @property
    def is_of_another_version(self) -> bool:
        """True if its packets have another version of the wire format."""
        of_ours = self.encoding == PACKET_ENCODING
        return not of_ours and _ANY_VERSION.fullmatch(self.encoding) is not None


def parse_channel(content: bytes | memoryview) -> ChannelFacts | None:
    """Parse the content of a channel record; None if it is malformed."""
    data = bytes(content)
    try:
        channel, _schema = mcap.CHANNEL_HEAD.unpack_from(data)
        topic, at = _text(data, mcap.CHANNEL_HEAD.size)
        encoding, at = _text(data, at)
        (map_bytes,) = struct.unpack_from("<I", data, at)
    except (struct.error, UnicodeDecodeError):
        return None
    if at + 4 + map_bytes != len(data):
        return None
    name = _TOPIC.fullmatch(topic)
    if name is None or encoding != encoding_of(name[2]):
        return ChannelFacts(channel, topic, encoding)
    return ChannelFacts(channel, topic, encoding, name[1], name[2])


def encoding_of(kind: str) -> str:
    """Return the encoding of the messages of a kind of channel."""
    return LEDGER_ENCODING if kind == "ledger" else PACKET_ENCODING


def _text(data: bytes, at: int) -> tuple[str, int]:
    (size,) = struct.unpack_from("<I", data, at)
    end = at + 4 + size
    if end > len(data):
        raise struct.error("text beyond its record")
    return data[at + 4 : end].decode("utf-8"), end
