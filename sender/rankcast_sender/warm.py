"""Compile all kernels, including those of the sources: ``python -m rankcast_sender.warm``."""

from __future__ import annotations

import sys

from rankcast.kernels.warm import main as warm_library
from rankcast_sender.sources.synthetic import ConveyorOptions, ConveyorSource


def main() -> int:
    """Compile the kernels of the synthetic source, then those of the library."""
    for options in (
        ConveyorOptions(width=160, height=120),
        ConveyorOptions(width=160, height=120, dtype="uint16"),
        ConveyorOptions(width=160, height=120, channels="grey"),
    ):
        ConveyorSource("conveyor", options).render(0)
    return warm_library()


if __name__ == "__main__":
    sys.exit(main())
