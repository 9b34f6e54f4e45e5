"""Prints what each file of the malicious corpus adds to the resident memory at its peak, in bytes.

For Linux: the peak is reset through /proc before each file.
"""

from __future__ import annotations

import gc
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TESTS))
sys.path.insert(0, str(TESTS / "contract"))

from test_hostile import MALICIOUS, take  # noqa: E402

from rankcast.wire import Limits  # noqa: E402
from support.decode_time import libraries_loaded  # noqa: E402


def _field(name: str) -> int:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) << 10
    raise SystemExit(f"/proc/self/status has no {name}")


def main() -> None:
    """Take every file once."""
    libraries_loaded()
    gc.freeze()
    for path in MALICIOUS:
        if not path.is_file():
            continue
        receive = take(path, Limits())
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        before = _field("VmRSS")
        receive()
        print(_field("VmHWM") - before, path.relative_to(TESTS / "corpus" / "malicious").as_posix())  # noqa: T201


if __name__ == "__main__":
    main()
