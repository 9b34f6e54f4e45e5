"""SavedFiles: limits of a folder in constant memory, whatever else lies or happens there."""

from __future__ import annotations

import os
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rankcast.errors import SinkError
from rankcast.frame import Frame
from rankcast_receiver.sinks import save, saved_files
from rankcast_receiver.sinks.save import SaveOptions, SaveSink
from rankcast_receiver.sinks.saved_files import RetentionLimits, SavedFiles
from support.later import later

DAY_NS = 86_400 * 10**9


def name_of(number: int, camera: str = "cam") -> str:
    return f"{camera}_{number:09d}_20261120T125655.{number % 1_000_000:06d}Z.png"


STARTED_NS = time.time_ns()
"""One moment for all files of a test, so that only their numbers decide which is newer."""


@pytest.fixture(autouse=True)
def one_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "STARTED_NS", time.time_ns())


def write(folder: Path, number: int, size: int = 10, age_s: float = 0.0) -> Path:
    """Write a saved picture; higher numbers are newer."""
    path = folder / name_of(number)
    path.write_bytes(b"x" * size)
    written_ns = STARTED_NS - round(age_s * 1e9) - 10**12 + number * 10**6
    os.utime(path, ns=(written_ns, written_ns))
    return path


def numbers(folder: Path) -> list[int]:
    return sorted(int(path.name.split("_")[1]) for path in folder.iterdir())


def tidy(files: SavedFiles, times: int = 1000) -> None:
    for _ in range(times):
        files.tidy()


