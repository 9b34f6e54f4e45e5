"""The save sink: file names, tags, limits of the folder, and failing disks."""

from __future__ import annotations

import json
import os
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from rankcast.errors import SinkError
from rankcast.frame import Coding, Frame
from rankcast.images import read_image, read_text
from rankcast_receiver.sinks import Sink
from rankcast_receiver.sinks.save import SaveOptions, SaveSink

UTC_NS = 1_795_179_415_123_456_789  # 2026-11-20T12:56:55.123456789Z
PIXELS = np.random.default_rng(3).integers(0, 256, (6, 8, 3), np.uint8)


def frame(sequence: int, **changes: Any) -> Frame:
    values: dict[str, Any] = {
        "pixels": PIXELS,
        "frame": (sequence + 100) % 2**64,
        "t_capture_utc_ns": (UTC_NS + sequence * 50_000_000) % 2**64,
        "camera": "cam",
        "sequence": sequence,
        "stream_id": bytes(range(16)),
        "coding": Coding("svd", 1234, rank=(2, 3, 4), energy=0.987654321, psnr_db=38.25),
    }
    return Frame(**{**values, **changes})


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_name_is_made_of_camera_sequence_and_utc_time(tmp_path: Path) -> None:
    sink: Sink = SaveSink(SaveOptions(folder=tmp_path))
    sink.put(frame(12, t_capture_utc_ns=UTC_NS, meta={"name": "../../etc/passwd"}))
    assert names(tmp_path) == ["cam_000000012_20261120T125655.123456Z.png"]
    assert np.array_equal(read_image(next(tmp_path.iterdir())), PIXELS)


def test_the_tag_describes_the_frame(tmp_path: Path) -> None:
    meta = {"serial": "A17\n\x1b[31m\x7f\x85", "raw": b"\x00\xff", "nan": float("nan"), "n": None}
    sink = SaveSink(SaveOptions(folder=tmp_path))
    sink.put(frame(7, significant_bits=7, cfa="", device_frame_id=9, device_time_ns=10, meta=meta))
    text = read_text(next(tmp_path.iterdir()))
    assert text is not None
    assert text.isascii()
    assert text.isprintable()
    assert json.loads(text) == {
        "camera": "cam",
        "stream": "main",
        "sequence": 7,
        "frame": 107,
        "stream_id": "000102030405060708090a0b0c0d0e0f",
        "capture_utc": "2026-11-20T12:56:55.473456+00:00",
        "fidelity": "lossy",
        "codec": "svd",
        "rank": [2, 3, 4],
        "energy": 0.987654321,
        "psnr_db": 38.25,
        "packet_bytes": 1234,
        "significant_bits": 7,
        "cfa": "",
        "device_frame_id": 9,
        "device_time_ns": 10,
        "meta": {
            "serial": "A17\n\x1b[31m\x7f\x85",
            "raw": {"hex": "00ff"},
            "nan": "nan",
            "n": None,
        },
    }


@pytest.mark.parametrize(
    ("format_", "psnr_db", "word"),
    [
        ("png", float("inf"), "lossless"),
        ("tiff", float("inf"), "lossless"),
        ("jpeg", float("inf"), "lossy"),
        ("png", 99.0, "lossy"),
        ("png", None, "lossy"),
    ],
)
def test_only_an_exact_picture_in_an_exact_format_is_called_lossless(
    tmp_path: Path, format_: Any, psnr_db: float | None, word: str
) -> None:
    SaveSink(SaveOptions(folder=tmp_path, format=format_)).put(
        frame(0, coding=Coding("raw", 1, psnr_db=psnr_db))
    )
    tag = json.loads(read_text(next(tmp_path.iterdir())) or "")
    assert tag["fidelity"] == word
    assert tag["psnr_db"] == (99.0 if psnr_db == 99.0 else None)


def test_the_largest_metadata_fits_into_every_format(tmp_path: Path) -> None:
    meta = {f"{number:02d}": "\x01" * 60 for number in range(64)}  # 6 characters each in JSON
    for format_ in ("png", "jpeg", "tiff"):
        sink = SaveSink(SaveOptions.model_validate({"folder": tmp_path, "format": format_}))
        sink.put(frame(0, meta=meta))
    for path in tmp_path.iterdir():
        assert json.loads(read_text(path) or "")["meta"] == meta
    assert len(names(tmp_path)) == 3


@pytest.mark.parametrize(("format_", "suffix"), [("png", "png"), ("tiff", "tiff")])
def test_sixteen_bits_are_kept(tmp_path: Path, format_: Any, suffix: str) -> None:
    pixels = np.random.default_rng(5).integers(0, 65536, (5, 7), np.uint16)
    SaveSink(SaveOptions(folder=tmp_path, format=format_)).put(frame(0, pixels=pixels))
    (path,) = tmp_path.glob(f"*.{suffix}")
    assert np.array_equal(read_image(path), pixels)


