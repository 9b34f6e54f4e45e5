"""The text inside an image file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rankcast.errors import ImageFileError
from rankcast.frame import Pixels
from rankcast.images import read_text, write_image


def noise(shape: tuple[int, ...], dtype: type[np.unsignedinteger] = np.uint8) -> Pixels:
    return np.random.default_rng(7).integers(0, np.iinfo(dtype).max + 1, shape, dtype)


def test_a_file_without_text_has_none(tmp_path: Path) -> None:
    for suffix in (".png", ".jpg", ".tif"):
        write_image(tmp_path / f"plain{suffix}", noise((3, 4)))
        assert read_text(tmp_path / f"plain{suffix}") is None
    (tmp_path / "plain.pgm").write_bytes(b"P5 1 1 255\n\x07")
    assert read_text(tmp_path / "plain.pgm") is None


@pytest.mark.parametrize("text", ["x" * 65_534, "a\0b", "\ud800"])
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
def test_text_that_no_format_holds_is_refused(tmp_path: Path, suffix: str, text: str) -> None:
    with pytest.raises(ImageFileError, match="text"):
        write_image(tmp_path / f"a{suffix}", noise((3, 4)), text=text)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
def test_the_longest_text_comes_back(tmp_path: Path, suffix: str) -> None:
    write_image(tmp_path / f"a{suffix}", noise((3, 4)), text="x" * 65_533)
    assert read_text(tmp_path / f"a{suffix}") == "x" * 65_533
