"""``python -m rankcast_sender``: the same as ``rankcast send``."""

import sys

from rankcast.runtime.cli import main_of

sys.exit(main_of("rankcast_sender.cli", "send"))
