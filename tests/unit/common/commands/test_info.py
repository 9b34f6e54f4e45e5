"""`info`: everything the header says, as a table and as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import rankcast
from rankcast.codec.pca.components import principal_components
from rankcast.codec.pca.frames import write_frame_model
from rankcast.commands.info import info
from rankcast.errors import ModelError, WireError
from rankcast.models import read_head, write_model
from rankcast.wire import Header, Kind, pack

STREAM = bytes(range(8))
FULL = Header(
    kind=Kind.KEY,
    stream_id=STREAM,
    sequence=5,
    frame=9,
    layer=2,
    codec=1,
    params=(3, 0.5, float("inf")),
    shape=(4, 6, 3),
    dtype_bytes=2,
    significant_bits=12,
    cfa=1,
    t_capture_mono_ns=77,
    t_capture_utc_ns=1_795_176_001_000_000_007,
    device_frame_id=31,
    device_time_ns=41,
    squared_error=1000,
    energy_ppb=987_654_321,
    rank=(2, 3, 4),
    model_id=b"\x01\xff",
    checksum=99,
    meta={"serial": "A17", "blob": b"\x00\x01", "none": None},
    x={"later": {"deep": (1, b"\x02")}},
)


def write(path: Path, packet: bytes) -> Path:
    path.write_bytes(packet)
    return path


def run(*arguments: object) -> str:
    result = CliRunner().invoke(info, [str(argument) for argument in arguments])
    assert result.exit_code == 0, repr(result.exception)
    return result.output


def run_json(path: Path) -> Any:
    def refuse(text: str) -> None:
        raise AssertionError(f"{text} is no JSON")

    return json.loads(run(path, "--json"), parse_constant=refuse)


def test_json_holds_every_field_of_the_header(tmp_path: Path) -> None:
    path = write(tmp_path / "a.rkc", pack(FULL, b"12345"))
    fields = run_json(path)
    assert fields["kind"] == "key"
    assert fields["codec"] == "svd"
    assert fields["shape"] == [4, 6, 3]
    assert fields["dtype"] == "uint16"
    assert fields["significant_bits"] == 12
    assert fields["cfa"] == "RGGB"
    assert fields["rank"] == [2, 3, 4]
    assert fields["energy"] == pytest.approx(0.987654321)
    assert fields["psnr_db"] == pytest.approx(10 * np.log10(65535**2 * 72 / 1000))
    assert fields["lossless"] is False
    assert fields["bytes"] == path.stat().st_size
    assert fields["body_bytes"] == 5
    assert fields["raw_bytes"] == 144
    assert fields["t_capture_utc"] == "2026-11-20T12:00:01.000000007Z"
    assert fields["stream_id"] == STREAM.hex()
    assert fields["params"] == [3, 0.5, "inf"]
    assert fields["model_id"] == "01ff"
    assert fields["meta"] == {"serial": "A17", "blob": "0001", "none": None}
    assert fields["x"] == {"later": {"deep": [1, "02"]}}
    for name in (
        "sequence", "frame", "layer", "t_capture_mono_ns", "t_capture_utc_ns", "device_frame_id",
        "device_time_ns", "squared_error", "checksum",
    ):  # fmt: skip
        assert fields[name] == getattr(FULL, name)


def test_json_names_as_many_fields_as_the_wire_has(tmp_path: Path) -> None:
    # A field added to the header must be added here: renamed ones are counted by hand.
    renamed = {"dtype_bytes": "dtype", "codec": "codec_id", "energy_ppb": "energy"}
    fields = run_json(write(tmp_path / "a.rkc", pack(FULL)))
    names = {renamed.get(name, name) for name in Header.__dataclass_fields__}
    names -= {"utc_drift_ns"}  # stands for the UTC clock until the header is completed
    assert names <= fields.keys()


def test_table_shows_what_matters_of_a_real_packet(tmp_path: Path) -> None:
    pixels = np.arange(48, dtype=np.uint8).reshape(4, 12)
    packet = rankcast.Encoder("raw").encode(pixels, meta={"serial": "A17"})
    text = run(write(tmp_path / "a.rkc", packet))
    for words in ("raw (id 0)", "12 x 4, grey, uint8", f"{len(packet):,}", "exact", '"A17"'):
        assert words in text


def test_json_of_an_exact_and_of_an_unjudged_picture_differ(tmp_path: Path) -> None:
    pixels = np.zeros((4, 12), np.uint8)
    exact = run_json(write(tmp_path / "a.rkc", rankcast.Encoder("raw").encode(pixels)))
    unjudged = run_json(write(tmp_path / "b.rkc", rankcast.Encoder("jpeg").encode(pixels)))
    assert (exact["psnr_db"], exact["lossless"]) == (None, True)
    assert (unjudged["psnr_db"], unjudged["lossless"]) == (None, None)


@pytest.mark.parametrize("kind", [Kind.STATUS, Kind.END])
def test_a_packet_without_a_picture_is_shown_too(tmp_path: Path, kind: Kind) -> None:
    path = write(tmp_path / "a.rkc", pack(Header(kind=kind, stream_id=STREAM, sequence=3), b"\x80"))
    assert kind.name.lower() in run(path)
    assert run_json(path)["shape"] is None


def test_a_predicted_frame_says_what_the_file_lacks(tmp_path: Path) -> None:
    encoder = rankcast.Encoder("svd-patch")
    for _ in range(3):
        packet = encoder.encode(np.zeros((16, 24), np.uint8))
    path = write(tmp_path / "a.rkc", packet)
    fields = run_json(path)
    assert (fields["kind"], fields["sequence"], fields["ref_sequence"]) == ("predicted", 2, 1)
    for name in ("codec", "codec_id", "shape", "dtype", "params", "rank", "t_capture_utc_ns"):
        assert fields[name] is None
    text = " ".join(run(path).split())
    assert "left out" in text
    assert "t_capture_utc_ns: those of frame 1" in text


def test_a_codec_that_is_not_installed_is_shown_by_its_number(tmp_path: Path) -> None:
    header = Header(kind=Kind.KEY, stream_id=STREAM, sequence=0, codec=4711, shape=(1, 1))
    path = write(tmp_path / "a.rkc", pack(header))
    assert "unknown here (id 4711)" in run(path)
    assert run_json(path)["codec"] is None


def test_foreign_text_cannot_drive_the_terminal(tmp_path: Path) -> None:
    meta = {"evil\x1b[2J": "\x1b]0;owned\x07[bold red]"}
    packet = rankcast.Encoder("raw").encode(np.zeros((2, 2), np.uint8), meta=meta)
    text = run(write(tmp_path / "a.rkc", packet))
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "[bold red]" in text


def test_metadata_is_printed_as_json(tmp_path: Path) -> None:
    meta = {"on": True, "none": None, "blob": b"\x00\xff", "text": 'a "b"', "half": 0.5}
    packet = rankcast.Encoder("raw").encode(np.zeros((2, 2), np.uint8), meta=meta)
    lines = run(write(tmp_path / "a.rkc", packet)).splitlines()
    shown = dict(line.removeprefix("meta ").split(None, 1) for line in lines if "meta " in line)
    want = {"on": "true", "none": "null", "blob": '"00ff"', "text": '"a \\"b\\""', "half": "0.5"}
    assert {name: value.strip() for name, value in shown.items()} == want


def test_a_time_past_the_calendar_is_no_crash(tmp_path: Path) -> None:
    header = Header(kind=Kind.END, stream_id=STREAM, sequence=0, t_capture_utc_ns=2**64 - 1)
    fields = run_json(write(tmp_path / "a.rkc", pack(header)))
    assert fields["t_capture_utc"].startswith("2554-")


@pytest.mark.parametrize("cut", [0, 3, 15, 40, -1])
def test_a_truncated_file_is_one_line_and_exit_1(tmp_path: Path, cut: int) -> None:
    packet = pack(FULL, b"12345")
    path = write(tmp_path / "bad.rkc", packet[:cut])
    error = CliRunner().invoke(info, [str(path)]).exception
    assert isinstance(error, WireError)
    assert error.exit_code == 1
    assert str(error).startswith(str(path))
    assert "\n" not in str(error)


GAN_MODEL = Path(__file__).resolve().parents[3] / "golden" / "gan" / "model.rkm"


def frame_model(path: Path) -> Path:
    pictures = np.random.default_rng(4).integers(0, 256, (30, 6, 9, 3), np.uint8)
    found = principal_components(pictures.reshape(30, -1).astype(np.float64))
    write_frame_model(path, found, 7, (6, 9, 3), np.dtype(np.uint8))
    return path


def test_a_model_of_pca_says_its_shape_and_components(tmp_path: Path) -> None:
    path = frame_model(tmp_path / "m.rkm")
    output, fields = run(path), run_json(path)
    model_id = read_head(path).model_id.hex()
    for words in ("model of pca", model_id, "9 x 6, colour, uint8", "7, ", f"{fields['bytes']:,}"):
        assert words in output
    assert (fields["kind"], fields["model_id"]) == ("pca", model_id)
    assert (fields["shape"], fields["components"]) == ([6, 9, 3], 7)
    assert fields["bytes"] == path.stat().st_size
    assert 0 < fields["variance_held"] < 1


def test_a_model_of_gan_says_its_labels_and_training_without_torch() -> None:
    output, fields = run(GAN_MODEL), run_json(GAN_MODEL)
    head = read_head(GAN_MODEL)
    assert fields["model_id"] == head.model_id.hex()
    assert fields["labels"] == head.description["labels"]
    assert fields["description"]["training"] == head.description["training"]
    for label in fields["labels"]:
        assert f"{label}: " in output
    for line in (
        "training elapsed  28.3 s", "training frames   50",
        "training weights  adversarial 0.003, mse 20, rate 0.1",
    ):  # fmt: skip
        assert line in output
    assert "{" not in output
    assert "[" not in output


def test_a_packet_in_bands_lists_what_each_is_worth(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    data = rankcast.Encoder("svd", rank=32).encode(rng.integers(0, 255, (40, 60), np.uint8))
    path = write(tmp_path / "a.rkc", data)
    bands = run_json(path)["bands"]
    assert [band["rank"] for band in bands] == [[8], [16], [32]]
    assert [band["bytes"] for band in bands] == sorted(band["bytes"] for band in bands)
    assert bands[-1]["bytes"] == len(data)
    assert bands[0]["energy"] < bands[1]["energy"] < bands[2]["energy"]
    assert bands[0]["psnr_db"] < bands[2]["psnr_db"]
    output = run(path)
    assert output.count("cut to rank") == 2
    assert f"8: {bands[0]['bytes']:,} bytes, energy kept" in output


def test_bands_that_contradict_each_other_are_none(tmp_path: Path) -> None:
    path = write(tmp_path / "a.rkc", pack(FULL, b"12345"))
    assert run_json(path)["bands"] is None
    assert "cut to rank" not in run(path)


def test_a_model_file_that_is_damaged_or_none_is_one_line(tmp_path: Path) -> None:
    whole = frame_model(tmp_path / "m.rkm").read_bytes()
    path = tmp_path / "bad.rkm"
    for content, said in (
        (whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:], "damaged"),
        (whole[:-9], "truncated"),
        (b"nothing at all", "not a model file"),
    ):
        path.write_bytes(content)
        error = CliRunner().invoke(info, [str(path)]).exception
        assert isinstance(error, ModelError)
        assert said in str(error)
        assert "\n" not in str(error)


def test_what_a_hostile_model_says_is_plain_json_or_an_error(tmp_path: Path) -> None:
    path = tmp_path / "m.rkm"
    nested: list[Any] = []
    for _ in range(400):
        nested = [nested]
    write_model(path, "odd\x1b[2J", {"training": {"\x1b[31m": nested}}, {})
    output = run(path)
    assert "\x1b" not in output
    assert run_json(path)["kind"] == "odd\x1b[2J"
