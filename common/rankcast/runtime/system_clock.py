"""Quality of the UTC clock of this machine, as its operating system reports it."""

from __future__ import annotations

import ctypes
import sys
from dataclasses import dataclass
from typing import Final

_TIME_ERROR: Final = 5
_STA_UNSYNC: Final = 0x0040


@dataclass(frozen=True, slots=True)
class ClockQuality:
    """State of the UTC clock: synchronisation and error bound."""

    synchronised: bool | None = None
    """True if synchronised; None if the system does not report it."""
    error_ms: float | None = None
    """Error bound; None if the clock is not synchronised."""


class _Timex(ctypes.Structure):
    """``struct timex`` of Linux, <sys/timex.h>; its C types are the same on every architecture."""

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
        # Padding for fields that later kernels may add.
        ("spare", ctypes.c_int * 27),
    )


def clock_quality() -> ClockQuality:
    """Return the clock quality that the operating system reports; unknown except on Linux.

    Notes
    -----
    ``ntp_adjtime`` without modes only reads. It works with chrony, ntpd, systemd-timesyncd and PTP
    daemons.
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
