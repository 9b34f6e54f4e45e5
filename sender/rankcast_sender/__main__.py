"""``python -m rankcast_sender``: the same as ``rankcast send``."""

import sys

from rankcast.python_process import drop_current_folder

drop_current_folder()

from rankcast.runtime.cli import main_of  # noqa: E402 - imports only what is installed

sys.exit(main_of("rankcast_sender.cli", "send"))
