"""The command ``rankcast info FILE``: the facts of a packet file, a recording or a model."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import click
from rich.table import Table
from rich.text import Text

from rankcast.atomic_file import read_whole
from rankcast.codec import CODECS
from rankcast.commands.model_report import model_fields, model_rows
from rankcast.commands.recording_report import recording_fields, recording_rows
from rankcast.commands.terminal import console, psnr_text, ratio_text, size_text
from rankcast.errors import ModelError, PayloadError, WireError
from rankcast.frame import CFA_PATTERNS
from rankcast.models import SUFFIX
from rankcast.path_parameter import PATH
from rankcast.printable import printable
from rankcast.rank_cut import cut_to_rank, ranks_of
from rankcast.recordings import SUFFIX as RECORDING_SUFFIX
from rankcast.wire import OFFLINE, PPB, VERSION, Header, Packet, unpack

_OF_THE_PICTURE: Final = (
    "codec", "codec_id", "shape", "dtype", "significant_bits", "cfa", "raw_bytes", "ratio", "rank",
    "psnr_db", "lossless", "layer", "model_id",
)  # fmt: skip


@click.command()
@click.argument("packet_file", metavar="FILE", type=PATH)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def info(packet_file: Path, as_json: bool) -> None:
    """Print the packet header of FILE (.rkc), without decoding the picture.

    For a recording (.mcap), read all its segments and print its cameras, frames, span, gaps, sizes
    and damage. For a model file (.rkm), print its kind and id, which pictures it is for, and how it
    was trained.
    """
    if packet_file.suffix == SUFFIX:
        fields = _model_fields(packet_file)
        rows = model_rows(fields)
    elif packet_file.suffix == RECORDING_SUFFIX:
        fields = recording_fields(packet_file)
        rows = recording_rows(fields)
    else:
        data = read_whole(packet_file, OFFLINE.max_packet_bytes)
        try:
            packet = unpack(data, OFFLINE)
        except WireError as exc:
            raise type(exc)(f"{packet_file}: {exc}") from exc
        fields = header_fields(packet)
        rows = _rows(packet, fields)
    if as_json:
        click.echo(json.dumps(fields, indent=2, allow_nan=False))
        return
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0), title_justify="left")
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    for name, value in rows:
        # Text, not markup: metadata is untrusted.
        table.add_row(Text(printable(name)), Text(printable(value)))
    console().print(Text(printable(packet_file), style="bold"), table, sep="\n")


def _model_fields(path: Path) -> dict[str, Any]:
    fields = model_fields(path)
    try:
        plain: dict[str, Any] = _plain(fields)
    except RecursionError as exc:
        raise ModelError(f"{path}: its description is nested too deeply") from exc
    return plain


def header_fields(packet: Packet) -> dict[str, Any]:
    """Return all fields of the header as JSON values.

    Bytes become hexadecimal text. Because JSON has no infinity, an exact picture has ``lossless``
    true and ``psnr_db`` null; a picture of unknown quality has null in both. So have all fields
    that a predicted frame leaves out because its reference has them.
    """
    header = packet.header
    codec = None if header.codec is None else CODECS.get(header.codec)
    psnr = header.psnr_db
    raw_bytes = header.samples * header.dtype_bytes if header.shape else None
    fields = {
        "wire_version": VERSION,
        "kind": header.kind.name.lower(),
        "codec": None if codec is None else codec.name,
        "codec_id": header.codec,
        "params": _plain(header.params),
        "shape": _plain(header.shape),
        "dtype": str(header.dtype),
        "significant_bits": header.significant_bits or 8 * header.dtype_bytes,
        "cfa": CFA_PATTERNS[header.cfa] or None,
        "bytes": packet.size,
        "body_bytes": len(packet.body),
        "header_bytes": packet.header_bytes,
        "raw_bytes": raw_bytes,
        "ratio": None if raw_bytes is None else raw_bytes / packet.size,
        "rank": _plain(header.rank),
        "energy": header.energy,
        "bands": _bands(packet),
        "psnr_db": None if psnr is None or math.isinf(psnr) else psnr,
        "lossless": None if psnr is None else math.isinf(psnr),
        "squared_error": header.squared_error,
        "t_capture_utc": _utc_text(header.t_capture_utc_ns),
        "t_capture_utc_ns": header.t_capture_utc_ns,
        "t_capture_mono_ns": header.t_capture_mono_ns,
        "device_frame_id": header.device_frame_id,
        "device_time_ns": header.device_time_ns,
        "stream_id": header.stream_id.hex(),
        "sequence": header.sequence,
        "ref_sequence": header.ref_sequence,
        "frame": header.frame,
        "layer": header.layer,
        "model_id": _plain(header.model_id),
        "checksum": header.checksum,
        "meta": _plain(header.meta),
        "x": _plain(header.x),
    }
    return fields | dict.fromkeys(_left_out(header))


def _bands(packet: Packet) -> list[dict[str, Any]] | None:
    """Return the ranks that the packet can be cut to, and what each is worth.

    None if its codec has no bands, or if they contradict each other.
    """
    try:
        left = [cut_to_rank(packet, max(ranks)) for ranks in ranks_of(packet)]
    except PayloadError:
        return None
    return [
        {
            "rank": _plain(each.header.rank),
            "bytes": each.size,
            "energy": each.header.energy,
            "psnr_db": None if each.header.psnr_db in (None, math.inf) else each.header.psnr_db,
        }
        for each in left
    ] or None


def _left_out(header: Header) -> tuple[str, ...]:
    """Names of the fields that a predicted frame leaves to its reference."""
    if not header.is_short:
        return ()
    picture = () if header.codec is not None else _OF_THE_PICTURE
    return (*(() if header.params else ("params",)), *picture, "t_capture_utc", "t_capture_utc_ns")


def _plain(value: Any) -> Any:
    """Convert bytes, tuples, maps and non-finite numbers of msgpack to JSON values."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {_plain_key(key): _plain(item) for key, item in value.items()}
    return value


