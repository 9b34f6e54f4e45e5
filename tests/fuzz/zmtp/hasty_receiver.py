"""`rankcast receive` without its pauses before a new connection, which a fuzzer would wait out."""

from __future__ import annotations

import sys

from rankcast.net import control_client, link, link_monitor, reconnect_policy, transport
from rankcast.runtime.cli import main_of
from rankcast_receiver.net import connection, control_port, receive_thread

if __name__ == "__main__":
    transport.RECONNECT_MS = transport.RECONNECT_MAX_MS = 1
    link_monitor.GIVEN_UP_S = 0.01
    link.REFUSE_FIRST_S = link.REFUSE_MAX_S = 0.01
    reconnect_policy.GIVEN_UP_FIRST_S = reconnect_policy.GIVEN_UP_MAX_S = 0.001
    reconnect_policy.BROKEN_MAX_S = 0.001
    control_client.SILENCE_S = control_client.SILENCE_MAX_S = 0.2
    connection.SILENCE_S = 0.2
    # Otherwise the usual control port would give way to the one that a sender announces.
    control_port.NEVER_ANSWERED_S = control_port.SILENT_S = 1e9
    receive_thread.POLL_S = 0.01
    sys.exit(main_of("rankcast_receiver.cli", "receive"))
