"""``python -m rankcast``: the command line where its script is not on the path."""

import sys

from rankcast.python_process import drop_current_folder

drop_current_folder()

from rankcast.runtime.cli import main  # noqa: E402 - imports only what is installed

if __name__ == "__main__":
    sys.exit(main())