def test_a_picture_that_the_format_cannot_hold_is_a_sink_error(tmp_path: Path) -> None:
    sink = SaveSink(SaveOptions(folder=tmp_path, format="jpeg"))
    with pytest.raises(SinkError, match="8-bit"):
        sink.put(frame(0, pixels=np.zeros((5, 7), np.uint16)))
    sink.put(frame(1))
    assert [name[:13] for name in names(tmp_path)] == ["cam_000000001"]
    assert sink.saved == 1


def test_every_saves_the_multiples_of_the_sequence(tmp_path: Path) -> None:
    sink = SaveSink(SaveOptions(folder=tmp_path, every=3))
    taken = [sequence for sequence in (1, 2, 3, 5, 6, 7, 12) if sink.put(frame(sequence))]
    assert taken == [3, 6, 12]
    assert [int(name.split("_")[1]) for name in names(tmp_path)] == [3, 6, 12]
    assert sink.saved == 3
    assert sink.saved_bytes == sum(path.stat().st_size for path in tmp_path.iterdir())


def test_a_sender_that_starts_again_gets_other_names(tmp_path: Path) -> None:
    sink = SaveSink(SaveOptions(folder=tmp_path))
    sink.put(frame(0))
    sink.put(frame(0, t_capture_utc_ns=UTC_NS + 1_000_000_000, stream_id=bytes(16)))
    assert len(names(tmp_path)) == 2


def test_an_existing_file_is_never_replaced(tmp_path: Path) -> None:
    SaveSink(SaveOptions(folder=tmp_path)).put(frame(0))
    (path,) = tmp_path.iterdir()
    before = path.read_bytes()
    other = SaveSink(SaveOptions(folder=tmp_path))
    with pytest.raises(SinkError, match="exists already"):
        other.put(frame(0, pixels=PIXELS[::-1]))
    assert path.read_bytes() == before
    assert other.saved == 0


def test_max_files_removes_the_oldest_also_those_of_earlier_runs(tmp_path: Path) -> None:
    first = SaveSink(SaveOptions(folder=tmp_path))
    for sequence in range(4):
        first.put(frame(sequence))
    # Sequence 0 of a later start of the sender is newer than sequence 3 of the first.
    second = SaveSink(SaveOptions(folder=tmp_path, max_files=3))
    for sequence in range(2):
        second.put(frame(sequence, t_capture_utc_ns=UTC_NS + 10**10 + sequence))
    left = names(tmp_path)
    assert len(left) == 3
    assert sum("20261120T125705" in name for name in left) == 2
    assert sum("cam_000000003" in name for name in left) == 1


def test_max_bytes_keeps_the_folder_below_it_but_always_the_newest(tmp_path: Path) -> None:
    probe = SaveSink(SaveOptions(folder=tmp_path / "probe"))
    probe.put(frame(0))
    sink = SaveSink(SaveOptions(folder=tmp_path / "a", max_bytes=probe.saved_bytes * 5 // 2))
    for sequence in range(6):
        sink.put(frame(sequence))
    assert [name[:13] for name in names(tmp_path / "a")] == ["cam_000000004", "cam_000000005"]
    tiny = SaveSink(SaveOptions(folder=tmp_path / "b", max_bytes=1))
    for sequence in range(3):
        tiny.put(frame(sequence))
    assert [name[:13] for name in names(tmp_path / "b")] == ["cam_000000002"]


def test_limits_touch_no_file_of_another_naming_scheme(tmp_path: Path) -> None:
    foreign = [
        "holiday.png",
        "cam_12_20261120T125655.123456Z.png",
        "cam_000000001_20261120T125655.123456Z.png.bak",
        "Cam_000000001_20261120T125655.123456Z.png",
        "report.json",
    ]
    for name in foreign:
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "cam_000000001_20200101T000000.000000Z.png").mkdir()
    sink = SaveSink(SaveOptions(folder=tmp_path, max_files=1))
    for sequence in range(3):
        sink.put(frame(sequence))
    left = names(tmp_path)
    assert set(foreign) < set(left)
    assert len(left) == len(foreign) + 2


def test_old_part_files_of_a_killed_run_are_removed_and_young_ones_stay(tmp_path: Path) -> None:
    old, young, foreign = (
        tmp_path / ".cam_000000001_20261120T125655.123456Z.png.0123abcd.part",
        tmp_path / ".cam_000000002_20261120T125655.123456Z.png.0123abcd.part",
        tmp_path / ".other.part",
    )
    for path in (old, young, foreign):
        path.write_bytes(b"half")
    os.utime(old, (1, 1))
    os.utime(foreign, (1, 1))
    SaveSink(SaveOptions(folder=tmp_path))
    assert names(tmp_path) == sorted([young.name, foreign.name])


def test_a_full_disk_costs_one_frame_and_leaves_nothing_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = SaveSink(SaveOptions(folder=tmp_path, max_files=5))

    def full_disk(*_: Path) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "link", full_disk)
        patch.setattr(os, "replace", full_disk)
        with pytest.raises(SinkError, match="No space left on device"):
            sink.put(frame(0))
    assert names(tmp_path) == []
    sink.put(frame(1))
    assert sink.saved == 1
    assert len(names(tmp_path)) == 1


