"""`rankcast receive` without its pauses before a new connection, which a fuzzer would wait out."""

from __future__ import annotations

import sys

from rankcast.net import transport
from rankcast.runtime.cli import main_of
from rankcast_receiver.net import control_link, reconnect_policy

if __name__ == "__main__":
    transport.RECONNECT_MS = transport.RECONNECT_MAX_MS = 1
    reconnect_policy.GIVEN_UP_FIRST_S = reconnect_policy.GIVEN_UP_MAX_S = 0.001
    reconnect_policy.BROKEN_MAX_S = 0.001
    control_link.SILENCE_S = control_link.REBUILD_MAX_S = 0.05
    sys.exit(main_of("rankcast_receiver.cli", "receive"))
