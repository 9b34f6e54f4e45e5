"""`compress` and `decompress`: pictures to packet files and back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from click.testing import CliRunner, Result

from rankcast.commands.compress import compress
from rankcast.commands.decompress import decompress
from rankcast.errors import (
    DamagedImageError,
    ImageFileError,
    LimitError,
    RankcastError,
    SettingsError,
    UnsupportedImageError,
    WireError,
)
from rankcast.frame import Pixels
from rankcast.images import read_image, read_text, write_image
from rankcast.wire import OFFLINE, Header, Kind, pack, unpack


def picture(shape: tuple[int, ...], dtype: type = np.uint8) -> Pixels:
    """A ramp with some noise: neither trivial nor hopeless for a lossy codec."""
    rng = np.random.default_rng(7)
    ramp = np.linspace(0.2, 0.8, int(np.prod(shape))).reshape(shape)
    noisy = ramp + rng.normal(0, 0.01, shape)
    return (noisy * np.iinfo(dtype).max).astype(dtype)


def invoke(command: click.Command, *arguments: object) -> Result:
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


def refusal(command: click.Command, *arguments: object) -> RankcastError:
    """The error that the command line turns into one line and an exit code."""
    error = invoke(command, *arguments).exception
    assert isinstance(error, RankcastError), repr(error)
    assert "\n" not in str(error)
    return error


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "in.png"
    write_image(path, picture((40, 60, 3)))
    return path


@pytest.mark.parametrize(
    ("shape", "dtype"), [((17, 23), np.uint8), ((23, 17, 3), np.uint8), ((9, 8), np.uint16),
                         ((8, 9, 3), np.uint16), ((1, 1), np.uint16)]
)  # fmt: skip
@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_raw_brings_every_picture_back_identical(
    tmp_path: Path, shape: tuple[int, ...], dtype: type, suffix: str
) -> None:
    original = picture(shape, dtype)
    source, packet, out = tmp_path / "in.tiff", tmp_path / "p.rkc", tmp_path / f"out{suffix}"
    write_image(source, original)
    coded = invoke(compress, source, packet, "--codec", "raw")
    assert coded.exit_code == 0, coded.output
    assert "PSNR exact" in coded.output
    decoded = invoke(decompress, packet, out)
    assert decoded.exit_code == 0, decoded.output
    rebuilt = read_image(out)
    assert rebuilt.dtype == original.dtype
    assert np.array_equal(rebuilt, original)


def test_compress_prints_bytes_ratio_and_psnr_of_what_it_wrote(image: Path, tmp_path: Path) -> None:
    packet = tmp_path / "p.rkc"
    result = invoke(compress, image, packet, "--codec", "jpeg", "--set", "codec.quality=60")
    assert result.exit_code == 0, result.output
    size = packet.stat().st_size
    assert f"{size:,} bytes" in result.output
    assert f"{7200 / size:.2f} : 1" in result.output
    assert " dB" in result.output


def test_svd_is_the_default_codec_with_its_exact_engine(image: Path, tmp_path: Path) -> None:
    packet = tmp_path / "p.rkc"
    result = invoke(compress, image, packet, "--set", "codec.rank=7")
    assert result.exit_code == 0, result.output
    assert "svd rank 7/7/7" in result.output
    assert unpack(packet.read_bytes()).header.rank == (7, 7, 7)
    out = tmp_path / "out.png"
    assert invoke(decompress, packet, out).exit_code == 0
    assert read_image(out).shape == (40, 60, 3)


def test_grey_compresses_the_luma_of_a_colour_picture(image: Path, tmp_path: Path) -> None:
    packet = tmp_path / "p.rkc"
    assert invoke(compress, image, packet, "--codec", "raw", "--grey").exit_code == 0
    assert unpack(packet.read_bytes()).header.shape == (40, 60)


def test_a_rebuilt_picture_says_inside_that_it_is_lossy(image: Path, tmp_path: Path) -> None:
    packet, out = tmp_path / "p.rkc", tmp_path / "out.png"
    invoke(compress, image, packet, "--codec", "jpeg")
    invoke(decompress, packet, out)
    assert read_text(out) == "Rankcast, codec jpeg, lossy"
    invoke(compress, image, packet, "--codec", "raw")
    invoke(decompress, packet, out)
    assert read_text(out) == "Rankcast, codec raw, lossless"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--codec", "nope"], ["nope", "raw", "svd"]),
        (["--codec", "jpeg", "--set", "codec.qality=3"], ["qality", "quality"]),
        (["--codec", "jpeg", "--set", "codec.quality=101"], ["101", "100"]),
        (["--codec", "jpeg", "--set", "codec.quality=high"], ["'high'"]),
        (["--set", "grab.fps=3"], ["grab", "codec"]),
        (["--set", "codec.rank"], ["codec.rank", "="]),
    ],
)
def test_a_wrong_setting_is_exit_2_and_names_value_and_what_is_allowed(
    image: Path, tmp_path: Path, arguments: list[str], words: list[str]
) -> None:
    error = refusal(compress, image, tmp_path / "p.rkc", *arguments)
    assert isinstance(error, SettingsError)
    assert error.exit_code == 2
    assert all(word in str(error) for word in words), str(error)
    assert not (tmp_path / "p.rkc").exists()


def test_a_picture_is_never_compressed_onto_itself(image: Path) -> None:
    before = image.read_bytes()
    assert isinstance(refusal(compress, image, image, "--codec", "raw"), SettingsError)
    assert image.read_bytes() == before


def test_an_exact_packet_names_what_the_picture_lost_before(tmp_path: Path) -> None:
    source = tmp_path / "alpha.png"
    write_image(source, picture((5, 6, 4)))
    result = invoke(compress, source, tmp_path / "p.rkc", "--codec", "raw")
    assert "6 x 5, colour, uint8, without its alpha channel, raw" in result.output
    assert "PSNR exact" in result.output


def test_a_damaged_picture_is_refused_with_its_name(tmp_path: Path) -> None:
    source = tmp_path / "torn.jpg"
    write_image(source, picture((64, 64, 3)))
    data = source.read_bytes()
    source.write_bytes(data[: len(data) // 2] + data[len(data) // 2 + 200 :])
    error = refusal(compress, source, tmp_path / "p.rkc", "--codec", "raw")
    assert isinstance(error, DamagedImageError)
    assert "torn.jpg: is damaged" in str(error)


def test_compress_of_what_is_no_picture_fails_in_one_line_and_writes_nothing(
    tmp_path: Path,
) -> None:
    text = tmp_path / "in.png"
    text.write_text("no picture")
    assert isinstance(refusal(compress, text, tmp_path / "p.rkc"), ImageFileError)
    assert isinstance(refusal(compress, tmp_path / "missing.png", tmp_path / "p"), ImageFileError)
    assert sorted(tmp_path.iterdir()) == [text]


def test_a_16_bit_picture_is_refused_by_jpeg_and_leaves_no_file(tmp_path: Path) -> None:
    source = tmp_path / "in.png"
    write_image(source, picture((5, 6), np.uint16))
    error = refusal(compress, source, tmp_path / "p.rkc", "--codec", "jpeg")
    assert isinstance(error, UnsupportedImageError)
    assert sorted(tmp_path.iterdir()) == [source]


def test_a_folder_that_does_not_exist_is_named_and_nothing_is_left(
    image: Path, tmp_path: Path
) -> None:
    error = refusal(compress, image, tmp_path / "nowhere" / "p.rkc", "--codec", "raw")
    assert error.exit_code == 1
    assert "nowhere" in str(error)
    assert sorted(tmp_path.iterdir()) == [image]


def test_a_packet_of_svd_is_decoded_at_one_of_its_lower_ranks(tmp_path: Path, image: Path) -> None:
    packet, out = tmp_path / "a.rkc", tmp_path / "out.png"
    said = invoke(compress, image, packet, "--codec", "svd", "--set", "codec.rank=32").output
    assert "svd rank 32/32/32 (can be cut to 8, 16)" in said
    for wanted, rank in ((31, 16), (16, 16), (15, 8), (32, 32), (99, 32)):
        assert invoke(decompress, packet, out, "--rank", wanted).exit_code == 0
        assert f", rank {rank} {rank} {rank}, " in read_text(out)
    assert "want at least 8" in str(refusal(decompress, packet, out, "--rank", 7))
    assert invoke(decompress, packet, out, "--rank", 0).exit_code == 2


def test_a_packet_without_bands_has_one_rank(tmp_path: Path, image: Path) -> None:
    packet = tmp_path / "a.rkc"
    invoke(compress, image, packet, "--codec", "jpeg")
    error = refusal(decompress, packet, tmp_path / "out.png", "--rank", 7)
    assert isinstance(error, SettingsError)
    assert "got --rank for codec jpeg" in str(error)


def test_a_packet_that_decompress_would_refuse_is_not_written(
    image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = type(OFFLINE)(max_packet_bytes=1000)
    monkeypatch.setattr("rankcast.commands.compress.OFFLINE", small)
    error = refusal(compress, image, tmp_path / "p.rkc", "--codec", "raw")
    assert isinstance(error, LimitError)
    assert "1000" in str(error)
    assert sorted(tmp_path.iterdir()) == [image]


@pytest.fixture
def packet(image: Path, tmp_path: Path) -> bytes:
    path = tmp_path / "good.rkc"
    assert invoke(compress, image, path, "--codec", "jpeg").exit_code == 0
    return path.read_bytes()


@pytest.mark.parametrize(
    ("damage", "word"),
    [
        (lambda data: data[:0], "0 bytes"),
        (lambda data: b"PK" + data[2:], "magic"),
        (lambda data: data[:3] + b"\x09" + data[4:], "version 9"),
        (lambda data: data[:-7], "cut or damaged"),
        (lambda data: data + b"\0", "cut or damaged"),
        (lambda data: data[:60] + bytes([data[60] ^ 1]) + data[61:], "CRC-32"),
    ],
)
def test_a_damaged_packet_is_one_line_with_the_file_named(
    packet: bytes, tmp_path: Path, damage: Any, word: str
) -> None:
    bad, out = tmp_path / "bad.rkc", tmp_path / "out.png"
    bad.write_bytes(damage(packet))
    error = refusal(decompress, bad, out)
    assert isinstance(error, WireError)
    assert error.exit_code == 1
    assert "bad.rkc" in str(error)
    assert word in str(error)
    assert not out.exists()


def test_a_predicted_frame_alone_names_the_frame_it_needs(tmp_path: Path) -> None:
    header = Header(
        kind=Kind.PREDICTED, stream_id=b"x" * 8, sequence=9, ref_sequence=8, utc_drift_ns=0
    )  # fmt: skip
    lonely = tmp_path / "lonely.rkc"
    lonely.write_bytes(pack(header, b"body"))
    error = refusal(decompress, lonely, tmp_path / "out.png")
    assert error.exit_code == 1
    assert "need frame 8 of its stream: decompress a key frame" in str(error)


def test_a_file_of_version_1_says_what_reads_it(tmp_path: Path) -> None:
    old = tmp_path / "old.rkc"
    old.write_bytes(b"RKC\xa5\1\0" + bytes(40))
    error = refusal(decompress, old, tmp_path / "out.png")
    assert isinstance(error, WireError)
    assert str(error) == (
        f"{old}: got a packet of version 1, this is version 2: update the sender, or decompress "
        "the file with the version that wrote it"
    )


@pytest.mark.parametrize("name", ["out.gif", "out", "out.webp"])
def test_a_suffix_that_cannot_be_written_is_refused_before_the_packet_is_read(
    tmp_path: Path, name: str
) -> None:
    error = refusal(decompress, tmp_path / "missing.rkc", tmp_path / name)
    assert isinstance(error, SettingsError)
    assert ".png" in str(error)


def test_16_bits_do_not_become_a_jpeg_and_nothing_is_left(tmp_path: Path) -> None:
    source, packet, out = tmp_path / "in.png", tmp_path / "p.rkc", tmp_path / "out.jpg"
    write_image(source, picture((5, 6), np.uint16))
    assert invoke(compress, source, packet, "--codec", "raw").exit_code == 0
    assert isinstance(refusal(decompress, packet, out), ImageFileError)
    assert sorted(tmp_path.iterdir()) == [source, packet]


def test_a_file_above_the_packet_limit_is_refused_before_it_is_read(tmp_path: Path) -> None:
    huge = tmp_path / "huge.rkc"
    with huge.open("wb") as file:
        file.truncate(OFFLINE.max_packet_bytes + 1)  # sparse
    assert isinstance(refusal(decompress, huge, tmp_path / "out.png"), LimitError)


def test_a_folder_or_a_missing_file_in_place_of_a_packet_is_one_line(tmp_path: Path) -> None:
    assert refusal(decompress, tmp_path, tmp_path / "out.png").exit_code == 1
    assert "missing" in str(refusal(decompress, tmp_path / "missing", tmp_path / "out.png"))