def test_a_folder_that_vanishes_is_a_sink_error_and_may_reappear(tmp_path: Path) -> None:
    folder = tmp_path / "share"
    sink = SaveSink(SaveOptions(folder=folder))
    folder.rename(tmp_path / "gone")
    with pytest.raises(SinkError, match="cannot be written"):
        sink.put(frame(0))
    (tmp_path / "gone").rename(folder)
    sink.put(frame(1))
    assert sink.saved == 1


def test_an_old_file_that_cannot_be_removed_fails_the_next_frame(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = SaveSink(SaveOptions(folder=tmp_path, max_files=1))
    sink.put(frame(0))

    unlink = Path.unlink

    def refuse(path: Path, **how: bool) -> None:
        if path.suffix != ".part":
            raise PermissionError(13, "Permission denied")
        unlink(path, **how)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", refuse)
        sink.put(frame(1))  # saved before the removal of the old one fails
        with pytest.raises(SinkError, match=r"cannot remove .*: Permission denied"):
            sink.put(frame(2))
    assert sink.saved == 2
    sink.put(frame(3))
    assert [name[:13] for name in names(tmp_path)] == ["cam_000000003"]


def test_a_folder_that_cannot_be_created_prevents_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(SinkError, match="cannot save to") as caught:
        SaveSink(SaveOptions(folder=tmp_path / "file" / "folder"))
    assert caught.value.exit_code == 1
    with pytest.raises(SinkError, match="cannot save to"):
        SaveSink(SaveOptions(folder=Path("/proc/rankcast")))


def test_an_invalid_camera_name_is_refused(tmp_path: Path) -> None:
    sink = SaveSink(SaveOptions(folder=tmp_path))
    with pytest.raises(SinkError, match="camera name"):
        sink.put(frame(0, camera="../cam"))
    assert names(tmp_path) == []


@pytest.mark.parametrize("utc_ns", [0, 2**64 - 1])
def test_any_time_and_sequence_of_the_wire_makes_a_name_of_the_scheme(
    tmp_path: Path, utc_ns: int
) -> None:
    sink = SaveSink(SaveOptions(folder=tmp_path, max_files=1))
    sink.put(frame(2**64 - 1, t_capture_utc_ns=utc_ns))
    (name,) = names(tmp_path)
    assert re.fullmatch(r"cam_18446744073709551615_\d{8}T\d{6}\.\d{6}Z\.png", name)
    again = SaveSink(SaveOptions(folder=tmp_path, max_files=1))
    again.put(frame(1))
    assert [name[:13] for name in names(tmp_path)] == ["cam_000000001"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"every": 0},
        {"every": "2"},
        {"max_files": -1},
        {"max_bytes": True},
        {"format": "bmp"},
        {"jpeg_quality": 101},
        {"png_compression": 10},
        {"unknown": 1},
    ],
)
def test_wrong_options_are_refused(tmp_path: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        SaveOptions(folder=tmp_path, **wrong)


def test_the_folder_may_be_text_as_in_a_settings_file(tmp_path: Path) -> None:
    assert SaveOptions.model_validate({"folder": str(tmp_path)}).folder == tmp_path


def test_save_never_stops_the_receiver_and_may_be_closed_twice(tmp_path: Path) -> None:
    sink = SaveSink(SaveOptions(folder=tmp_path))
    assert sink.name == "save"
    assert sink.idle()
    sink.close()
    sink.close()


@pytest.mark.parametrize("links", [True, False])
def test_two_receivers_in_one_folder_never_count_a_file_that_the_other_wrote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    if not links:

        def no_links(*_: object) -> None:
            raise PermissionError(1, "Operation not permitted")

        monkeypatch.setattr(os, "link", no_links)
    sinks = [SaveSink(SaveOptions(folder=tmp_path)) for _ in range(2)]
    together = threading.Barrier(2)
    errors: list[str] = []

    def receive(sink: SaveSink) -> None:
        for sequence in range(30):
            together.wait(10)
            try:
                sink.put(frame(sequence))
            except SinkError as exc:
                errors.append(str(exc))

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(receive, sink) for sink in sinks]:
            done.result()
    assert len(names(tmp_path)) == 30
    assert sum(sink.saved for sink in sinks) == 30
    assert len(errors) == 30
    assert all("exists already: does another receiver save there?" in error for error in errors)
    for path in tmp_path.iterdir():
        assert np.array_equal(read_image(path), PIXELS)
