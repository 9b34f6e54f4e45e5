"""Fill a folder with wheels that install Rankcast on a station without internet access.

Run it in a checkout, on a machine with internet access that has the station's operating system,
processor and Python: `python3 scripts/wheelhouse.py wheelhouse`. docs/install.md says how to go on.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Final

REPOSITORY: Final = Path(__file__).resolve().parents[1]
SUMS: Final = "SHA256SUMS"
_PIP: Final = (sys.executable, "-P", "-m", "pip", "--disable-pip-version-check")


def main() -> int:
    """Build and download the wheels; the exit code is that of pip, or 2 for a wrong folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, metavar="DIR", help="new or empty folder")
    parser.add_argument("--extras", default="", metavar="NAMES",
                        help="extras of Rankcast too, such as basler or gan,basler")  # fmt: skip
    options = parser.parse_args()
    folder: Path = options.folder
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        # An older wheel beside the new one might be the one that is installed.
        sys.stderr.write(f"got {folder}, want an empty folder: it has files\n")
        return 2
    rankcast = f"{REPOSITORY}[{options.extras}]" if options.extras else str(REPOSITORY)
    code = _pip("wheel", "--wheel-dir", str(folder), rankcast)
    if code:
        return code
    # For stations without a screen: the same OpenCV without windows.
    version = opencv_version(folder)
    if not version:
        sys.stderr.write(f"got no wheel of opencv-python in {folder}: pip took another OpenCV\n")
        return 1
    headless = f"opencv-python-headless=={version}"
    code = _pip("download", "--no-deps", "--only-binary=:all:", "--dest", str(folder), headless)
    if code:
        return code
    wheels = write_sums(folder)
    size_mb = sum(wheel.stat().st_size for wheel in wheels) / 1e6
    sys.stdout.write(f"{folder}: {len(wheels)} wheels, {size_mb:.0f} MB, listed in {SUMS}\n")
    return 0


def opencv_version(folder: Path) -> str:
    """Return the version of the OpenCV with windows in a folder of wheels; empty without one."""
    found = sorted(folder.glob("opencv_python-*.whl"))
    return found[0].name.split("-")[1] if found else ""


def write_sums(folder: Path) -> list[Path]:
    """Write `SHA256SUMS` as sha256sum reads it; return the wheels."""
    wheels = sorted(folder.glob("*.whl"))
    lines = [f"{hashlib.sha256(wheel.read_bytes()).hexdigest()}  {wheel.name}" for wheel in wheels]
    # Windows would end lines with a carriage return, which sha256sum takes for part of the name.
    (folder / SUMS).write_text("\n".join(lines) + "\n", encoding="ascii", newline="\n")
    return wheels


def _pip(*arguments: str) -> int:
    return subprocess.run([*_PIP, arguments[0], "--quiet", *arguments[1:]]).returncode


if __name__ == "__main__":
    sys.exit(main())
