"""Promises of the repository itself: settings files, import directions, entry points, options."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from annotated_types import Ge, Le
from pydantic.fields import FieldInfo

import rankcast
from rankcast.codec import CODECS, CODECS_BY_NAME
from rankcast.numerics import psnr_db
from rankcast.settings import validate
from rankcast.settings.layers import file_layer
from rankcast_receiver.settings import ReceiverSettings
from rankcast_sender.settings import SenderSettings
from rankcast_sender.stream_table import StreamTable

REPOSITORY = Path(__file__).resolve().parents[2]
CONFIG = REPOSITORY / "config"


@pytest.mark.parametrize(
    ("name", "model"), [("sender.toml", SenderSettings), ("receiver.toml", ReceiverSettings)]
)
def test_the_settings_file_states_exactly_the_defaults(name: str, model: Any) -> None:
    stated = tomllib.loads((CONFIG / name).read_text(encoding="utf-8"))
    codecs = stated.get("codec", {})
    for codec, options in [(k, v) for k, v in codecs.items() if isinstance(v, dict)]:
        del codecs[codec]
        defaults = CODECS_BY_NAME[codec].options().effective()
        # What a camera station has otherwise than the Python API.
        defaults |= model().model_dump()["codec"].get(codec, {})
        for option, value in options.items():
            assert defaults[option] == value, f"{codec}.{option}"
    assert stated == model().model_dump() | ({"codec": codecs} if codecs else {})
    if codecs:
        assert codecs == {"name": model().codec.name}


@pytest.mark.parametrize(
    ("name", "model"), [("sender.toml", SenderSettings), ("receiver.toml", ReceiverSettings)]
)
def test_the_settings_file_loads(name: str, model: Any) -> None:
    loaded, default = validate(model, [file_layer(CONFIG / name)]), model()
    for field in model.model_fields:
        if field == "codec":  # the file holds a table for every codec; the named one counts
            assert loaded.codec.effective == default.codec.effective
        else:
            assert getattr(loaded, field) == getattr(default, field)


def test_the_table_of_a_substream_states_exactly_the_defaults() -> None:
    lines = (CONFIG / "sender.toml").read_text(encoding="utf-8").splitlines()
    begin = next(n for n, line in enumerate(lines) if line.startswith("# [[camera.stream]]"))
    table = [line.removeprefix("# ") for line in lines[begin : begin + 8]]
    stated = tomllib.loads("\n".join(table))["camera"]["stream"]
    assert stated == [StreamTable(name="sub").model_dump()]


def remarks(path: Path) -> Iterator[tuple[str, str, str]]:
    """Table, key and comment of every setting in a file; a comment may go on in further lines."""
    table, key, remark = "", "", ""
    for line in [*path.read_text(encoding="utf-8").splitlines(), ""]:
        if key and line.startswith("   ") and line.lstrip().startswith("#"):
            remark += line.lstrip(" #").join(("", " "))
            continue
        if key:
            yield table, key, remark
        setting = re.match(r"(\w+) = .*?(?:# (.*))?$", line)
        key, remark = (setting[1], f"{setting[2] or ''} ") if setting else ("", "")
        if heading := re.match(r"\[([\w.-]+)\]", line):
            table = heading[1]


def bounds(field: FieldInfo) -> tuple[str | None, str | None]:
    """Least and greatest number that a setting accepts, as the files write them."""
    of = {type(limit): limit for limit in field.metadata}
    return (
        _plain(of[Ge].ge) if Ge in of else None,
        _plain(of[Le].le) if Le in of else None,
    )


def _plain(number: float) -> str:
    return str(number) if isinstance(number, int) else f"{number:g}"


@pytest.mark.parametrize(
    ("name", "model"), [("sender.toml", SenderSettings), ("receiver.toml", ReceiverSettings)]
)
def test_the_settings_file_states_the_range_of_every_number(name: str, model: Any) -> None:
    checked = 0
    for table, key, remark in remarks(CONFIG / name):
        codec = table.removeprefix("codec.") if table.startswith("codec.") else ""
        owner = CODECS_BY_NAME[codec].options if codec else type(getattr(model(), table))
        low, high = bounds(owner.model_fields[key])
        if low is not None:
            wanted = f"{low} to {high}" if high is not None else f"{low} or more"
            # Or the least value has a meaning of its own, apart from the range.
            special = f" to {high};" in remark and f" {low}: " in remark
            assert wanted in remark or special, f"{table}.{key}: the comment lacks {wanted}"
            checked += 1
        assert remark.strip(), f"{table}.{key} has no comment"
    assert checked >= 8


@pytest.mark.parametrize("path", sorted(CONFIG.rglob("*.toml")), ids=lambda path: path.name)
def test_a_settings_file_fits_100_columns(path: Path) -> None:
    assert [line for line in path.read_text(encoding="utf-8").splitlines() if len(line) > 100] == []


@pytest.mark.parametrize("name", ["watch", "inspection"])
def test_a_preset_loads_and_codes_a_stream(name: str) -> None:
    settings = validate(SenderSettings, [file_layer(CONFIG / "profiles" / f"{name}.toml")])
    encoder = rankcast.Encoder(settings.codec.name, **settings.codec.chosen)
    decoder = rankcast.Decoder()
    ramp = np.add.outer(np.arange(96), np.arange(128))[:, :, None] * np.array([1.0, 0.8, 0.6])
    noise = np.random.default_rng(1).normal(0, 3, (96, 144, 3))
    for number in range(3):
        image = (ramp + 20 + noise[:, 4 * number : 4 * number + 128]).clip(0, 255).astype(np.uint8)
        coded = encoder.encode_packet(image)
        packet, header = coded.data, coded.header
        rebuilt = decoder.decode(packet)
        assert header.psnr_db == pytest.approx(psnr_db(image, rebuilt), abs=0.01)
        if name == "inspection":
            assert header.psnr_db == pytest.approx(settings.codec.chosen["psnr"], abs=0.3)
        else:
            assert len(packet) < image.nbytes / 4


def test_the_codec_table_agrees_with_the_wire_document() -> None:
    text = (REPOSITORY / "docs" / "wire.md").read_text(encoding="utf-8")
    for wire_id, codec in CODECS.items():
        assert codec.wire_id == wire_id
        assert f"| {wire_id} | {codec.name} |" in text


def test_every_command_is_found_by_its_entry_point() -> None:
    commands = {entry.name: entry.load() for entry in entry_points(group="rankcast.commands")}
    assert {"demo", "send", "receive", "compress", "decompress", "info", "compare"} <= set(commands)
    for name, command in commands.items():
        assert isinstance(command, click.Command)
        assert command.help, f"{name} has no help text"
        assert all(option.help for option in command.params if isinstance(option, click.Option)), (
            f"an option of {name} has no help text"
        )


def test_imports_point_one_way() -> None:
    # In a process of its own: the linter disables the loggers of whoever calls it.
    command = "from importlinter.cli import lint_imports; raise SystemExit(lint_imports())"
    done = subprocess.run(
        [sys.executable, "-c", command], cwd=REPOSITORY, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
