"""DeviceSpec: which device module serves a source, and how its process is started."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from rankcast.frame import Scalar
from rankcast.python_process import isolated_command
from rankcast_sender.devices import CHILD_SCRIPT

OPEN_S: Final = 10.0
_PYTHON_VARIABLES: Final = ("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP")


@dataclass(frozen=True, slots=True)
class DeviceSpec:
    """A device and its options, for one grabber process."""

    module: str
    """Module of the device; its ``make_device()`` returns a `rankcast_sender.devices.device.Device`
    without opening anything."""
    name: str
    """Name of the source in messages, without credentials."""
    options: Mapping[str, Scalar] = field(default_factory=dict)
    """Of `Device.open`; they go through a pipe, because everybody may read a command line."""
    python: str = ""
    """Python that runs the process; empty: the one of the sender, with its import path."""
    packages: tuple[str, ...] = ()
    """Folders from which the process imports what its own Python does not have."""
    open_s: float = OPEN_S
    """Longest time from the start of the process until the device is open."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables for drivers."""
    secrets: tuple[str, ...] = ()
    """Texts that must not be logged if a driver prints them."""

    @property
    def import_path(self) -> Sequence[str]:
        """Folders that the process imports from, besides its own Python's."""
        own = [] if self.python else [os.path.abspath(path) for path in sys.path if path]
        return [*own, *self.packages]

    def start(self, inherited: tuple[int, ...]) -> subprocess.Popen[bytes]:
        """Start the process: a new interpreter, because forking copies locks of drivers."""
        variables = {**os.environ, **self.environment}
        environment = {
            name: value for name, value in variables.items() if name not in _PYTHON_VARIABLES
        }
        return subprocess.Popen(
            isolated_command(CHILD_SCRIPT, str(os.getpid()), python=self.python),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            pass_fds=inherited,
            # Ctrl-C is for the sender, which closes the device in its own time.
            process_group=0 if sys.platform != "win32" else None,
        )
