"""Memory of frames is used again, and never while somebody still looks at it."""

from __future__ import annotations

import numpy as np

from rankcast.frame import Frame
from rankcast_sender.grabber.frame_memory import MOST, FrameMemory


def test_an_array_that_nobody_holds_is_used_again() -> None:
    memory = FrameMemory()
    address = memory.get(100).ctypes.data
    assert memory.get(100).ctypes.data == address


def test_an_array_is_not_used_again_while_a_frame_or_a_view_of_it_lives() -> None:
    memory = FrameMemory()
    held = [Frame(memory.get(64).view(np.uint16).reshape(4, 8)[1:, ::2]) for _ in range(3)]
    addresses = {id(frame.pixels.base) for frame in held}
    assert len(addresses) == 3
    slice_of_first = held[0].pixels[:1, :1]
    held.clear()
    array = memory.get(64)
    assert not np.shares_memory(array, slice_of_first)


def test_memory_that_is_held_does_not_make_the_pool_grow_without_end() -> None:
    memory = FrameMemory()
    held = [memory.get(10) for _ in range(3 * MOST)]
    assert len({array.ctypes.data for array in held}) == 3 * MOST
    assert len(memory._arrays) == MOST


def test_another_size_drops_the_arrays_of_the_size_before() -> None:
    memory = FrameMemory()
    memory.get(10)
    assert memory.get(20).size == 20
    assert [array.size for array in memory._arrays] == [20]
