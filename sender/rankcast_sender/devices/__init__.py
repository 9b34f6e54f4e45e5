"""Devices: what runs in the grabber process, one module for each family of cameras.

This folder imports the standard library only; a device module imports its own SDK as well. The
grabber process may therefore run under another Python than the sender.
"""

import os
from typing import Final

CHILD_SCRIPT: Final = os.path.join(os.path.dirname(os.path.abspath(__file__)), "child.py")
"""The program of the grabber process."""

__all__ = ["CHILD_SCRIPT"]
