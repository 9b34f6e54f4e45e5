"""Swap in opencv-python-headless where opencv-python does not load.

A machine without a screen lacks libGL and libxcb, and `import cv2` fails there. The headless
wheel of the same version holds the same code without windows. Used by `make setup` and by the
wheel test, so that both see the same OpenCV.
"""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version


def main() -> int:
    probe = subprocess.run([sys.executable, "-c", "import cv2"], capture_output=True, text=True)
    if probe.returncode == 0:
        return 0
    wanted = version("opencv-python")
    reason = (probe.stderr.strip().splitlines() or ["no reason given"])[-1]
    sys.stdout.write(f"opencv-python {wanted} does not load here ({reason})\n")
    sys.stdout.write("installing opencv-python-headless over it: everything but windows works\n")
    # --no-deps and --force-reinstall: the files of both wheels share one folder.
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--force-reinstall"]
    installed = subprocess.run([*command, f"opencv-python-headless=={wanted}"])
    if installed.returncode:
        return installed.returncode
    return subprocess.run([sys.executable, "-c", "import cv2"]).returncode


if __name__ == "__main__":
    sys.exit(main())
