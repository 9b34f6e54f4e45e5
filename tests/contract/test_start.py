"""A start imports what it uses: times vary with the machine, modules do not."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

import rankcast
from rankcast.runtime.runner import SUMMARIES

REPOSITORY = Path(__file__).resolve().parents[2]
SLOW = ("asyncio", "av", "click", "cv2", "pydantic", "rich", "threadpoolctl", "torch", "zmq")
"""Modules that take milliseconds to import, and megabytes."""
DECODE = "import rankcast\nwith open(sys.argv[1], 'rb') as f: rankcast.Decoder().decode(f.read())"
GREY = np.arange(64 * 64, dtype=np.uint8).reshape(64, 64)


def modules_after(script: str, *arguments: str) -> set[str]:
    """Names of all modules that a fresh process has imported once it has run `script`."""
    code = f"import sys; sys.path[:0] = {sys.path!r}\n{script}\nprint(*sys.modules)"
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def slow_among(modules: set[str]) -> set[str]:
    return modules & set(SLOW)


def packet_file(folder: Path, codec: str, pixels: rankcast.frame.Pixels) -> str:
    file = folder / "packet.rkc"
    file.write_bytes(rankcast.Encoder(codec).encode(pixels))
    return str(file)


@pytest.mark.parametrize(
    ("codec", "allowed"),
    [
        ("raw", set()),
        ("svd-patch", set()),
        ("lossless", set()),
        ("kmeans", set()),
        ("jpeg", {"cv2"}),
        ("svd", {"threadpoolctl"}),
        ("pca", {"threadpoolctl"}),
    ],
)
def test_decoding_a_grey_picture_imports_nothing_slow_but_what_its_codec_needs(
    codec: str, allowed: set[str], tmp_path: Path
) -> None:
    found = modules_after(DECODE, packet_file(tmp_path, codec, GREY))
    assert slow_among(found) <= allowed


def test_decoding_a_colour_picture_imports_nothing_that_is_slow(tmp_path: Path) -> None:
    file = packet_file(tmp_path, "svd-patch", np.dstack([GREY] * 3))
    assert not slow_among(modules_after(DECODE, file))


def test_decoding_imports_no_codec_but_that_of_the_packet_and_of_its_references(
    tmp_path: Path,
) -> None:
    found = modules_after(DECODE, packet_file(tmp_path, "svd-patch", GREY))
    codecs = {name.split(".")[2] for name in found if name.startswith("rankcast.codec.")}
    assert codecs == {"bands", "lossless", "protocol", "svd_patch", "sweep"}
    assert "rankcast.codec.svd_patch.encoder" not in found


def test_names_of_codecs_are_known_before_any_is_imported() -> None:
    script = (
        "from rankcast.codec import CODECS, CODECS_BY_NAME\n"
        "assert 'gan' in CODECS_BY_NAME and 8 not in CODECS and len(list(CODECS)) == 8"
    )
    found = {name for name in modules_after(script) if name.startswith("rankcast.codec.")}
    assert found == {"rankcast.codec.protocol", "rankcast.codec.sweep"}


def test_the_list_of_commands_is_written_without_loading_them() -> None:
    found = modules_after("from rankcast.runtime.cli import main\nmain(['--help'])")
    assert slow_among(found) == {"click"}
    assert not {name for name in found if name.startswith(("numpy", "rankcast.commands."))}


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="counts threads in /proc")
def test_the_command_line_starts_no_threads_of_blas() -> None:
    script = (
        "import os\nos.environ.pop('OPENBLAS_NUM_THREADS', None)\n"
        "sys.argv[1:] = ['--version']\n"
        "from rankcast.runtime.cli import main\n"
        "assert main() == 0\nimport numpy\n"
        "assert len(os.listdir('/proc/self/task')) == 1"
    )
    assert "numpy" in modules_after(script)


def test_every_command_is_listed_with_a_summary_that_fits_a_terminal() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    names = project["project"]["entry-points"]["rankcast.commands"].keys()
    assert SUMMARIES.keys() == names
    widest = max(len(name) for name in names)
    assert [text for text in SUMMARIES.values() if 4 + widest + len(text) > 79] == []


def test_find_loads_settings_only_for_a_nats_server() -> None:
    found = modules_after("from rankcast.commands.find import find")
    assert "zmq" in found
    assert not found & {"pydantic", "rankcast.settings", "rankcast.codec"}


@pytest.mark.parametrize("module", ["rankcast_receiver.app", "rankcast_sender.app"])
def test_neither_end_imports_asyncio_or_a_player_of_clips(module: str) -> None:
    found = slow_among(modules_after(f"import {module}"))
    assert "zmq" in found
    assert not found & {"asyncio", "av", "torch"}


def test_a_receiver_that_counts_imports_no_other_sink() -> None:
    script = (
        "from rankcast_receiver.sink_runners import sink_runners\n"
        "from rankcast_receiver.settings import ReceiverSettings\n"
        "runners = sink_runners(ReceiverSettings(), None, list, None)\n"
        "assert [runner.name for runner in runners] == ['count']"
    )
    found = modules_after(script)
    others = {f"rankcast_receiver.sinks.{name}" for name in ("display", "record", "save")}
    assert not found & {*others, "cv2"}


@pytest.mark.parametrize(
    ("source", "player"), [("synthetic:conveyor", False), ("camera:0", False), ("replay:a", True)]
)
def test_a_sender_imports_the_source_that_it_is_given(source: str, player: bool) -> None:
    script = (
        "from rankcast_sender.source_opener import source_opener\n"
        "from rankcast_sender.settings import CameraTable\n"
        f"source_opener(CameraTable(source={json.dumps(source)}))"
    )
    found = modules_after(script)
    kinds = {"grabber", "sources.recording", "sources.replay", "sources.synthetic"}
    imported = {kind for kind in kinds if f"rankcast_sender.{kind}" in found}
    assert len(imported) == 1
    assert ("av" in found) is player
