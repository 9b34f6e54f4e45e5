"""``rankcast compress IN OUT.rkc``: one picture to one packet in a file."""

from __future__ import annotations

from pathlib import Path

import click

from rankcast.atomic_file import write_whole
from rankcast.commands.codec_choice import choose_codec, codec_options
from rankcast.commands.terminal import psnr_text, ratio_text, size_text
from rankcast.decoder import Decoder
from rankcast.encoder import Encoder
from rankcast.errors import LimitError, SettingsError
from rankcast.images import load_image
from rankcast.numerics import psnr_db
from rankcast.path_parameter import PATH
from rankcast.printable import printable
from rankcast.rank_cut import ranks_of
from rankcast.wire import OFFLINE, unpack


@click.command()
@click.argument("image", metavar="IN", type=PATH)
@click.argument("out", metavar="OUT.rkc", type=PATH)
@codec_options
@click.option("--grey", is_flag=True, help="Convert the picture to grey first.")
def compress(image: Path, out: Path, codec: str | None, sets: tuple[str, ...], grey: bool) -> None:
    """Compress the picture IN into the file OUT.rkc.

    Prints bytes, ratio to the raw samples and the PSNR of what `decompress` will return.
    The svd codec uses its exact engine unless --set codec.engine selects another.
    """
    choice = choose_codec(codec, sets)
    if out.exists() and image.exists() and out.samefile(image):
        raise SettingsError(f"got {out} as IN and OUT, want two files")
    loaded = load_image(image, grey=grey)
    pixels = loaded.pixels
    OFFLINE.check_shape(pixels.shape)
    packet = Encoder(choice.name, **choice.options).encode(pixels)
    if len(packet) > OFFLINE.max_packet_bytes:
        raise LimitError(
            f"got a packet of {len(packet)} bytes, the limit of a file is "
            f"{OFFLINE.max_packet_bytes}: choose a lower rank or quality"
        )
    # Decoded first, so that only decodable files are written.
    psnr = psnr_db(pixels, Decoder(OFFLINE).decode(packet))
    write_whole(out, packet)
    whole = unpack(packet, OFFLINE)
    rank, lower = whole.header.rank, [max(ranks) for ranks in ranks_of(whole)[:-1]]
    how = choice.name + (f" rank {'/'.join(map(str, rank))}" if rank else "")
    if lower:
        how += f" (can be cut to {', '.join(map(str, lower))})"
    # The PSNR covers only the pixels that were read, so content omitted from them is listed too.
    omitted = f", without {loaded.omitted}" if loaded.omitted else ""
    click.echo(
        f"{printable(out)}: {size_text(pixels.shape, pixels.dtype)}{omitted}, {how}, "
        f"{len(packet):,} bytes, {ratio_text(pixels.nbytes, len(packet))} "
        f"(raw {pixels.nbytes:,}), PSNR {psnr_text(psnr)}"
    )