@pytest.fixture
def small_steps(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make a folder of some dozen files a large one."""
    monkeypatch.setattr(saved_files, "INDEX_FILES", 8)
    monkeypatch.setattr(saved_files, "SCAN_STEP", 5)
    monkeypatch.setattr(saved_files, "REMOVALS_A_STEP", 3)
    return None


def folder_of(path: Path, count: int) -> Path:
    """Make a folder of empty saved pictures, cheaply: all are links to one file."""
    path.mkdir()
    first = path / name_of(0)
    first.touch()
    for number in range(1, count):
        try:
            os.link(first, path / name_of(number))
        except OSError:  # ext4 allows 65,000 links to one file
            first = path / name_of(number)
            first.touch()
    return path


def frame(sequence: int, **changes: Any) -> Frame:
    values: dict[str, Any] = {"camera": "cam", "sequence": sequence, "stream_id": b"\1" * 16}
    values["t_capture_utc_ns"] = 1_795_179_415_000_000_000 + sequence * 10**7
    return Frame(np.zeros((2, 2), np.uint8), **{**values, **changes})


@pytest.mark.slow
def test_without_limits_saving_keeps_nothing_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(save, "write_image", lambda *_, **__: 1000)
    sink = SaveSink(SaveOptions(folder=tmp_path))
    tracemalloc.start()
    try:
        for sequence in range(1000):  # caches fill
            sink.put(frame(sequence))
        grown = []
        for first in range(1000, 9000, 2000):
            before = tracemalloc.get_traced_memory()[0]
            for sequence in range(first, first + 2000):
                sink.put(frame(sequence))
            grown.append(tracemalloc.get_traced_memory()[0] - before)
    finally:
        tracemalloc.stop()
    assert sink.saved == 9000
    # pathlib interns names: the interpreter's table of them may double in one of the spans.
    assert sorted(grown)[1] < 2000, "a byte a file"


@pytest.mark.parametrize("limits", [later(RetentionLimits()), RetentionLimits(max_age_s=1e6)])
def test_a_folder_of_many_files_takes_constant_memory(
    tmp_path: Path, limits: RetentionLimits
) -> None:
    _check_large_folder(folder_of(tmp_path / "many", 30_000), 30_000, limits)


@pytest.mark.slow
@pytest.mark.parametrize("limits", [RetentionLimits(), RetentionLimits(max_files=199_000)])
def test_a_folder_of_200_000_files_opens_at_once_and_in_constant_memory(
    tmp_path: Path, limits: RetentionLimits
) -> None:
    folder = folder_of(tmp_path / "many", 200_000)
    _check_large_folder(folder, 200_000, limits)
    left = len(os.listdir(folder))
    assert left == (199_000 if limits else 200_000)


def _check_large_folder(folder: Path, count: int, limits: RetentionLimits) -> None:
    tracemalloc.start()
    try:
        begun = time.process_time()
        files = SavedFiles(folder, limits)
        opened_s = time.process_time() - begun
        tidy(files, count // saved_files.SCAN_STEP + 20)
        now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # A step of 4096 entries, whatever the folder holds; traced allocations take ten times longer.
    assert opened_s < 1.0
    if limits:
        assert count - 20 * saved_files.REMOVALS_A_STEP <= files.files <= count
        assert peak < 9_000_000
        assert now < 3_500_000
    else:
        assert peak < 200_000
    files.close()


@pytest.mark.usefixtures("small_steps")
def test_the_oldest_go_first_however_many_they_are(tmp_path: Path) -> None:
    for number in np.random.default_rng(1).permutation(60).tolist():
        write(tmp_path, number)
    files = SavedFiles(tmp_path, RetentionLimits(max_files=7))
    tidy(files)
    assert numbers(tmp_path) == list(range(53, 60))
    for number in range(60, 100):
        write(tmp_path, number)
        files.added(name_of(number), 10)
        files.tidy()
    tidy(files)
    assert numbers(tmp_path) == list(range(93, 100))
    assert (files.files, files.bytes) == (7, 70)


@pytest.mark.usefixtures("small_steps")
def test_bytes_are_limited_too_and_the_newest_stays(tmp_path: Path) -> None:
    for number in range(40):
        write(tmp_path, number, size=100 + number)
    tidy(SavedFiles(tmp_path, RetentionLimits(max_bytes=400)))
    assert numbers(tmp_path) == [38, 39] or numbers(tmp_path) == [37, 38, 39]
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 400
    tidy(SavedFiles(tmp_path, RetentionLimits(max_bytes=1)))
    assert numbers(tmp_path) == [39]


@pytest.mark.usefixtures("small_steps")
def test_files_go_at_their_age_also_while_no_frame_arrives(tmp_path: Path) -> None:
    for number in range(30):
        write(tmp_path, number, age_s=10 * 86_400)
    now_ns = [STARTED_NS]
    files = SavedFiles(tmp_path, RetentionLimits(max_age_s=12 * 86_400), now_ns=lambda: now_ns[0])
    tidy(files)
    assert len(numbers(tmp_path)) == 30
    now_ns[0] += 2 * DAY_NS - 10**12 + 15 * 10**6
    tidy(files)
    assert 0 < len(numbers(tmp_path)) < 30
    now_ns[0] += DAY_NS
    tidy(files)
    assert numbers(tmp_path) == [], "age spares no picture"


def test_the_sink_removes_old_files_while_it_is_idle(tmp_path: Path) -> None:
    old, young = write(tmp_path, 1, age_s=3600), write(tmp_path, 2)
    sink = SaveSink(SaveOptions(folder=tmp_path, max_age_s=1800))
    assert sink.idle()
    assert (old.exists(), young.exists()) == (False, True)


def test_the_oldest_go_while_the_disk_has_too_little_space(tmp_path: Path) -> None:
    for number in range(20):
        write(tmp_path, number, size=1000)
    clock = [0.0]

    def free(folder: Path) -> int:
        return 50_000 - sum(path.stat().st_size for path in folder.iterdir())

    files = SavedFiles(
        tmp_path, RetentionLimits(min_free_bytes=34_500), now_s=lambda: clock[0], free=free
    )
    tidy(files)
    assert numbers(tmp_path) == list(range(5, 20))
    for number in range(20, 23):
        write(tmp_path, number, size=1000)
        files.added(name_of(number), 1000)
        clock[0] += 2
        files.tidy()
    assert numbers(tmp_path) == list(range(8, 23))


def test_space_that_others_take_costs_all_but_the_newest_and_no_foreign_file(
    tmp_path: Path,
) -> None:
    for number in range(5):
        write(tmp_path, number)
    (tmp_path / "precious.tar").write_bytes(b"x")
    tidy(SavedFiles(tmp_path, RetentionLimits(min_free_bytes=10**9), free=lambda _: 0))
    assert sorted(os.listdir(tmp_path)) == [name_of(4), "precious.tar"]


@pytest.mark.parametrize(
    "limits",
    [
        RetentionLimits(max_files=1),
        RetentionLimits(max_bytes=1),
        RetentionLimits(max_age_s=1),
        RetentionLimits(min_free_bytes=2**62),
    ],
    ids=["files", "bytes", "age", "free"],
)
def test_no_limit_touches_what_is_not_named_like_a_saved_picture(
    tmp_path: Path, limits: RetentionLimits
) -> None:
    foreign = [
        "holiday.png",
        "cam_000000001_20261120T125655.123456Z.png.bak",
        "cam_000000001_20261120T125655.123456Z_1234567.png",
        "cam_000000001.png",
        "Cam_000000001_20261120T125655.123456Z.png",
    ]
    for name in foreign:
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (1, 1))
    (tmp_path / name_of(7)).symlink_to(tmp_path / "holiday.png")
    (tmp_path / name_of(8)).mkdir()
    write(tmp_path, 9, age_s=1e6)
    write(tmp_path, 10)
    tidy(SavedFiles(tmp_path, limits))
    kept = {path.name for path in tmp_path.iterdir()}
    assert {*foreign, name_of(7), name_of(8)} <= kept
    assert name_of(9) not in kept


@pytest.mark.usefixtures("small_steps")
def test_files_written_while_the_folder_is_read_count_once(tmp_path: Path) -> None:
    for number in range(60):
        write(tmp_path, number)
    files = SavedFiles(tmp_path, RetentionLimits(max_files=1000))
    for number in range(60, 75):
        write(tmp_path, number)
        files.added(name_of(number), 10)
        files.tidy()
    tidy(files)
    assert (files.files, files.bytes) == (75, 750)


def test_files_that_others_removed_cost_no_further_ones(tmp_path: Path) -> None:
    for number in range(10):
        write(tmp_path, number)
    files = SavedFiles(tmp_path, RetentionLimits(max_files=10))
    for number in range(5):
        (tmp_path / name_of(number)).unlink()
    for number in range(10, 15):
        write(tmp_path, number)
        files.added(name_of(number), 10)
        files.tidy()
    assert numbers(tmp_path) == list(range(5, 15))


@pytest.mark.usefixtures("small_steps")
def test_a_folder_that_vanishes_while_it_is_read_is_read_again(tmp_path: Path) -> None:
    folder = tmp_path / "share"
    folder.mkdir()
    for number in range(30):
        write(folder, number)
    files = SavedFiles(folder, RetentionLimits(max_files=3))
    tidy(files, 20)
    folder.rename(tmp_path / "gone")
    tidy(files, 20)
    (tmp_path / "gone").rename(folder)
    tidy(files)
    assert numbers(folder) == [27, 28, 29]


@pytest.mark.usefixtures("small_steps")
def test_old_part_files_are_removed_in_a_large_folder_without_limits(tmp_path: Path) -> None:
    for number in range(50):
        write(tmp_path, number)
    part = tmp_path / f".{name_of(3)}.0123abcd.part"
    part.touch()
    os.utime(part, (1, 1))
    files = SavedFiles(tmp_path, RetentionLimits())
    tidy(files)
    assert not part.exists()
    assert len(numbers(tmp_path)) == 50


def test_a_sender_whose_clock_was_set_back_gets_other_names(tmp_path: Path) -> None:
    sink = SaveSink(SaveOptions(folder=tmp_path, max_files=2))
    sink.put(frame(3))
    sink.put(frame(3, stream_id=bytes.fromhex("abcdef01" * 4)))
    assert len(os.listdir(tmp_path)) == 2
    assert sum(path.stem.endswith("Z_abcdef01") for path in tmp_path.iterdir()) == 1
    with pytest.raises(SinkError, match="exists already: does another receiver save there"):
        sink.put(frame(3))
    sink.put(frame(4))
    assert len(os.listdir(tmp_path)) == 2, "such a name counts as a saved picture"


@pytest.mark.parametrize("every", [0, 1, 3])
def test_every_nth_file_and_its_folder_are_written_through_before_the_frame_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, every: int
) -> None:
    synced: list[str] = []

    def note(descriptor: int) -> None:
        synced.append(Path(os.readlink(f"/proc/self/fd/{descriptor}")).name)

    monkeypatch.setattr(os, "fsync", note)
    sink = SaveSink(SaveOptions(folder=tmp_path, sync_frames=every))
    found = []
    for number in range(1, 8):
        synced.clear()
        sink.put(frame(number))
        if synced:
            found.append(number)
            assert synced[0].endswith(".part")
            assert synced[1:] == [tmp_path.name]
    assert found == {0: [], 1: [1, 2, 3, 4, 5, 6, 7], 3: [3, 6]}[every]
