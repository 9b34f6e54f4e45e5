"""How many threads torch uses: the calling thread's own business."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="codec gan needs torch: pip install 'rankcast[gan]'")

import torch

import rankcast
from rankcast.models.gan.threads import torch_threads
from support.gan_camera import clip, coded, two_cameras


def test_blocks_that_overlap_leave_every_thread_its_own_number() -> None:
    before = torch.get_num_threads()
    found: dict[str, list[int]] = {"a": [], "b": []}
    entered, left = threading.Barrier(2, timeout=20), threading.Event()

    def first() -> None:  # enters first and leaves first: the other must not keep its number
        with torch_threads(1):
            entered.wait()
            found["a"].append(torch.get_num_threads())
        left.set()
        found["a"].append(torch.get_num_threads())

    def second() -> None:
        with torch_threads(3):
            entered.wait()
            assert left.wait(20)
            found["b"].append(torch.get_num_threads())
        found["b"].append(torch.get_num_threads())

    threads = [threading.Thread(target=run) for run in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {"a": [1, before], "b": [3, before]}
    assert torch.get_num_threads() == before


def test_coding_in_several_threads_leaves_torch_as_it_was(tmp_path: Path) -> None:
    packet = coded(model := two_cameras(tmp_path))
    wanted = rankcast.Decoder().decode(packet)
    after: list[int] = []

    def work() -> None:
        encoder, decoder = (
            rankcast.Encoder("gan", model=str(model), label="belt"),
            rankcast.Decoder(),
        )
        for _ in range(3):
            packet = encoder.encode(clip(5)[4])
            assert (decoder.decode(packet) == wanted).all()
        after.append(torch.get_num_threads())

    before = torch.get_num_threads()
    with torch_threads(before + 1):
        threads = [threading.Thread(target=work) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert torch.get_num_threads() == before + 1
    assert after == [before] * 3
    assert torch.get_num_threads() == before
