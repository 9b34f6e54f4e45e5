"""What the page makes of samples: colours of mosaics, levels, and files that others read."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile

from rankcast.frame import Frame
from rankcast.images import read_text
from rankcast_receiver.sinks.debayer import debayered
from rankcast_receiver.sinks.levels import Levels
from support.moving_scene import scene
from support.page_in_node import NODE, page_copy, page_task

pytestmark = pytest.mark.skipif(NODE is None, reason="Node.js is missing: apt-get install nodejs")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return page_copy(tmp_path_factory.mktemp("page"))


@pytest.mark.parametrize("method", ["edge-aware", "bilinear"])
@pytest.mark.parametrize("pattern", ["RGGB", "BGGR", "GRBG", "GBRG"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_mosaics_have_the_colours_of_the_desktop(
    method: str, pattern: str, dtype: str, page: Path, tmp_path: Path
) -> None:
    top = np.iinfo(dtype).max
    mosaic = np.random.default_rng(1).integers(0, top, (13, 18)).astype(dtype)
    wanted = debayered(Frame(mosaic, cfa=pattern), method).pixels  # type: ignore[arg-type]
    made, _ = page_task(page, tmp_path, mosaic, what="debayer", pattern=pattern, method=method)
    assert np.array_equal(np.frombuffer(made, dtype).reshape(13, 18, 3), wanted)


@pytest.mark.parametrize("mode", ["auto", "full", "minmax", "percentile"])
@pytest.mark.parametrize(("dtype", "bits"), [("uint8", 8), ("uint16", 12), ("uint16", 16)])
def test_levels_are_those_of_the_desktop(
    mode: str, dtype: str, bits: int, page: Path, tmp_path: Path
) -> None:
    image = (scene(2, (50, 61), dtype).astype(int) >> (8 * np.dtype(dtype).itemsize - bits)).astype(
        dtype
    )
    made, _ = page_task(
        page, tmp_path, image, what="bounds", bits=bits, levels={"mode": mode, "low": 0, "high": 9}
    )
    assert json.loads(made) == pytest.approx(Levels(mode).bounds(image, bits))


def test_levels_reach_the_screen_as_on_the_desktop(page: Path, tmp_path: Path) -> None:
    values = np.arange(65536, dtype=np.uint16)
    made, _ = page_task(page, tmp_path, values, what="table", bounds=[1000, 5000.5])
    scale = 255 / 4000.5
    wanted = cv2.convertScaleAbs(np.maximum(values, 1000), alpha=scale, beta=-1000 * scale).ravel()
    assert np.abs(np.frombuffer(made, np.uint8).astype(int) - wanted).max() <= 1


SHAPES = [(21, 34), (21, 34, 3), (21, 34, 5)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("format_", ["png", "tiff"])
def test_others_read_the_samples_of_a_snapshot_and_what_it_says(
    shape: tuple[int, ...], dtype: str, format_: str, page: Path, tmp_path: Path
) -> None:
    image = scene(4, shape, dtype)
    made, name = page_task(page, tmp_path, image, what="file", format=format_)
    path = tmp_path / f"snapshot.{format_}"
    path.write_bytes(made)
    if format_ == "tiff":
        read = tifffile.imread(path)
        wanted = image if image.ndim == 2 else image[..., [2, 1, 0, *range(3, shape[2])]]
    else:
        read = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        wanted = image if image.ndim == 2 else image[..., :3]
    assert read.dtype == image.dtype
    assert np.array_equal(read, wanted)
    said = json.loads(read_text(path) or "")
    assert said["fidelity"] == "lossy"
    assert said["sequence"] == 7
    assert said["capture_utc"] == "2026-09-21T14:13:20.123456Z"
    assert said["codec"] == "svd-patch"
    assert said["psnr_db"] == 41.25
    assert said["meta"] == {"lot": "ä", "n": 3}
    assert name.strip() == f"_line__1_000000007_20260921T141320.123456Z_lossy.{format_}"
