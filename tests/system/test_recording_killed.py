"""A recorder that is killed at any moment loses nothing that it acknowledged."""

from __future__ import annotations

import random
import select
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from mcap.reader import SeekingReader

import rankcast
from rankcast.recordings import SegmentReader, repair_segment, segments_of
from support import recorder_process
from support.moving_scene import scene
from support.recordings import frames_of

LOOP = 40
"""Packets of the stream that is recorded again and again."""


@pytest.fixture(scope="module")
def stream(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[bytes]]:
    encoder = rankcast.Encoder("svd-patch")
    packets = []
    for number in range(LOOP):
        if number % 10 == 0:
            encoder.request_keyframe()
        packets.append(encoder.encode(scene(number, (32, 48))))
    path = tmp_path_factory.mktemp("stream") / "packets"
    path.write_bytes(b"".join(len(one).to_bytes(4, "little") + one for one in packets))
    return path, packets


def killed_after(path: Path, stream: Path, wait_s: float) -> int:
    """Record for a while, kill the recorder, and return how many frames it acknowledged."""
    recorder = subprocess.Popen(
        [sys.executable, recorder_process.__file__, str(path), str(stream)],
        stdout=subprocess.PIPE, bufsize=0,
    )  # fmt: skip
    assert recorder.stdout is not None
    with recorder.stdout as pipe:
        received = pipe.read(4)
        deadline_s = time.monotonic() + wait_s
        # The acknowledgements must not fill the pipe, which would stop the recorder.
        while (left_s := deadline_s - time.monotonic()) > 0:
            if select.select([pipe], [], [], left_s)[0]:
                received += pipe.read(4096)
        recorder.kill()
        while piece := pipe.read(65_536):
            received += piece
    recorder.wait()
    count = len(received) // 4
    assert count
    assert int.from_bytes(received[4 * count - 4 : 4 * count], "little") == count - 1
    return count


def begun(path: Path) -> list[Path]:
    """Return the segments of a recording; the last may be without a byte, which readers pass."""
    segments = [segment for _, segment in segments_of(path)]
    assert all(segment.stat().st_size for segment in segments[:-1])
    return [segment for segment in segments if segment.stat().st_size]


def kill(times: int, folder: Path, stream: tuple[Path, list[bytes]], seed: int) -> None:
    chance = random.Random(seed)
    source, packets = stream
    decoder = rankcast.Decoder()
    pixels = [decoder.decode(packet).copy() for packet in packets]
    for number in range(times):
        path = folder / f"{number}.mcap"
        acknowledged = killed_after(path, source, chance.uniform(0.0, 0.05))
        for repaired in (False, True):
            found = frames_of(path)["cam"]
            assert len(found) >= acknowledged, f"kill {number} of seed {seed}, {repaired=}"
            assert found == [packets[n % LOOP] for n in range(len(found))]
            if not repaired:
                for segment in begun(path):
                    report = repair_segment(segment)
                    assert report.damage.lost_places == 0
        for segment in begun(path):
            with SegmentReader(segment) as reader:
                assert len(list(reader)) > 0 or segment == begun(path)[-1]
                assert reader.complete
            with segment.open("rb") as file:
                assert SeekingReader(file, validate_crcs=True).get_summary() is not None
        with rankcast.Recording(path) as recording:
            shown = 0
            for frame in recording:
                assert np.array_equal(frame.pixels, pixels[shown % LOOP])
                shown += 1
            assert (shown, recording.lost) == (len(found), 0)
        for file in folder.iterdir():
            file.unlink()


def test_a_killed_recorder_loses_nothing_that_it_acknowledged(
    tmp_path: Path, stream: tuple[Path, list[bytes]]
) -> None:
    kill(4, tmp_path, stream, seed=1)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("seed", range(10))
def test_200_kills_lose_nothing(
    tmp_path: Path, stream: tuple[Path, list[bytes]], seed: int
) -> None:
    kill(20, tmp_path, stream, seed)
