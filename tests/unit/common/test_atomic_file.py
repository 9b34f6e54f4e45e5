"""Files written whole: links, devices, FIFOs, long names; and reasons of the operating system."""

from __future__ import annotations

import errno
import os
import socket
import stat
import subprocess
import threading
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from click.testing import CliRunner

from rankcast import atomic_file
from rankcast.atomic_file import check_writable, os_reason, read_whole, write_whole
from rankcast.commands.compress import compress
from rankcast.commands.decompress import decompress
from rankcast.errors import LimitError, RankcastError, SettingsError
from rankcast.images import write_image

POSIX = pytest.mark.skipif(os.name == "nt", reason="devices, FIFOs and links of POSIX")


@pytest.fixture
def null(tmp_path: Path) -> Path:
    """A null device of our own: the machine's must not be replaced by a failing test."""
    path = tmp_path / "null"
    made = subprocess.run(["mknod", str(path), "c", "1", "3"], capture_output=True, check=False)
    if made.returncode or not _opens(path):
        pytest.skip("devices cannot be made here")
    return path


def _opens(path: Path) -> bool:
    try:
        path.read_bytes()
    except OSError:
        return False
    return True


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "in.png"
    write_image(path, np.arange(48, dtype=np.uint8).reshape(6, 8))
    return path


def run(command: click.Command, *arguments: object) -> None:
    result = CliRunner().invoke(command, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output


@POSIX
def test_a_device_is_written_to_and_stays(null: Path) -> None:
    write_whole(null, b"data" * 100_000)
    check_writable(null)
    assert stat.S_ISCHR(null.stat().st_mode)
    assert [path.name for path in null.parent.iterdir()] == ["null"]


@POSIX
def test_compress_writes_to_a_device(null: Path, image: Path) -> None:
    run(compress, image, null, "--codec", "raw")
    assert stat.S_ISCHR(null.stat().st_mode)


@POSIX
def test_decompress_writes_through_a_link_to_a_device(null: Path, image: Path) -> None:
    packet, link = null.parent / "p.rkc", null.parent / "out.png"
    run(compress, image, packet, "--codec", "raw")
    link.symlink_to(null)
    run(decompress, packet, link)
    assert link.is_symlink()
    assert stat.S_ISCHR(null.stat().st_mode)


@POSIX
def test_a_fifo_is_written_to_and_stays(tmp_path: Path) -> None:
    fifo, data = tmp_path / "fifo", os.urandom(300_000)  # more than a pipe holds
    os.mkfifo(fifo)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(fifo.read_bytes()))
    reader.start()
    write_whole(fifo, data)
    reader.join()
    assert got == [data]
    assert fifo.is_fifo()


@POSIX
def test_a_fifo_that_nothing_reads_is_an_error_and_not_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(atomic_file, "FIFO_TIMEOUT_S", 0.1)
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with pytest.raises(RankcastError, match=r"fifo: cannot be written: no process read this FIFO"):
        write_whole(fifo, b"data")
    assert fifo.is_fifo()


@POSIX
def test_a_reader_that_stops_reading_is_an_error_and_not_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(atomic_file, "FIFO_TIMEOUT_S", 0.1)
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with pytest.raises(RankcastError, match="its reader accepted no data"):
            write_whole(fifo, bytes(1 << 20))
    finally:
        os.close(reader)


@POSIX
@pytest.mark.parametrize("exists", [True, False])
def test_a_link_is_followed_and_stays(tmp_path: Path, exists: bool) -> None:
    folder = tmp_path / "far"
    folder.mkdir()
    target, link = folder / "target", tmp_path / "link"
    if exists:
        target.write_bytes(b"old")
    link.symlink_to(Path("far") / "target")
    check_writable(link)
    write_whole(link, b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"
    assert [path.name for path in folder.iterdir()] == ["target"]


@POSIX
def test_a_link_is_a_taken_name_where_the_file_must_be_new(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to("nowhere")
    with pytest.raises(FileExistsError):
        write_whole(link, b"new", exclusive=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link"]


@POSIX
def test_a_device_is_a_taken_name_where_the_file_must_be_new(null: Path) -> None:
    with pytest.raises(FileExistsError):
        write_whole(null, b"new", exclusive=True)
    assert stat.S_ISCHR(null.stat().st_mode)


@POSIX
def test_links_in_a_circle_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(RankcastError, match="cannot be written"):
        write_whole(tmp_path / "a" / "file", b"data")


@POSIX
def test_a_folder_and_a_socket_are_refused_before_the_run(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="this is a folder"):
        check_writable(tmp_path)
    with pytest.raises(SettingsError, match="does not exist or is not writable"):
        check_writable(tmp_path / "nowhere" / "report.json")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        with pytest.raises(SettingsError, match="this is a socket"):
            check_writable(tmp_path / "socket")


@pytest.mark.parametrize("length", [1, 239, 240, 241, 250, 255])
@pytest.mark.parametrize("exclusive", [False, True])
def test_every_name_that_the_file_system_takes_can_be_written(
    tmp_path: Path, length: int, exclusive: bool
) -> None:
    path = tmp_path / ("n" * length)
    write_whole(path, b"data", exclusive=exclusive)
    assert path.read_bytes() == b"data"
    assert len(list(tmp_path.iterdir())) == 1


def test_long_names_beyond_ascii_are_cut_between_characters(tmp_path: Path) -> None:
    path = tmp_path / ("検" * 85)  # 255 bytes
    write_whole(path, b"data")
    assert path.read_bytes() == b"data"


def test_a_name_that_is_too_long_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(RankcastError, match="cannot be written: File name too long"):
        write_whole(tmp_path / ("n" * 256), b"data")
    assert list(tmp_path.iterdir()) == []


def test_a_picture_with_a_long_name_is_written(tmp_path: Path) -> None:
    write_image(tmp_path / ("n" * 251 + ".png"), np.zeros((3, 4), np.uint8))
    assert len(list(tmp_path.iterdir())) == 1


def test_what_is_not_a_file_of_fitting_size_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    assert read_whole(path, 5) == b"12345"
    with pytest.raises(LimitError, match="has 5 bytes, the limit is 4"):
        read_whole(path, 4)
    with pytest.raises(RankcastError, match=r"is not a regular file|cannot be read"):
        read_whole(tmp_path, 5)
    with pytest.raises(RankcastError, match="cannot be read"):
        read_whole(tmp_path / "a\0b", 5)


def behind(outer: BaseException, cause: BaseException) -> BaseException:
    outer.__cause__ = cause
    return outer


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "file"), "No space left on device"),
        (FileNotFoundError(errno.ENOENT, "No such file or directory"), "No such file or directory"),
        (OSError("libfoo.so:\n cannot open"), "libfoo.so: cannot open"),
        (OSError(errno.ENOSPC), "No space left on device"),
        (OSError(errno.ENOSPC, None), "No space left on device"),
        (OSError(errno.ENOSPC, ""), "No space left on device"),
        (OSError(), "OSError"),
        (PermissionError(), "PermissionError"),
        (TimeoutError("no answer within 3 s"), "no answer within 3 s"),
        (socket.gaierror(-2, "Name or service not known"), "Name or service not known"),
        (behind(OSError(), ImportError("libGL.so.1 is missing")), "libGL.so.1 is missing"),
        (behind(OSError(), OSError(errno.EIO, None)), "Input/output error"),
        (ImportError("libGL.so.1:\n  cannot open"), "libGL.so.1: cannot open"),
    ],
)  # fmt: skip
def test_the_reason_of_an_error_is_never_lost(error: Any, reason: str) -> None:
    assert os_reason(error) == reason
