"""``python -m rankcast_receiver``: the same as ``rankcast receive``."""

import sys

from rankcast.runtime.cli import main_of

sys.exit(main_of("rankcast_receiver.cli", "receive"))
