"""``python -m rankcast_relay``: the same as ``rankcast relay``."""

import sys

from rankcast.python_process import drop_current_folder

drop_current_folder()

from rankcast.runtime.cli import main_of  # noqa: E402 - imports only what is installed

sys.exit(main_of("rankcast_relay.cli", "relay"))
