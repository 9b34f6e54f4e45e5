"""The core leaves none of the arrays of `svd-patch`, whatever a stream says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from support.later import later

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.skipif(sys.platform != "linux", reason="guarded memory needs mprotect"),
]

_SCRIPT = """
import sys
sys.path[:0] = {paths!r}
import numpy as np
import rankcast
from rankcast.codec.svd_patch import basis, encoder, engine, picture, units
from rankcast.entropy import rangecoder
from support.guarded import guard
from support.moving_scene import noisy, scene
from test_codecs_bad_input import STREAMS, assault, coded
from test_svd_patch_golden import decode_golden, golden_files
guard(encoder, engine, picture, units, behind={behind})
def guarded_coder(contexts):
    coder = picture.np.zeros(rangecoder.REGISTERS + contexts, np.int64)
    coder[rangecoder.REGISTERS :] = rangecoder.FRESH_MODEL
    return coder
picture.new_coder = guarded_coder
{work}
print("harmless")
"""


def in_guarded_memory(work: str, *, behind: bool) -> None:
    """Do some work in a process whose arrays lie beside pages that nobody may touch."""
    here = Path(__file__).resolve()
    root = here.parents[4]
    paths = [str(here.parent), str(root / "tests"), str(root / "common")]
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT.format(paths=paths, behind=behind, work=work)],
        capture_output=True,
        text=True,
        timeout=560,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.strip() == "harmless"


@pytest.mark.parametrize("behind", [True, False])
@pytest.mark.parametrize(
    "work",
    [
        "for path in golden_files(): 'lossless' in path.stem or decode_golden(path)",
        # Odd sizes, and displacements that lead far out of the picture.
        "for shape in ((1, 1), (33, 47), (70, 9, 3), (40, 17, 5)):\n"
        "    coder = rankcast.Encoder('svd-patch', quality=97)\n"
        "    for number in range(4): coder.encode(scene(5 * number, shape))\n"
        "coder = rankcast.Encoder('svd-patch', colour='ycc444', rank=3)\n"
        "for number in range(3): coder.encode(noisy(number))",
    ],
    ids=["decoder", "encoder"],
)
def test_no_picture_makes_the_core_leave_its_arrays(work: str, behind: bool) -> None:
    in_guarded_memory(work, behind=behind)


@pytest.mark.parametrize("behind", [True, later(False)])
def test_no_broken_body_makes_the_decoder_leave_its_arrays(behind: bool) -> None:
    in_guarded_memory(
        "streams = [i for i, stream in enumerate(STREAMS) if stream[0] == 'svd-patch']\n"
        "assert sum(assault(coded(i), i, 40, 3) for i in streams) > 1000",
        behind=behind,
    )
