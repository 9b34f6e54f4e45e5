"""Checks of the libraries that Rankcast stands on, and of what else may be installed."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from rankcast.commands.doctor.finding import Finding, note, ok, stops
from rankcast.errors import RankcastError, SettingsError, one_line

ZEROMQ: Final = "ZeroMQ"
_EXTRAS: Final = (
    ("torch", "codec gan", "pip install 'rankcast[gan]'"),
    ("pypylon", "Basler cameras", "pip install 'rankcast[basler]'"),
    ("nats", "streams through a NATS server", "pip install 'rankcast[nats]'"),
)


def check_libraries() -> Iterator[Finding]:
    """Check Python, the native core and the libraries."""
    yield ok("python", f"{platform.python_version()} on {platform.platform()}")
    yield _core()
    yield _zeromq()
    yield from _opencv()
    yield _video()
    for module, purpose, install in _EXTRAS:
        yield _extra(module, purpose, install)
    if sys.platform.startswith("linux"):
        yield _aravis()


def _core() -> Finding:
    try:
        from rankcast.core import HIGHEST, LEVEL
    except RankcastError as exc:
        return stops("native core", one_line(exc), "reinstall rankcast for this system")
    machine = platform.machine()
    if machine.lower() not in ("x86_64", "amd64"):
        return ok("native core", f"for {machine}")
    level = f"x86-64-v{LEVEL}"
    if LEVEL < HIGHEST:
        return note(
            "native core",
            level,
            "this processor has no AVX2, or RANKCAST_LEVEL says so: coding takes up to twice as "
            f"long as at x86-64-v{HIGHEST}",
        )
    return ok("native core", level)


def _zeromq() -> Finding:
    try:
        import zmq
    except (ImportError, OSError) as exc:
        return stops(ZEROMQ, f"does not load: {one_line(exc)}", "pip install --force pyzmq")
    text = f"libzmq {zmq.zmq_version()}, pyzmq {zmq.__version__}"
    if not zmq.has("curve"):
        return stops(
            ZEROMQ, f"{text}, built without CURVE", "install pyzmq from PyPI: keys need CURVE"
        )
    return ok(ZEROMQ, f"{text}, with CURVE")


def _opencv() -> Iterator[Finding]:
    try:
        from rankcast.opencv import cv2
    except SettingsError as exc:
        yield stops("OpenCV", one_line(exc), "correct that environment variable, or unset it")
        return
    except RankcastError as exc:
        yield stops("OpenCV", one_line(exc), "pip install --force opencv-python-headless")
        return
    lines = [line.split(":", 1) for line in cv2.getBuildInformation().splitlines() if ":" in line]
    facts = {name.strip(): value.strip() for name, value in lines}
    toolkit = facts.get("GUI", "NONE")
    back_ends = [
        name for name in ("FFMPEG", "GStreamer") if facts.get(name, "NO").startswith("YES")
    ]
    if sys.platform.startswith("linux") and facts.get("v4l/v4l2", "NO").startswith("YES"):
        back_ends.append("V4L2")
    yield ok("OpenCV", f"{cv2.__version__}, back-ends {', '.join(back_ends) or 'of the system'}")
    if toolkit in ("", "NONE"):
        yield note(
            "window",
            "this OpenCV has no windows",
            "receive --display needs opencv-python instead of opencv-python-headless",
        )
    elif sys.platform.startswith("linux") and not (
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    ):
        yield note(
            "window",
            f"{toolkit}, but no screen: DISPLAY is not set",
            "receive --display needs a session with a screen; --save and --record do not",
        )
    else:
        yield ok("window", toolkit)


def _video() -> Finding:
    try:
        import av
    except (ImportError, OSError) as exc:
        return note(
            "video files",
            f"PyAV does not load: {one_line(exc)}",
            "pip install --force av: without it no clip can be replayed or exported",
        )
    return ok("video files", f"PyAV {av.__version__}")


def _extra(module: str, purpose: str, install: str) -> Finding:
    if importlib.util.find_spec(module) is None:
        return note(purpose, f"{module} is not installed", f"{install}, if you want them")
    try:
        version = importlib.metadata.version(module)
    except importlib.metadata.PackageNotFoundError:  # a folder of that name, say
        return note(purpose, f"{module} has no version: it is no installed package", install)
    return ok(purpose, f"{module} {version}")


def _aravis(root: Path = Path("/usr")) -> Finding:
    """Check that the system's bindings of Aravis are installed, for any Python.

    Parameters
    ----------
    root : Path
        Where the system installs packages.
    """
    subject = "GigE and USB3 Vision"
    parts = {
        "gir1.2-aravis-0.8": "lib/*/girepository-1.0/Aravis-0.8.typelib",
        "python3-gi": "lib/python3/dist-packages/gi/__init__.py",
    }
    missing = [package for package, pattern in parts.items() if not any(root.glob(pattern))]
    if missing:
        return note(
            subject,
            f"no {' and '.join(missing)}",
            f"sudo apt-get install {' '.join(missing)}, for source aravis:",
        )
    return ok(subject, "Aravis 0.8")
