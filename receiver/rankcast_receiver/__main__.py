"""``python -m rankcast_receiver``: the same as ``rankcast receive``."""

import sys

from rankcast.cli import run
from rankcast_receiver.cli import receive

sys.exit(run(receive, name="rankcast receive"))
