"""The offline commands as a user runs them: own processes, real pictures, files that lie."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from rankcast.images import read_image
from rankcast.numerics import psnr_db

REPOSITORY = Path(__file__).resolve().parents[2]
# Without an installation there are no entry points: the command is loaded by its place.
COMMAND = """
import importlib, sys
from rankcast.runtime.runner import run
name = sys.argv[1]
module = importlib.import_module(f"rankcast.commands.{name}")
sys.exit(run(getattr(module, name), sys.argv[2:]))
"""
# Every file of the folder in one process: 40 starts would take a minute.
EVERY_FILE = """
import contextlib, io, json, resource, sys
from pathlib import Path
from rankcast.runtime.runner import run
from rankcast.commands.compress import compress
from rankcast.commands.decompress import decompress
limit = 3 << 30
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
folder, out = Path(sys.argv[1]), Path(sys.argv[2])
answers = {}
for image in sorted(folder.iterdir()):
    said, complained = io.StringIO(), io.StringIO()
    packet, rebuilt = out / f"{image.name}.rkc", out / f"{image.name}.tiff"
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(complained):
        code = run(compress, [str(image), str(packet), "--codec", "raw"])
        back = run(decompress, [str(packet), str(rebuilt)]) if code == 0 else None
    answers[image.name] = [code, back, complained.getvalue()]
print(json.dumps(answers))
"""


def python(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    paths = [str(REPOSITORY / room) for room in ("common", "sender", "receiver")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    return subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        capture_output=True, text=True, timeout=50, env=environment, check=False,
    )  # fmt: skip


@pytest.mark.slow
def test_a_kodak_picture_goes_to_a_packet_and_back(data: Path, tmp_path: Path) -> None:
    image, packet, out = data / "kodak" / "kodim04.png", tmp_path / "p.rkc", tmp_path / "out.png"

    compressed = python(COMMAND, "compress", image, packet, "--set", "codec.rank=50")
    assert compressed.returncode == 0, compressed.stderr
    assert "svd rank 50/50/50" in compressed.stdout

    described = python(COMMAND, "info", packet, "--json")
    assert described.returncode == 0, described.stderr
    fields = json.loads(described.stdout)
    assert fields["shape"] == [768, 512, 3]
    assert fields["rank"] == [50, 50, 50]
    assert fields["bytes"] == packet.stat().st_size

    rebuilt = python(COMMAND, "decompress", packet, out)
    assert rebuilt.returncode == 0, rebuilt.stderr
    reached = psnr_db(read_image(image), read_image(out))
    # The exact truncation at rank 50 has 30.5 dB; coding may take 0.6 of it.
    assert reached > 29.5
    assert f"PSNR {reached:.2f} dB" in compressed.stdout
    assert fields["psnr_db"] == pytest.approx(reached, abs=0.1)


@pytest.mark.slow
def test_errors_are_one_line_on_stderr_with_the_exit_code_of_their_kind(tmp_path: Path) -> None:
    bad = tmp_path / "bad.rkc"
    bad.write_bytes(b"RKC\xa5\x01" + bytes(30))
    for code, arguments in (
        (1, ["info", bad]),
        (1, ["decompress", bad, tmp_path / "out.png"]),
        (1, ["compress", tmp_path / "missing.png", tmp_path / "p.rkc"]),
        (2, ["compress", tmp_path / "missing.png", tmp_path / "p.rkc", "--codec", "mp3"]),
        (2, ["compare", tmp_path / "missing.png", "--ranks", "many"]),
    ):
        result = python(COMMAND, *arguments)
        assert result.returncode == code, (arguments, result.stderr)
        assert result.stdout == ""
        assert result.stderr.startswith("rankcast: ")
        assert result.stderr.count("\n") == 1, result.stderr
    assert sorted(tmp_path.iterdir()) == [bad]


@pytest.mark.skipif(sys.platform == "win32", reason="no memory limit of a process to set")
def test_every_edge_file_comes_back_or_fails_in_one_line_within_3_gib(
    data: Path, tmp_path: Path
) -> None:
    result = python(EVERY_FILE, data / "edge", tmp_path)
    assert result.returncode == 0, result.stderr
    answers = json.loads(result.stdout)
    assert len(answers) > 30
    for name, (code, back, complaint) in answers.items():
        assert code in (0, 1), (name, complaint)
        if code == 0:
            assert back == 0, (name, complaint)
            assert np.array_equal(
                read_image(data / "edge" / name), read_image(tmp_path / f"{name}.tiff")
            ), name
        else:
            assert complaint.startswith("rankcast: "), (name, complaint)
            assert complaint.count("\n") == 1, (name, complaint)
            assert not (tmp_path / f"{name}.rkc").exists(), name
    assert not list(tmp_path.glob(".*")), "a temporary file was left"
    assert answers["made_noise_640x480_grey8.png"][0] == 0
    assert answers["made_empty.png"][0] == 1
    assert answers["made_bomb_png_65535x65535.png"][0] == 1
