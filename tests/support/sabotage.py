"""Faults injected into a real process: one function of the product is replaced."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path

from support.processes import rankcast_environment

CODE = """
import os, sys, traceback
try:
    import importlib
    inner = importlib.import_module({module!r})
    for name in {owners!r}:
        inner = getattr(inner, name)
    def sabotage(original):
{body}
    setattr(inner, {name!r}, sabotage(getattr(inner, {name!r})))
except BaseException:
    # Python itself would only print this and go on.
    traceback.print_exc()
    sys.stderr.flush()
    os._exit(97)
"""


def sabotaged(folder: Path, target: str, body: str) -> dict[str, str]:
    """Return variables for a process in which a function is replaced before anything runs.

    Parameters
    ----------
    folder : Path
        Keeps the code.
    target : str
        ``package.module:Class.function``; it must exist, so that no test outlives what it breaks.
    body : str
        Of a function that takes the `original` and returns what stands in its place.
    """
    module, _, path = target.partition(":")
    *owners, name = path.split(".")
    inner = import_module(module)
    for owner in owners:
        inner = getattr(inner, owner)
    assert callable(getattr(inner, name, None)), f"there is no {target} to break"
    indented = "".join(f"        {line}\n" for line in body.strip("\n").splitlines())
    folder.mkdir(exist_ok=True)
    code = CODE.format(module=module, owners=owners, name=name, body=indented)
    (folder / "sitecustomize.py").write_text(code)
    path = os.pathsep.join((str(folder), rankcast_environment()["PYTHONPATH"]))
    return {"PYTHONPATH": path}
