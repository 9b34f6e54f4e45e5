"""Originals kept by the sender: which, under which names, and that none is ever replaced."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from rankcast.frame import Frame
from rankcast.images import read_image, read_text
from rankcast_sender.audit import Audit

FIRST, SECOND = b"\x01" * 16, bytes.fromhex("abcdef01" * 4)


def keep(folder: Path, stream_id: bytes, value: int) -> None:
    """Offer the frames of one start of a sender."""
    audit = Audit(folder, "cam", stream_id, every=2)
    for sequence in range(3):
        audit.offer(sequence, Frame(np.full((4, 5), value, np.uint8), frame=sequence + 7))
    audit.close()


def test_a_restarted_sender_keeps_the_originals_of_its_first_start(tmp_path: Path) -> None:
    keep(tmp_path, FIRST, 1)
    keep(tmp_path, SECOND, 2)
    found = {path.stem: int(read_image(path)[0, 0]) for path in tmp_path.iterdir()}
    assert found == {
        "cam_000000000": 1,
        "cam_000000002": 1,
        "cam_000000000_abcdef01": 2,
        "cam_000000002_abcdef01": 2,
    }
    tag = json.loads(read_text(tmp_path / "cam_000000002_abcdef01.png") or "")
    assert tag == {"frame": 9, "stream_id": SECOND.hex()}


def test_an_original_that_exists_under_both_names_is_kept_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for value in (1, 2, 3):
        keep(tmp_path, SECOND, value)
    assert len(list(tmp_path.iterdir())) == 4
    assert int(read_image(tmp_path / "cam_000000000.png")[0, 0]) == 1
    assert "original not kept: cam_000000000_abcdef01.png exists already" in caplog.text
