"""Model files: what is written comes back, and nothing that is damaged or hostile does harm."""

from __future__ import annotations

import json
import os
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rankcast.errors import LimitError, ModelError, RankcastError
from rankcast.models import ModelFolder, read_head, read_model, write_model
from rankcast.models import model_folder as modelfolder
from rankcast.models.model_file import MAX_HEAD_BYTES

ARRAYS = {
    "weights": np.arange(6, dtype=np.float32).reshape(2, 3),
    "scalar": np.array(7.5, np.float64),
    "bytes": np.arange(5, dtype=np.uint8),
    "half": np.array([1.5, -2.0], np.float16),
    "none": np.zeros((0, 4), np.int64),
}
ABOUT = {"network": 1, "labels": ["Größe"], "share": 0.5}


def dated(folder: Path, name: str, kind: str, time_s: int, label: str) -> Path:
    path = folder / f"{name}.rkm"
    write_model(path, kind, {"label": label}, ARRAYS)
    os.utime(path, (time_s, time_s))
    return path


def test_the_newest_models_of_a_kind_are_found_once_each_and_whole(tmp_path: Path) -> None:
    old, newer, newest = (dated(tmp_path, n, "gan", t, n) for t, n in enumerate("abc", 1))
    dated(tmp_path, "copy", "gan", 0, "c")
    dated(tmp_path, "other", "pca", 9, "d")
    broken = dated(tmp_path, "broken", "gan", 8, "e")
    broken.write_bytes(broken.read_bytes()[:-1])
    (tmp_path / "junk.rkm").write_bytes(b"junk")
    assert ModelFolder(tmp_path).newest("gan", 9) == [newest, newer, old]
    assert ModelFolder(tmp_path).newest("gan", 2) == [newest, newer]
    assert ModelFolder().newest("gan", 2) == []


def written(folder: Path, **changes: Any) -> Path:
    path = folder / "m.rkm"
    write_model(path, "test", ABOUT | changes, ARRAYS)
    return path


def rebuilt(path: Path, change: Any) -> Path:
    """The file with its head changed; the arrays stay as they are."""
    data = path.read_bytes()
    (length,) = struct.unpack_from("<Q", data)
    table = json.loads(data[8 : 8 + length])
    change(table)
    head = json.dumps(table).encode()
    path.write_bytes(struct.pack("<Q", len(head)) + head + data[8 + length :])
    return path


def test_a_model_comes_back_as_it_was_written(tmp_path: Path) -> None:
    path = written(tmp_path)
    file = read_model(path, "test")
    assert file.head == read_head(path)
    assert file.head.description == ABOUT
    assert len(file.head.model_id) == 16
    assert file.size_bytes == path.stat().st_size
    assert file.arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert file.arrays[name].dtype == array.dtype
        assert file.arrays[name].shape == array.shape
        assert np.array_equal(file.arrays[name], array)


def test_the_file_is_one_that_safetensors_reads(tmp_path: Path) -> None:
    numpy = pytest.importorskip("safetensors.numpy")
    loaded = numpy.load_file(written(tmp_path))
    assert all(np.array_equal(loaded[name], array) for name, array in ARRAYS.items())


def test_the_id_follows_from_what_the_file_holds(tmp_path: Path) -> None:
    first = read_head(written(tmp_path)).model_id
    assert read_head(written(tmp_path)).model_id == first
    assert read_head(written(tmp_path, share=0.25)).model_id != first


def test_every_truncated_file_is_one_clear_error(tmp_path: Path) -> None:
    path = written(tmp_path)
    data = path.read_bytes()
    for end in range(len(data)):
        path.write_bytes(data[:end])
        with pytest.raises(ModelError, match=r"m\.rkm: ") as caught:
            read_model(path, "test")
        assert "\n" not in str(caught.value)


def test_a_changed_byte_anywhere_is_noticed(tmp_path: Path) -> None:
    path = written(tmp_path)
    data = path.read_bytes()
    for at in range(len(data)):
        changed = bytearray(data)
        changed[at] ^= 0x10
        path.write_bytes(changed)
        try:
            file = read_model(path, "test")
        except ModelError:
            continue
        # Blanks between the elements of the head mean nothing.
        assert file.head.description == ABOUT
        assert all(np.array_equal(file.arrays[name], array) for name, array in ARRAYS.items())


