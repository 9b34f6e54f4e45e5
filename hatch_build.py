"""Build hook: the native core as one shared library, and its decoders as WebAssembly.

Without any Python ABI there is one wheel a platform for every Python. RANKCAST_TARGET names another
platform than this machine, see scripts/build_core.py.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

sys.path.insert(0, str(Path(__file__).parent / "scripts"))
import build_core


class NativeCore(BuildHookInterface[Any]):
    """Compiles the core into the wheel, or beside the sources for an editable install."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, and tell hatchling what the wheel runs on."""
        if self.target_name != "wheel":
            return
        if version == "editable":
            build_core.build_here()
            return
        name = os.environ.get("RANKCAST_TARGET") or build_core.this_platform()
        self._folder = tempfile.TemporaryDirectory()
        folder = Path(self._folder.name)
        built = [build_core.build(name, folder), build_core.build_wasm(folder)]
        # Without these hatchling tags the wheel as one for any machine.
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{build_core.PLATFORMS[name].wheel_tag}"
        for file in built:
            build_data["force_include"][str(file)] = f"rankcast/core/{file.name}"

    def finalize(self, *_: object) -> None:
        """Remove what was compiled for a wheel."""
        if hasattr(self, "_folder"):
            self._folder.cleanup()
