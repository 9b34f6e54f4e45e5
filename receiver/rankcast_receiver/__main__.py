"""``python -m rankcast_receiver``: the same as ``rankcast receive``."""

import sys

from rankcast.python_process import drop_current_folder

drop_current_folder()

from rankcast.runtime.cli import main_of  # noqa: E402 - imports only what is installed

sys.exit(main_of("rankcast_receiver.cli", "receive"))
