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
from rankcast_sender.grabber.ring import LENT, SHARED_MEMORY, SLOTS, FrameRing

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
    pixels, copied = ring.take(written)
    assert np.array_equal(pixels, picture)
    assert pixels.dtype == dtype
    assert not copied
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


def announced(slots: Slots, value: int) -> SlotWritten:
    """Write a frame of one value."""
    slot = slots.write(memoryview(bytes([value]) * WRITTEN.frame_bytes))
    assert slot is not None
    return replace(WRITTEN, slot=slot)


def test_a_slot_comes_back_when_its_frame_is_gone_and_others_are_copied_meanwhile() -> None:
    ring, slots = FrameRing(), Slots()
    slots.attach(ring.resize(WRITTEN.frame_bytes))
    taken = [ring.take(announced(slots, value)) for value in range(3)]
    assert [copied for _, copied in taken] == [False] * LENT + [True]
    assert ring.given_back() == []
    corner = taken[0][0][:1, :1]
    del taken[0]
    assert ring.given_back() == [], "a part of it is still in use"
    del corner
    assert len(ring.given_back()) == 1
    assert ring.given_back() == []
    assert (taken[0][0] == 1).all()
    assert not ring.take(announced(slots, 9))[1]
    slots.detach()
    ring.close()


def test_a_larger_ring_leaves_the_frames_of_the_one_before_alone() -> None:
    ring, slots = FrameRing(), Slots()
    slots.attach(ring.resize(WRITTEN.frame_bytes))
    held = [ring.take(announced(slots, value))[0] for value in (1, 2)]
    slots.attach(ring.resize(4 * WRITTEN.frame_bytes))
    larger = replace(WRITTEN, height=4 * WRITTEN.height)
    for _ in range(SLOTS):
        slot = slots.write(memoryview(bytes([7]) * larger.frame_bytes))
        assert slot is not None
        assert (ring.take(replace(larger, slot=slot))[0] == 7).all()
    assert [int(frame.min()) for frame in held] == [1, 2]
    assert [int(frame.max()) for frame in held] == [1, 2]
    slots.detach()
    ring.close()
    assert [int(frame.max()) for frame in held] == [1, 2]


def test_a_slot_that_the_other_end_does_not_own_is_refused() -> None:
    ring, slots = FrameRing(), Slots()
    slots.attach(ring.resize(WRITTEN.frame_bytes))
    written = announced(slots, 1)
    pixels, _ = ring.take(written)
    with pytest.raises(GrabberProtocolError, match="which it does not own"):
        ring.take(written)
    assert pixels.max() == 1
    slots.detach()
    ring.close()


@pytest.mark.parametrize("change", [{"slot": SLOTS}, {"slot": 255}, {"height": 1000}])
def test_what_lies_outside_of_the_ring_is_not_read(change: dict[str, int]) -> None:
    ring = FrameRing()
    with pytest.raises(GrabberProtocolError, match="announced"):
        ring.take(WRITTEN)
    ring.resize(WRITTEN.frame_bytes)
    with pytest.raises(GrabberProtocolError, match="announced"):
        ring.take(replace(WRITTEN, **change))
    ring.close()


def test_the_memory_has_no_name_and_goes_with_the_ring() -> None:
    descriptors = len(os.listdir("/proc/self/fd"))
    ring = FrameRing()
    ring.resize(1 << 20)
    ring.resize(1 << 21)
    assert not [name for name in os.listdir(SHARED_MEMORY) if "rankcast" in name]
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
