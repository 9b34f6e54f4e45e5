"""``python -m rankcast_sender``: the same as ``rankcast send``."""

import sys

from rankcast.cli import run
from rankcast_sender.cli import send

sys.exit(run(send, name="rankcast send"))
