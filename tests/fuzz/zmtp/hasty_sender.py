"""`rankcast send` that refuses no key for long and lets it connect as often as it likes.

A fuzzer floods, and its next connection counts.
"""

from __future__ import annotations

import sys

from rankcast.runtime.cli import main_of
from rankcast_sender.peers import connection_guard
from rankcast_sender.sockets import key_policy

if __name__ == "__main__":
    key_policy.FIRST_BAN_S = key_policy.MAX_BAN_S = 0.0
    connection_guard.CONTROL_AT_ONCE = 1_000_000
    sys.exit(main_of("rankcast_sender.cli", "send"))
