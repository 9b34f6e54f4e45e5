"""Runs of `rankcast compare` within the test process, and pictures for them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from click.testing import CliRunner, Result

from rankcast.commands.compare.command import compare
from rankcast.errors import RankcastError
from rankcast.frame import Pixels
from rankcast.opencv import cv2


def picture(shape: tuple[int, ...] = (48, 64, 3), dtype: type = np.uint8, seed: int = 3) -> Pixels:
    """Return smoothed noise: a falling spectrum, with detail that every rank adds to."""
    rng = np.random.default_rng(seed)
    smooth = cv2.GaussianBlur(rng.normal(0, 1, shape), (0, 0), 2.0).reshape(shape)
    smooth = (smooth - smooth.min()) / max(float(np.ptp(smooth)), 1e-9)
    return (smooth * np.iinfo(dtype).max).astype(dtype)


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(compare, [str(argument) for argument in arguments])


def refused(*arguments: object) -> RankcastError:
    error = invoke(*arguments).exception
    assert isinstance(error, RankcastError), repr(error)
    assert "\n" not in str(error)
    return error


def table_of(image: Path, *arguments: object) -> tuple[str, Any]:
    """Run without drawing; return the output and the JSON document."""
    out = image.with_suffix(".json")
    result = invoke(image, "--no-pictures", "--json", out, *arguments)
    assert result.exit_code == 0, repr(result.exception)
    return result.output, json.loads(out.read_text())
