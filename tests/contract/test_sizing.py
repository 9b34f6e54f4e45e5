"""The sizing table of docs/deployment.md agrees with the benchmarks that it names."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
FPS = 20
SLOTS = 4
"""Frames in the memory shared with a grabber process."""
TOLERANCE = 0.3
"""The table is for choosing a machine; a run of a benchmark differs from the next by less."""


def figures(benchmark: str) -> dict[str, float]:
    path = REPOSITORY / "benchmarks" / "results" / f"{benchmark}.json"
    return {row["what"]: row["value"] for row in json.loads(path.read_text())["rows"]}


def rows() -> dict[str, list[float]]:
    """Numbers of each row of the table, by the size of its picture."""
    text = (REPOSITORY / "docs" / "deployment.md").read_text(encoding="utf-8")
    found = re.findall(r"^\| (\d+ x \d+) \| (.*) \|$", text, re.MULTILINE)
    return {
        size: [float(re.findall(r"[\d.]+", cell)[0]) for cell in cells.split(" | ")]
        for size, cells in found
    }


@pytest.mark.parametrize("size", ["640 x 360", "1280 x 720", "1920 x 1080"])
def test_a_row_of_the_sizing_table_is_measured(size: str) -> None:
    link_mbit_s, disk_gb_h, sender, receiver, shared_mb = rows()[size]
    rate = figures("sizing")[f"svd-patch quality=75, {size}: a viewer at 20 fps"]
    speed = figures("codec-speed")
    width, height = map(int, size.split(" x "))
    assert link_mbit_s == pytest.approx(rate, rel=TOLERANCE)
    assert disk_gb_h == pytest.approx(rate * 3600 / 8 / 1000, rel=TOLERANCE)
    for percent, step in ((sender, "encode"), (receiver, "decode")):
        of_a_frame_ms = speed[f"{size}, moving, 1 threads: {step} predicted"]
        assert percent == pytest.approx(of_a_frame_ms * FPS / 10, rel=TOLERANCE)
    assert shared_mb == pytest.approx(SLOTS * width * height * 3 / 1e6, rel=0.1)
