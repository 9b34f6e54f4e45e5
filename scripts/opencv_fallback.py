"""Install opencv-python-headless if opencv-python cannot be imported.

Machines without a screen lack libGL and libxcb, and `import cv2` fails. The headless wheel of the
same version is the same code without windows. `make setup` and the wheel test both run this, so
that they use the same OpenCV.
"""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version


def main() -> int:
    """Import OpenCV; replace it if that fails."""
    probe = subprocess.run(
        [sys.executable, "-P", "-c", "import cv2"], capture_output=True, text=True
    )
    if probe.returncode == 0:
        return 0
    wanted = version("opencv-python")
    reason = (probe.stderr.strip().splitlines() or ["no reason given"])[-1]
    sys.stdout.write(f"opencv-python {wanted} cannot be imported here ({reason})\n")
    sys.stdout.write("installing opencv-python-headless instead: everything works except windows\n")
    # Both wheels install into the same folder, hence --no-deps and --force-reinstall.
    command = [
        sys.executable,
        "-P",
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--force-reinstall",
    ]
    installed = subprocess.run([*command, f"opencv-python-headless=={wanted}"])
    if installed.returncode:
        return installed.returncode
    return subprocess.run([sys.executable, "-P", "-c", "import cv2"]).returncode


if __name__ == "__main__":
    sys.exit(main())
