"""What README and docs/getting-started.md promise: their Python runs, the README stays short."""

from __future__ import annotations

import re
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rankcast.net import Role, authorize, new_key
from support.fakes import free_address

REPOSITORY = Path(__file__).resolve().parents[2]
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
GETTING_STARTED = (REPOSITORY / "docs" / "getting-started.md").read_text(encoding="utf-8")
BIND = "tcp://127.0.0.1:5555"
MAX_WORDS = 700


def python_block(text: str, first_use: str) -> str:
    """Return the one Python example of `text` that holds `first_use`."""
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    found = [block for block in blocks if first_use in block]
    assert len(found) == 1, f"{len(found)} examples hold {first_use}"
    return str(found[0])


def run_block(block: str, **names: Any) -> dict[str, Any]:
    exec(compile(block, "documents", "exec"), names)  # noqa: S102 - our own document
    return names


def test_the_codec_example_gives_a_picture_back() -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
    names = run_block(python_block(GETTING_STARTED, "rankcast.Encoder("), pixels=pixels)
    assert names["pixels"].shape == pixels.shape
    assert names["pixels"] is not pixels
    assert isinstance(names["packet"], bytes)


@pytest.mark.parametrize("text", [README, GETTING_STARTED], ids=["README", "getting-started"])
def test_the_two_ends_find_each_other(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    address = free_address()
    station = python_block(text, "publisher.send(").replace(BIND, address)
    client = python_block(text, "for frame in subscriber").replace(BIND, address)
    pixels = np.zeros((48, 64, 3), np.uint8)
    camera = threading.Thread(target=run_block, args=(station,), kwargs={"pixels": pixels})
    camera.start()
    run_block(client)
    camera.join(20)
    assert "'serial': 'A17'" in capsys.readouterr().out


def test_the_example_with_keys_and_that_of_control_work_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    new_key(tmp_path, "line3")
    _, public = new_key(tmp_path, "viewer1")
    authorize(public, tmp_path / "authorized", Role.OPERATOR)
    address, control = free_address(), free_address()
    keys = python_block(GETTING_STARTED, "authorized=").replace(BIND, address)
    keys = keys.replace('key="line3.key"', f'name="line3", control={control!r}, key="line3.key"')
    names = run_block(keys)
    try:
        asks = python_block(GETTING_STARTED, "ControlClient(").replace(
            '"tcp://127.0.0.1:5565"', f"{control!r}, curves[0]"
        )
        run_block(asks, curves=names["curves"])
    finally:
        names["subscriber"].close()
        names["publisher"].close()
    assert "'quality': 75" in capsys.readouterr().out
    assert names["publisher"].settings["quality"] == 60


def test_the_readme_is_short() -> None:
    assert len(README.split()) <= MAX_WORDS


def test_the_readme_has_the_commands_that_users_and_ci_run() -> None:
    for command in ("make demo", "make test", "rankcast send", "rankcast receive"):
        assert f"\n    {command}" in README, command


def test_a_stream_without_keys_stands_within_the_first_screen() -> None:
    first = README.splitlines()[:40]
    assert any(line.startswith("    rankcast receive --display") for line in first)


def test_no_placeholder_is_left() -> None:
    for text in (README, GETTING_STARTED):
        assert not re.search(r"@[A-Z]+@|TODO|-COME-HERE", text)
