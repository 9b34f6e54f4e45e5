"""Runtime support of both ends: threads, mailboxes, ledgers, signals, logs and clocks."""

from rankcast.runtime.activity import describe, doing, stuck
from rankcast.runtime.clock_offset import ClockOffset
from rankcast.runtime.ledger import (
    CAMERA_GAP,
    ENCODE,
    MAILBOX,
    NETWORK_GAP,
    NOBODY_WATCHING,
    REFUSED_CAMERA,
    REFUSED_PACKET,
    SINK,
    SKIPPED_AS_OLD,
    SLOW_SERVER,
    STOPPED,
    WAITING_FOR_KEYFRAME,
    WRONG_CHECKSUM,
    Balance,
    Ledger,
    losses_text,
)
from rankcast.runtime.log_limiter import LogLimiter
from rankcast.runtime.logs import LogFormat, configure_logs
from rankcast.runtime.mailbox import Mailbox, MailboxClosed
from rankcast.runtime.packet_backlog import PacketBacklog
from rankcast.runtime.pulse import Pulse
from rankcast.runtime.service import ServiceManager
from rankcast.runtime.signals import StopFlag, stop_flag
from rankcast.runtime.status_log import StatusLog
from rankcast.runtime.supervision import supervise
from rankcast.runtime.system_clock import clock_quality
from rankcast.runtime.task_thread import TaskThread
from rankcast.runtime.worker import Worker, join_all, workers_running

__all__ = [
    "CAMERA_GAP",
    "ENCODE",
    "MAILBOX",
    "NETWORK_GAP",
    "NOBODY_WATCHING",
    "REFUSED_CAMERA",
    "REFUSED_PACKET",
    "SINK",
    "SKIPPED_AS_OLD",
    "SLOW_SERVER",
    "STOPPED",
    "WAITING_FOR_KEYFRAME",
    "WRONG_CHECKSUM",
    "Balance",
    "ClockOffset",
    "Ledger",
    "LogFormat",
    "LogLimiter",
    "Mailbox",
    "MailboxClosed",
    "PacketBacklog",
    "Pulse",
    "ServiceManager",
    "StatusLog",
    "StopFlag",
    "TaskThread",
    "Worker",
    "clock_quality",
    "configure_logs",
    "describe",
    "doing",
    "join_all",
    "losses_text",
    "stop_flag",
    "stuck",
    "supervise",
    "workers_running",
]
