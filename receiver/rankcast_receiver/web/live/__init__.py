"""The WebSocket of live pictures: packets as they came, newest first for each page."""

from rankcast_receiver.web.live.endpoint import LiveEndpoint
from rankcast_receiver.web.live.feed import Rates
from rankcast_receiver.web.live.hub import Hub
from rankcast_receiver.web.live.inbox import Inbox
from rankcast_receiver.web.live.message_rate import MessageRate
from rankcast_receiver.web.live.packet_sink import PacketSink
from rankcast_receiver.web.live.page_messages import Ack, Form, Play, parse_page_message
from rankcast_receiver.web.live.session import BROKEN_RULE, PROTOCOL, close_wrong, read_text

__all__ = [
    "BROKEN_RULE",
    "PROTOCOL",
    "Ack",
    "Form",
    "Hub",
    "Inbox",
    "LiveEndpoint",
    "MessageRate",
    "PacketSink",
    "Play",
    "Rates",
    "close_wrong",
    "parse_page_message",
    "read_text",
]
