"""How well the UTC clock of this machine is kept, as its operating system says."""

from __future__ import annotations

import ctypes
import sys
from dataclasses import dataclass
from typing import Final

_TIME_ERROR: Final = 5
_STA_UNSYNC: Final = 0x0040


@dataclass(frozen=True, slots=True)
class ClockQuality:
    """Whether the UTC clock follows a reference, and how far off it may be."""

    synchronised: bool | None = None
    """None where the system does not say."""
    error_ms: float | None = None
    """Largest error that the keeper of the clock vouches for; None where it is not kept."""


class _Timex(ctypes.Structure):
    """``struct timex`` of Linux, <sys/timex.h>: the same on every architecture by its C types."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("constant", ctypes.c_long),
        ("precision", ctypes.c_long),
        ("tolerance", ctypes.c_long),
        ("time", ctypes.c_long * 2),
        ("tick", ctypes.c_long),
        ("ppsfreq", ctypes.c_long),
        ("jitter", ctypes.c_long),
        ("shift", ctypes.c_int),
        ("stabil", ctypes.c_long),
        ("jitcnt", ctypes.c_long),
        ("calcnt", ctypes.c_long),
        ("errcnt", ctypes.c_long),
        ("stbcnt", ctypes.c_long),
        ("tai", ctypes.c_int),
        # The kernel may grow the structure by what is spare in it.
        ("spare", ctypes.c_int * 27),
    )


def clock_quality() -> ClockQuality:
    """Ask the operating system; unknown everywhere but on Linux.

    Notes
    -----
    ``ntp_adjtime`` with no modes only reads. It answers for whatever keeps the clock: chrony,
    ntpd, systemd-timesyncd or a PTP daemon.
    """
    if not sys.platform.startswith("linux"):
        return ClockQuality()
    try:
        adjust = ctypes.CDLL(None, use_errno=True).ntp_adjtime
    except (OSError, AttributeError):  # a C library without it
        return ClockQuality()
    found = _Timex(modes=0)
    state = adjust(ctypes.byref(found))
    if state < 0:
        return ClockQuality()
    if state == _TIME_ERROR or found.status & _STA_UNSYNC:
        return ClockQuality(synchronised=False)
    return ClockQuality(synchronised=True, error_ms=found.maxerror / 1000)
