"""Compress the pictures of a folder to packets: python examples/compress_folder.py FOLDER OUT."""

import sys
from pathlib import Path

import rankcast
from rankcast.images import read_image
from rankcast.numerics import psnr_db

folder, out = Path(sys.argv[1]), Path(sys.argv[2])
out.mkdir(parents=True, exist_ok=True)

for path in sorted(folder.glob("*.png")):
    pixels = read_image(path)
    packet = rankcast.Encoder("svd-patch", quality=75).encode(
        pixels
    )  # a new encoder for each stream
    (out / path.with_suffix(".rkc").name).write_bytes(packet)
    rebuilt = rankcast.Decoder().decode(packet)
    print(f"{path.name}: {pixels.nbytes} to {len(packet)} bytes, {psnr_db(pixels, rebuilt):.1f} dB")
