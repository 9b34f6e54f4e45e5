"""The ring of frames in shared memory: both ends see the same bytes, and nothing is left."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rankcast.errors import SettingsError
from rankcast_sender.devices.slots import Slots
from rankcast_sender.grabber import ring as ring_module
from rankcast_sender.grabber.messages import GrabberProtocolError, SlotWritten
from rankcast_sender.grabber.ring import SHARED_MEMORY, SLOTS, FrameRing

WRITTEN = SlotWritten(
    slot=0, height=48, width=64, channels=3, sample_bytes=1, significant_bits=0, cfa="",
    device_frame_id=None, device_time_ns=None, boot_ns=0, utc_ns=0, lost=0, dropped=0,
)  # fmt: skip


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("shape", [(48, 64, 3), (48, 64), (1, 1), (7, 5, 2)])
def test_a_frame_comes_out_as_it_went_in(shape: tuple[int, ...], dtype: Any) -> None:
    ring, slots = FrameRing(), Slots()
    picture = np.random.default_rng(0).integers(0, 256, shape).astype(dtype)
    slots.attach(ring.resize(picture.nbytes))
    slot = slots.write(memoryview(picture).cast("B"))
    assert slot is not None
    written = replace(
        WRITTEN, slot=slot, height=shape[0], width=shape[1],
        channels=shape[2] if len(shape) == 3 else 1, sample_bytes=picture.itemsize,
    )  # fmt: skip
    copy = ring.copy(written)
    assert np.array_equal(copy, picture)
    assert copy.dtype == dtype
    slots.write(memoryview(np.zeros_like(picture)).cast("B"))
    assert np.array_equal(copy, picture), "a copy shares no memory with the ring"
    slots.detach()
    ring.close()
    ring.close()


def test_a_slot_is_written_again_only_after_it_was_given_back() -> None:
    ring, slots = FrameRing(), Slots()
    slots.attach(ring.resize(100))
    data = memoryview(bytes(100))
    taken = [slots.write(data) for _ in range(SLOTS)]
    assert sorted(slot for slot in taken if slot is not None) == list(range(SLOTS))
    assert slots.write(data) is None
    slots.put_back(2, slots.slot_bytes + 4096)
    assert slots.write(data) is None, "that slot was one of an earlier ring"
    slots.put_back(2, slots.slot_bytes)
    assert slots.write(data) == 2
    slots.detach()
    ring.close()


@pytest.mark.parametrize("change", [{"slot": SLOTS}, {"slot": 255}, {"height": 1000}])
def test_what_lies_outside_of_the_ring_is_not_read(change: dict[str, int]) -> None:
    ring = FrameRing()
    with pytest.raises(GrabberProtocolError, match="announced"):
        ring.copy(WRITTEN)
    ring.resize(WRITTEN.frame_bytes)
    with pytest.raises(GrabberProtocolError, match="announced"):
        ring.copy(replace(WRITTEN, **change))
    ring.close()


def test_the_memory_has_no_name_and_goes_with_the_ring() -> None:
    before = set(os.listdir(SHARED_MEMORY))
    descriptors = len(os.listdir("/proc/self/fd"))
    ring = FrameRing()
    ring.resize(1 << 20)
    ring.resize(1 << 21)
    assert set(os.listdir(SHARED_MEMORY)) <= before
    ring.close()
    assert len(os.listdir("/proc/self/fd")) == descriptors


def test_a_file_system_without_nameless_files_has_one_without_a_name_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_open = os.open

    def refuse(path: Any, flags: int, *more: Any, **named: Any) -> int:
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(errno.EOPNOTSUPP, "not supported")
        return real_open(path, flags, *more, **named)

    monkeypatch.setattr(os, "open", refuse)
    ring = FrameRing(str(tmp_path))
    monkeypatch.undo()
    assert list(tmp_path.iterdir()) == []
    assert ring.resize(10)["slots"] == SLOTS
    ring.close()


def test_too_little_shared_memory_is_one_line_with_what_is_wanted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(ring_module.os, "posix_fallocate", refuse)
    ring = FrameRing()
    with pytest.raises(SettingsError) as caught:
        ring.resize(4096 * 4096 * 2)
    message = str(caught.value)
    assert "want 134.2 MB for 4 frames" in message
    assert "--shm-size=192m" in message
    assert "\n" not in message
    ring.close()
