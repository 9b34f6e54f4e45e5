"""``rankcast decompress IN.rkc OUT``: the picture of a packet file as PNG, TIFF or JPEG."""

from __future__ import annotations

from pathlib import Path

import click

from rankcast.atomic_file import read_whole
from rankcast.codec import codec_with_id
from rankcast.commands.terminal import psnr_text, size_text
from rankcast.decoder import Decoder
from rankcast.errors import NeedKeyframe, RankcastError, SettingsError, WireError
from rankcast.images import WRITTEN_SUFFIXES, write_image
from rankcast.path_parameter import EXISTING_FOLDER, PATH
from rankcast.printable import printable
from rankcast.rank_cut import MAX_RANK, cut_to_rank, ranks_of
from rankcast.wire import OFFLINE, Header, Packet, unpack


@click.command()
@click.argument("packet_file", metavar="IN.rkc", type=PATH)
@click.argument("out", metavar="OUT", type=PATH)
@click.option(
    "--models", type=EXISTING_FOLDER, metavar="DIR",
    help="Folder of model files (.rkm) of learned codecs.",
)  # fmt: skip
@click.option(
    "--rank", type=click.IntRange(1, MAX_RANK), metavar="N",
    help="Decode at most rank N of a packet of svd; `rankcast info` shows which ranks it has.",
)  # fmt: skip
def decompress(packet_file: Path, out: Path, models: Path | None, rank: int | None) -> None:
    """Decode the picture in IN.rkc and write it to OUT; the suffix selects PNG, TIFF or JPEG."""
    if out.suffix.lower() not in WRITTEN_SUFFIXES:
        raise SettingsError(
            f"got suffix {out.suffix!r:.20} of OUT, want one of {', '.join(WRITTEN_SUFFIXES)}"
        )
    data = read_whole(packet_file, OFFLINE.max_packet_bytes)
    try:
        packet = unpack(data, OFFLINE)
        if rank is not None:
            packet = _at_rank(packet, rank, packet_file)
        pixels = Decoder(OFFLINE, models=models).decode_packet(packet)
    except WireError as exc:
        raise type(exc)(f"{packet_file}: {exc}") from exc
    except NeedKeyframe as exc:
        raise RankcastError(
            f"{packet_file}: contains a predicted frame, whose picture and header need frame "
            f"{packet.header.ref_sequence} of its stream: decompress a key frame"
        ) from exc
    written = write_image(out, pixels, text=_description(packet.header))
    click.echo(
        f"{printable(out)}: {size_text(pixels.shape, pixels.dtype)}, {written:,} bytes "
        f"from {len(data):,}"
    )


def _at_rank(packet: Packet, rank: int, path: Path) -> Packet:
    """Return `packet` with the highest of its bands that has at most `rank`.

    Raises
    ------
    SettingsError
        If it has none.
    """
    ranks = ranks_of(packet)
    if not ranks:
        codec = codec_with_id(packet.header.codec).name
        raise SettingsError(f"got --rank for codec {codec} in {path}, only svd can be cut")
    if rank < (least := max(ranks[0])):
        raise SettingsError(f"got --rank {rank}, want at least {least}, the lowest of {path}")
    return cut_to_rank(packet, rank)


def _description(header: Header) -> str:
    """Return a text tag that names the codec, so that nobody mistakes the file for an original."""
    codec = codec_with_id(header.codec).name
    if header.psnr_db == float("inf"):
        return f"Rankcast, codec {codec}, lossless"
    rank = f", rank {' '.join(map(str, header.rank))}" if header.rank else ""
    psnr = "" if header.psnr_db is None else f", PSNR {psnr_text(header.psnr_db)}"
    return f"Rankcast, codec {codec}{rank}{psnr}, lossy"
