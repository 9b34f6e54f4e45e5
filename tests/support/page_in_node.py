"""The modules of the page in Node.js: nothing of a browser is behind them."""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from support.scripted_web import PAGE

NODE = shutil.which("node") or shutil.which("nodejs")
SCRIPTS = Path(__file__).resolve().parents[1] / "wasm"


def page_copy(folder: Path) -> Path:
    """Copy the page to where Node.js takes its files for modules."""
    copy = folder / "page"
    shutil.copytree(PAGE, copy)
    (copy / "package.json").write_text('{"type": "module"}')
    return copy


def run_node(*command: str | Path) -> str:
    """Run a program of Node.js; return what it prints."""
    done = subprocess.run(
        [str(NODE), *map(str, command)], capture_output=True, text=True, timeout=280, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def page_results(
    page: Path, wasm: Path, folder: Path, streams: Iterable[Iterable[bytes]]
) -> list[str | dict[str, Any]]:
    """Feed streams of packets to the page; a dict is a picture, a text the kind of a refusal."""
    cases = folder / "messages"
    with cases.open("wb") as file:
        for stream in streams:
            for number, packet in enumerate(stream):
                file.write(struct.pack("<BI", number == 0, len(packet)) + packet)
    lines = run_node(SCRIPTS / "page_packets.mjs", page, wasm, cases).splitlines()
    return [json.loads(line) if line.startswith("{") else line for line in lines]


def page_task(
    page: Path, folder: Path, samples: NDArray[np.unsignedinteger[Any]], **task: Any
) -> tuple[bytes, str]:
    """Have the page do something with samples: the bytes that it made, and what it printed."""
    (folder / "samples").write_bytes(np.ascontiguousarray(samples).tobytes())
    (folder / "task.json").write_text(
        json.dumps(
            {"samples": str(folder / "samples"), "bytes": samples.dtype.itemsize,
             "shape": samples.shape, **task}
        )
    )  # fmt: skip
    printed = run_node(SCRIPTS / "page_pictures.mjs", page, folder / "task.json", folder / "out")
    return (folder / "out").read_bytes(), printed
