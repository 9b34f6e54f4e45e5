"""The checks that all fault tests rest on can fail."""

from __future__ import annotations

import numpy as np
import pytest

from rankcast.frame import Frame
from rankcast.images import write_frame_mark
from support.fakes import picture
from support.viewers import FrameCheck, WrongPixelsError, check_mark


def marked(number: int, header: int | None = None, sequence: int = 0) -> Frame:
    pixels = picture(90, (48, 128))
    write_frame_mark(pixels, number)
    return Frame(pixels, frame=number if header is None else header, sequence=sequence)


def test_a_frame_with_the_number_of_another_is_wrong() -> None:
    check_mark(marked(7).pixels, 7)
    with pytest.raises(WrongPixelsError, match="the pixels say frame 7, the header says 8"):
        FrameCheck().add(marked(7, header=8))


def test_a_frame_whose_mark_is_damaged_is_wrong() -> None:
    pixels = np.array(marked(7).pixels)
    pixels[:, 64:72] = 255 - pixels[:, 64:72]
    with pytest.raises(WrongPixelsError, match="the pixels say frame None"):
        check_mark(pixels, 7)


def test_a_number_beyond_32_bits_wraps() -> None:
    FrameCheck().add(marked(5, header=(1 << 32) + 5))


def test_a_frame_that_comes_again_or_late_is_wrong() -> None:
    check = FrameCheck()
    check.add(marked(4, sequence=3))
    check.add(marked(6, sequence=4))
    with pytest.raises(AssertionError, match="came after"):
        check.add(marked(7, sequence=4))
    with pytest.raises(AssertionError, match="came after"):
        check.add(marked(5, sequence=5))