def _plain_key(key: Any) -> str:
    return key.hex() if isinstance(key, bytes) else str(key)


def _utc_text(utc_ns: int) -> str | None:
    if not utc_ns:
        return None
    seconds, nanoseconds = divmod(utc_ns, PPB)
    try:
        moment = datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):  # past the year 9999
        return None
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{nanoseconds:09d}Z"


def _rows(packet: Packet, fields: Mapping[str, Any]) -> list[tuple[str, str]]:
    header = packet.header
    rows = [("kind", f"{fields['kind']} (wire version {VERSION}, CRC-32 verified)")]
    if header.is_short:
        missing = ", ".join(_left_out(header))
        rows.append(("left out", f"{missing}: those of frame {header.ref_sequence}"))
    if header.codec is not None:
        name = fields["codec"] or "unknown here"
        rows.append(("codec", f"{name} (id {header.codec})"))
    if header.shape is not None:
        bits = fields["significant_bits"]
        rows.append(("picture", f"{size_text(header.shape, header.dtype)}, {bits} bits a sample"))
    if fields["cfa"]:
        rows.append(("mosaic", fields["cfa"]))
    rows.append(
        ("bytes", f"{packet.size:,} (header {fields['header_bytes']}, body {len(packet.body):,})")
    )
    if header.shape is not None:
        bits_per_pixel = 8 * packet.size / (header.shape[0] * header.shape[1])
        rows.append(
            (
                "ratio",
                f"{ratio_text(fields['raw_bytes'], packet.size)} to raw "
                f"{fields['raw_bytes']:,} bytes, {bits_per_pixel:.3f} bit/pixel",
            )
        )
    if header.rank:
        rows.append(("rank", ", ".join(map(str, header.rank))))
    rows.extend(
        ("cut to rank", f"{', '.join(map(str, band['rank']))}: {_worth(band)}")
        for band in (fields["bands"] or ())[:-1]
    )
    if fields["energy"] is not None:
        rows.append(("energy kept", f"{100 * fields['energy']:.4f} %"))
    if header.shape is not None:
        psnr = header.psnr_db
        text = "not stated" if psnr is None else f"{psnr_text(psnr)} (as the encoder states)"
        rows.append(("PSNR", text))
    if header.params:
        rows.append(("params", ", ".join(map(str, header.params))))
    if header.t_capture_utc_ns:
        rows.append(("captured", fields["t_capture_utc"] or f"{header.t_capture_utc_ns} ns"))
    rows.append(("monotonic clock", f"{header.t_capture_mono_ns} ns"))
    rows.append(("stream", fields["stream_id"]))
    rows.append(("sequence", str(header.sequence)))
    rows.append(("grabbed frame", str(header.frame)))
    for name, key in (
        ("needs sequence", "ref_sequence"),
        ("device frame", "device_frame_id"),
        ("device clock, ns", "device_time_ns"),
        ("model", "model_id"),
        ("checksum", "checksum"),
    ):
        if fields[key] is not None:
            rows.append((name, str(fields[key])))
    if header.layer:
        rows.append(("layer", str(header.layer)))
    for name in ("meta", "x"):
        rows.extend((f"{name} {key}", _json_text(value)) for key, value in fields[name].items())
    return rows


def _worth(band: Mapping[str, Any]) -> str:
    """Return what is left of a packet that is cut to a band."""
    words = [f"{band['bytes']:,} bytes"]
    if band["energy"] is not None:
        words.append(f"energy kept {100 * band['energy']:.4f} %")
    if band["psnr_db"] is not None:
        words.append(f"PSNR {psnr_text(band['psnr_db'])}")
    return ", ".join(words)


def _json_text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
