"""Packets of codec svd cut to a lower rank: bytes, PSNR and time.

    python benchmarks/rank_cut.py [--data DIR] [--quick] [--output FILE.json]

With ``--data`` the pictures are kodak/*.png and frames of video/*.mp4 at 1280 x 720; without it the
script draws moving synthetic ones. Each is encoded once at rank 0.1, the default, and cut to
each of its bands; the peer is an encoder that is told that rank to begin with.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from command_line import data_name, finish, option_parser
from record import REPOSITORY, Record, Row, at_most, rounded

import rankcast
from rankcast.opencv import cv2
from rankcast.rank_cut import RankCut, ranks_of
from rankcast.wire import unpack

# The scene belongs to the tests.
sys.path.insert(0, str(REPOSITORY / "tests"))

from support.moving_scene import scene

SHAPE: Final = (720, 1280, 3)
REPEATS: Final = 200
NAMES: Final = {8: "an eighth", 4: "a quarter", 2: "a half"}
"""Bands by the share of the rank that they have."""


@dataclass(frozen=True, slots=True)
class Cut:
    """One picture at one of its bands; ratios are those of the cut to the peer's."""

    of_whole: float
    """Bytes over those of the whole packet."""
    of_direct: float
    """Bytes over those of an encode at that rank."""
    below_whole_db: float
    below_direct_db: float
    cut_us: float
    parse_us: float
    """Time to parse the whole packet and check its CRC-32, which a relay pays for each."""
    decode_ratio: float
    """Time to decode over that of the whole packet."""


def psnr_db(a: Any, b: Any) -> float:
    """Return the PSNR of 8-bit pictures."""
    return float(10 * np.log10(255**2 / np.mean((a.astype(np.float64) - b) ** 2)))


def pictures(data: Path | None, quick: bool) -> Iterator[Any]:
    """Yield the pictures to encode."""
    if data is None:
        yield from (scene(number, SHAPE) for number in range(2 if quick else 6))
        return
    for path in sorted((data / "kodak").glob("*.png"))[: 2 if quick else None]:
        yield cv2.imread(str(path))
    for path in sorted((data / "video").glob("*.mp4"))[: 1 if quick else None]:
        video = cv2.VideoCapture(str(path))
        read, frame = video.read()
        video.release()
        if read:
            yield cv2.resize(frame, SHAPE[1::-1], interpolation=cv2.INTER_AREA)


def shortest_us(work: Callable[[], object], repeats: int) -> float:
    """Return the shortest of several times: what other programs take is none of it."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return 1e6 * min(times)


def measure(picture: Any, repeats: int) -> dict[int, Cut]:
    """Return the cuts of one picture by the share of its rank that they leave."""
    data = rankcast.Encoder("svd", engine="exact").encode(picture)
    packet = unpack(data)
    decoder = rankcast.Decoder()
    whole_db = psnr_db(picture, decoder.decode(data))
    decode_us = shortest_us(lambda: decoder.decode(data), 5)
    parse_us = shortest_us(lambda: unpack(data), repeats)
    full = max(packet.header.rank)
    found = {}
    for ranks in ranks_of(packet)[:-1]:
        rank = max(ranks)
        cutter = RankCut(rank, "cam")
        cut = cutter.cut_bytes(data)
        direct = rankcast.Encoder("svd", engine="exact", rank=rank).encode(picture)
        cut_db = psnr_db(picture, decoder.decode(cut))
        view = memoryview(data)
        found[round(full / rank)] = Cut(
            of_whole=len(cut) / len(data),
            of_direct=len(cut) / len(direct),
            below_whole_db=whole_db - cut_db,
            below_direct_db=psnr_db(picture, decoder.decode(direct)) - cut_db,
            cut_us=shortest_us(lambda cutter=cutter, view=view: cutter.cut(packet, view), repeats),
            parse_us=parse_us,
            decode_ratio=shortest_us(lambda cut=cut: decoder.decode(cut), 5) / decode_us,
        )
    return found


def rows(cuts: dict[int, list[Cut]]) -> list[Row]:
    """Return means over pictures, geometric for ratios."""

    def ratio(values: list[float]) -> float:
        return statistics.geometric_mean(values)

    found = []
    for share in sorted(cuts):
        some, name = cuts[share], f"cut to {NAMES[share]} of the rank"
        found += [
            Row(f"{name}: bytes", None, "", None, "the whole packet",
                ratio([cut.of_whole for cut in some])),
            Row(f"{name}: bytes beside an encode at that rank", None, "", None, "such an encode",
                ratio([cut.of_direct for cut in some])),
            Row(f"{name}: PSNR below the whole packet",
                statistics.mean(cut.below_whole_db for cut in some), "dB"),
            Row(f"{name}: PSNR below an encode at that rank",
                statistics.mean(cut.below_direct_db for cut in some), "dB", at_most(0.1)),
            Row(f"{name}: time", statistics.median(cut.cut_us for cut in some), "us", None,
                "parsing the whole packet", ratio([cut.cut_us / cut.parse_us for cut in some])),
            Row(f"{name}: time to decode", None, "", None, "the whole packet",
                ratio([cut.decode_ratio for cut in some])),
        ]  # fmt: skip
    return found


def main() -> int:
    """Measure every picture and write the record."""
    options = option_parser(__doc__, data=True).parse_args()
    rankcast.set_threads(2)
    cuts: dict[int, list[Cut]] = defaultdict(list)
    count = 0
    for picture in pictures(options.data, options.quick):
        count += 1
        for share, cut in measure(picture, 20 if options.quick else REPEATS).items():
            if share in NAMES:
                cuts[share].append(cut)
    record = Record(
        "rank-cut",
        "Rank on the way",
        f"{count} pictures encoded by `svd` at rank 0.1 and cut to each of their bands, without"
        " decoding: bytes and PSNR beside the whole packet and beside an encoder that was told that"
        " rank, which quantises more coarsely. Times are the shortest of many.",
        rounded(rows(cuts)),
        data_name(options.data),
        quick=options.quick,
    )
    return finish(record, options.output)


if __name__ == "__main__":
    sys.exit(main())
