"""Python processes that import installed modules only, never files of the current folder.

``python -m`` and ``python -c`` put the current folder first on the path of imports: a file
``numpy.py`` next to a user's pictures would run. A checkout that is not installed is imported from
the current folder on purpose; only then does the folder stay on the path.
"""

from __future__ import annotations

import os
import sys


def python_command(*arguments: str) -> list[str]:
    """Return the command that runs this Python with `arguments`, ``-m MODULE`` or ``-c CODE``."""
    return [sys.executable, *([] if _runs_from_current_folder() else ["-P"]), *arguments]


def installed_program() -> list[str]:
    """Return how this installation's `rankcast` is started from any folder.

    Its script does not put the current folder on the path of imports, nor does ``-P``.
    """
    script = os.path.join(os.path.dirname(sys.executable), "rankcast")
    return [script] if os.path.exists(script) else [sys.executable, "-P", "-m", "rankcast"]


def isolated_command(script: str, *arguments: str, python: str = "") -> list[str]:
    """Return the command that runs a script without the current folder, PYTHON* or user packages.

    Parameters
    ----------
    script : str
    *arguments : str
    python : str
        The interpreter; empty selects this one.
    """
    return [python or sys.executable, "-I", script, *arguments]


def drop_current_folder() -> None:
    """Remove the current folder, which ``python -m`` added, from the import path."""
    if sys.flags.safe_path or not sys.path or _runs_from_current_folder():
        return
    if sys.path[0] in ("", _current_folder()):
        del sys.path[0]


def _current_folder() -> str:
    try:
        return os.getcwd()
    except OSError:  # it was removed
        return ""


def _runs_from_current_folder() -> bool:
    package_folder = os.path.dirname(os.path.abspath(__file__))
    return os.path.dirname(package_folder) == os.path.realpath(_current_folder() or os.sep)
