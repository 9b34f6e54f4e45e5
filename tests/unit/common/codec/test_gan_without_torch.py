"""Codec `gan` where torch is not installed: listed, not loaded, and clear about what is missing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

GOLDEN = Path(__file__).resolve().parents[3] / "golden" / "gan"

HIDDEN = "import sys; sys.modules['torch'] = None\n"
"""An import of torch then fails as it does where it is not installed."""


def python(script: str, *arguments: str) -> str:
    command = [sys.executable, "-c", f"import sys; sys.path[:0] = {sys.path!r}\n{script}"]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(
    "module",
    ["rankcast", "rankcast.codec", "rankcast.encoder",
     "rankcast.commands.train",
     "rankcast_receiver.app", "rankcast_sender.app"],
)  # fmt: skip
def test_nothing_loads_torch_before_gan_is_used(module: str) -> None:
    script = f"import {module}; import rankcast; rankcast.Encoder\nprint('torch' in sys.modules)"
    assert python(script) == "False"


def test_the_table_lists_gan_and_using_it_names_the_extra() -> None:
    said = python(
        HIDDEN + "import rankcast\nfrom rankcast.codec import CODECS\nprint(CODECS[7].name)\n"
        "try: rankcast.Encoder('gan', model='m.rkm')\n"
        "except rankcast.SettingsError as exc: print(exc)"
    )
    assert said == "gan\ncodec gan needs torch: pip install 'rankcast[gan]'"


def test_a_packet_is_refused_as_one_of_an_unknown_codec() -> None:
    said = python(
        HIDDEN + "import rankcast\n"
        "try: rankcast.Decoder().decode(open(sys.argv[1], 'rb').read())\n"
        "except rankcast.UnknownCodecError as exc: print(exc)",
        str(GOLDEN / "colour.rkc"),
    )
    assert said == "got a packet of codec gan: codec gan needs torch: pip install 'rankcast[gan]'"


def test_training_names_the_extra(tmp_path: Path) -> None:
    said = python(
        HIDDEN + "from rankcast.runtime.cli import main\n"
        "import contextlib, io\nerrors = io.StringIO()\n"
        "with contextlib.redirect_stderr(errors):\n"
        "    code = main(['train', 'gan', '--data', sys.argv[1], '--out', sys.argv[2]])\n"
        "print(code, errors.getvalue().strip())",
        str(tmp_path), str(tmp_path / "m.rkm"),
    )  # fmt: skip
    assert said.startswith("2 rankcast")
    assert said.endswith("codec gan needs torch: pip install 'rankcast[gan]'")
    assert "\n" not in said
