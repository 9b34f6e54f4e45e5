"""Writes the malicious corpus: `python tests/corpus/make.py`.

Every file must be refused: by a WireError or, where only a sequence is wrong, by a counted loss.
They are made of the checked-in seeds and of packets put together by hand, so that they come out
the same everywhere. `.msg` is one message (topic, NUL, packet), `.seq` several
(tests/support/intake.py), `.ctl` one message of the control channel, `.rkm` a model file.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TESTS))

from corpus.hostile.control import control  # noqa: E402
from corpus.hostile.factors import svd, svd_patch  # noqa: E402
from corpus.hostile.messages import Files  # noqa: E402
from corpus.hostile.methods import gan, kmeans, pca  # noqa: E402
from corpus.hostile.models import models  # noqa: E402
from corpus.hostile.pictures import any_decoder, jpeg, lossless, raw  # noqa: E402
from corpus.hostile.receptions import receptions  # noqa: E402
from corpus.hostile.sequences import sequences  # noqa: E402
from corpus.hostile.wire import status, topics, wire  # noqa: E402

MALICIOUS = TESTS / "corpus" / "malicious"


def build() -> dict[str, bytes]:
    """Every file of the malicious corpus by its path below `malicious`."""
    parts: tuple[Callable[[], Files], ...] = (
        topics, wire, status, raw, jpeg, lossless, svd, svd_patch, pca, kmeans, gan, models,
        sequences, receptions, control,
    )  # fmt: skip
    files: dict[str, bytes] = {}
    for make in parts:
        for name, data in make():
            assert name not in files, name
            files[name] = data
    for target, name in (("lossless", "deep"), ("svd", "grey_coded"), ("svd-patch", "grey"),
                         ("jpeg", "grey"), ("raw", "deep"), ("pca", "rows_grey"),
                         ("pca", "patches_grey"), ("kmeans", "grey"), ("gan", "grey")):  # fmt: skip
        files |= dict(any_decoder(target, name))
    # Parameters of which these codecs have none.
    for name in [name for name in files if name.endswith("_params.msg")]:
        if name.startswith(("raw/", "jpeg/")):
            del files[name]
    # libjpeg stops where the picture ends.
    del files["jpeg/grey_long.msg"]
    return files


def main() -> None:
    """Write all files and remove those that are made no more."""
    files = build()
    for path in MALICIOUS.rglob("*.*"):
        if path.is_file() and path.relative_to(MALICIOUS).as_posix() not in files:
            path.unlink()
    for name, data in files.items():
        path = MALICIOUS / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    print(f"{len(files)} files, {sum(map(len, files.values()))} bytes")  # noqa: T201


if __name__ == "__main__":
    main()
