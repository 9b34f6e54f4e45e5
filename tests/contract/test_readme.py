"""The README's Python, run as it is written."""

from __future__ import annotations

import re
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from support.fakes import free_address

README = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def run_block(block: str, **names: Any) -> dict[str, Any]:
    exec(compile(block, "README.md", "exec"), names)  # noqa: S102 - our own document
    return names


def test_the_library_example_gives_a_picture_back() -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
    names = run_block(BLOCKS[0], pixels=pixels)
    assert names["pixels"].shape == pixels.shape
    assert isinstance(names["packet"], bytes)


def test_the_two_ends_find_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    address = free_address()
    station, client = (block.replace("tcp://127.0.0.1:5555", address) for block in BLOCKS[1:3])
    pixels = np.zeros((48, 64, 3), np.uint8)
    camera = threading.Thread(target=run_block, args=(station,), kwargs={"pixels": pixels})
    camera.start()
    run_block(client)
    camera.join(20)
    assert "'serial': 'A17'" in capsys.readouterr().out


def test_no_placeholder_is_left() -> None:
    assert not re.search(r"@[A-Z]+@|TODO|-COME-HERE", README)
