"""The file of keys that cameras had when they were first found."""

from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path

import pytest
import zmq
from hypothesis import given
from hypothesis import strategies as st

from rankcast.errors import RankcastError, SettingsError
from rankcast.net import KnownCameras, fingerprint

ONE, TWO = zmq.curve_keypair()[0], zmq.curve_keypair()[0]
posix = pytest.mark.skipif(os.name == "nt", reason="Windows has no file modes")


def test_the_first_key_of_a_camera_counts(tmp_path: Path) -> None:
    known = KnownCameras(tmp_path / "known_cameras")
    assert known.key_of("line3@station7") is None
    known.add("line3@station7", ONE)
    known.add("line4", TWO)
    assert known.add("line3@station7", TWO) == ONE
    assert known.add("line5", TWO) == TWO
    assert KnownCameras(known.path).key_of("line3@station7") == ONE
    assert known.key_of("line4") == TWO
    assert known.key_of("line3") is None


@posix
def test_the_file_belongs_to_its_owner_alone_whatever_the_umask(tmp_path: Path) -> None:
    known, before = KnownCameras(tmp_path / "known_cameras"), os.umask(0o000)
    try:
        known.add("line3", ONE)
    finally:
        os.umask(before)
    assert stat.S_IMODE(known.path.stat().st_mode) == 0o600


@posix
def test_a_file_that_others_may_write_is_refused(tmp_path: Path) -> None:
    known = KnownCameras(tmp_path / "known_cameras")
    known.add("line3", ONE)
    known.path.chmod(0o620)
    with pytest.raises(SettingsError, match=r"mode 0620.*chmod 600"):
        known.key_of("line3")


def test_comments_and_empty_lines_are_skipped_and_a_removed_line_is_forgotten(
    tmp_path: Path,
) -> None:
    known = KnownCameras(tmp_path / "known_cameras")
    known.path.write_text(f"# mine\n\nline3 {ONE.decode()}\n")
    known.path.chmod(0o600)
    assert known.key_of("line3") == ONE
    known.path.write_text("# mine\n")
    assert known.key_of("line3") is None


@given(
    st.binary(max_size=80).filter(
        lambda line: len(line.decode("ascii", "replace").splitlines()) < 2
    )
)
def test_a_line_that_is_none_is_refused_and_not_quoted(
    tmp_path_factory: pytest.TempPathFactory, line: bytes
) -> None:
    path = tmp_path_factory.mktemp("known") / "known_cameras"
    path.write_bytes(line)
    path.chmod(0o600)
    text = line.decode("ascii", "replace").strip()
    blank = not text or text.startswith("#")
    with nullcontext() if blank else pytest.raises(SettingsError, match="is not CAMERA KEY"):
        assert KnownCameras(path).key_of("line3") is None


@pytest.mark.parametrize(
    "last",
    [f"line4 {TWO.decode()}", "# kept by hand", "", "\n"],
    ids=["a line", "a comment", "nothing", "a newline"],
)
def test_a_key_is_kept_on_a_line_of_its_own_whatever_the_file_ends_with(
    tmp_path: Path, last: str
) -> None:
    known = KnownCameras(tmp_path / "known_cameras")
    known.path.write_text(last)
    known.path.chmod(0o600)
    assert known.add("line3", ONE) == ONE
    assert known.key_of("line3") == ONE
    before = last if last.endswith("\n") or not last else f"{last}\n"
    assert known.path.read_text() == f"{before}line3 {ONE.decode()}\n"


def test_a_write_that_is_cut_short_leaves_nothing_and_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = KnownCameras(tmp_path / "known_cameras")
    known.add("line4", TWO)
    write = os.write
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", lambda file, data: write(file, data[:20]))
        with pytest.raises(RankcastError, match="line3 cannot be kept: No space left"):
            known.add("line3", ONE)
    assert known.path.read_text() == f"line4 {TWO.decode()}\n"


def test_of_receivers_that_find_a_camera_at_the_same_time_all_take_one_key(
    tmp_path: Path,
) -> None:
    path = tmp_path / "known_cameras"
    with ThreadPoolExecutor(8) as threads:
        kept = set(threads.map(lambda n: KnownCameras(path).add("line3", (ONE, TWO)[n % 2]),
                               range(16)))  # fmt: skip
    assert kept == {KnownCameras(path).key_of("line3")}
    assert len(path.read_text().splitlines()) == 1


def test_a_huge_file_a_folder_and_a_missing_folder_are_one_line_each(tmp_path: Path) -> None:
    huge = tmp_path / "huge"
    huge.write_bytes(b"#" * 300_000)
    huge.chmod(0o600)
    with pytest.raises(SettingsError, match="larger than"):
        KnownCameras(huge).key_of("line3")
    with pytest.raises(SettingsError, match="cannot be read"):
        KnownCameras(tmp_path).key_of("line3")
    with pytest.raises(RankcastError, match=r"cannot be kept.*--server-key"):
        KnownCameras(tmp_path / "none" / "known_cameras").add("line3", ONE)


def test_receivers_that_write_at_the_same_time_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "known_cameras"
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda n: KnownCameras(path).add(f"cam{n}", ONE), range(64)))
    assert all(KnownCameras(path).key_of(f"cam{n}") == ONE for n in range(64))


def test_a_fingerprint_is_that_of_the_key_and_of_no_other() -> None:
    assert fingerprint(ONE) == fingerprint(ONE) != fingerprint(TWO)
    assert fingerprint(b"0" * 40) == "SHA256:Zmh6rfhivXdsj8GLjp+OIAiXFIVu4jOzkCpZHQ1fKSU"