@given(st.binary(max_size=200))
def test_random_bytes_are_no_model(tmp_path_factory: Any, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "random.rkm"
    for content in (data, struct.pack("<Q", len(data)) + data):
        path.write_bytes(content)
        with pytest.raises(ModelError):
            read_model(path, "test")
        with pytest.raises(ModelError):
            read_head(path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t["weights"].update(shape=[2**14, 2**15]), "of 2147483648 bytes"),
        (
            lambda t: t["weights"].update(shape=[2**20, 2**20, 2**20]),
            "invalid dtype, shape or offset",
        ),
        (lambda t: t["weights"].update(shape=[2**40]), "shape"),
        (lambda t: t["weights"].update(shape=[-2, -3]), "shape"),
        (lambda t: t["weights"].update(shape=[True, 6]), "shape"),
        (lambda t: t["weights"].update(shape=[1] * 9), "shape"),
        (lambda t: t["weights"].update(dtype="BF16"), "dtype"),
        (lambda t: t["weights"].update(dtype=["F32"]), "dtype"),
        (lambda t: t["weights"].update(data_offsets=[0, 24]), "lies at"),
        (lambda t: t["weights"].update(data_offsets=[24, 0]), "lies at"),
        (lambda t: t.update(weights=None), "weights"),
        (lambda t: t.pop("weights"), "lies at|lists"),
        (lambda t: t.update({str(n): t["none"] for n in range(5000)}), "5005 arrays|names 5005"),
        (lambda t: t["__metadata__"].update(version="2"), "version '2', want 1"),
        (lambda t: t["__metadata__"].update(format="pt"), "not a model file of Rankcast"),
        (lambda t: t["__metadata__"].update(sha256="00"), "SHA-256"),
        (lambda t: t["__metadata__"].update(sha256="0" * 64), "SHA-256"),
        (lambda t: t["__metadata__"].update(description="[1]"), "description"),
        (lambda t: t["__metadata__"].update(kind="other"), "kind 'other', want 'test'"),
        (lambda t: t.pop("__metadata__"), "not a model file of Rankcast"),
    ],
)
def test_a_hostile_head_is_one_clear_error(tmp_path: Path, change: Any, said: str) -> None:
    with pytest.raises(ModelError, match=said) as caught:
        read_model(rebuilt(written(tmp_path), change), "test")
    assert "\n" not in str(caught.value)


def test_a_head_that_claims_to_be_huge_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.rkm"
    for length in (MAX_HEAD_BYTES + 1, 2**63):
        path.write_bytes(struct.pack("<Q", length))
        with pytest.raises(ModelError, match="the limit is"):
            read_head(path)


def test_a_deeply_nested_head_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "deep.rkm"
    head = b"[" * 100_000
    path.write_bytes(struct.pack("<Q", len(head)) + head)
    with pytest.raises(ModelError, match="JSON"):
        read_head(path)


def test_a_file_above_the_limit_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rankcast.models.model_file.MAX_FILE_BYTES", 100)
    with pytest.raises(LimitError, match="the limit is 100"):
        read_model(written(tmp_path), "test")


def test_what_is_no_file_is_a_clear_error(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.rkm", tmp_path):
        with pytest.raises(RankcastError):
            read_model(path, "test")
        with pytest.raises(RankcastError):
            read_head(path)
    os.mkfifo(tmp_path / "pipe.rkm")
    with pytest.raises(RankcastError):
        read_head(tmp_path / "pipe.rkm")


def test_a_folder_finds_models_by_id_and_notices_new_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(modelfolder, "RESCAN_S", 0.0)
    monkeypatch.setattr(modelfolder, "known_file", lambda _: None)
    (tmp_path / "broken.rkm").write_bytes(b"nothing")
    folder = ModelFolder(tmp_path)
    assert folder.candidates(b"\0" * 16) == []
    path = written(tmp_path)
    assert folder.candidates(read_head(path).model_id) == [path]
    old = read_head(path).model_id
    written(tmp_path, share=0.125)
    assert folder.candidates(read_head(path).model_id) == [path]
    assert folder.candidates(old) == []
    path.unlink()
    assert folder.candidates(read_head(written(tmp_path, share=0.75)).model_id) == [path]


def test_a_model_that_this_process_has_opened_needs_no_folder(tmp_path: Path) -> None:
    path = written(tmp_path, share=0.0625)
    model_id = read_head(path).model_id
    assert ModelFolder().candidates(model_id) == [path]
    path.unlink()
    assert ModelFolder().candidates(model_id) == []
