"""The command ``rankcast repair FILE.mcap``: a recording that is sound again."""

from __future__ import annotations

from pathlib import Path

import click

from rankcast.commands.terminal import bytes_progress, counted
from rankcast.errors import RecordingError
from rankcast.path_parameter import PATH
from rankcast.printable import printable
from rankcast.recordings import RepairReport, repair_segment, segments_of


@click.command()
@click.argument("recording", metavar="FILE.mcap", type=PATH)
@click.option("--strict", is_flag=True, help="Exit with 1 if anything was lost.")
@click.pass_context
def repair(context: click.Context, recording: Path, strict: bool) -> None:
    """Replace the recording FILE.mcap by one with every packet in it that is intact.

    All segments are repaired (FILE.mcap, FILE-0001.mcap ...); those that are sound stay as they
    are. A repaired one keeps its name, and what it was is kept as FILE.mcap.damaged. Exits with 0
    if the result is sound, also if a message was torn when its recorder was killed; with 1 if a
    segment holds nothing that can be read.
    """
    segments = [segment for _, segment in segments_of(recording)] or [recording]
    failed = lost = False
    for segment in segments:
        if len(segments) > 1 and not segment.stat().st_size:
            click.echo(f"{printable(segment)}: empty, its recorder was killed as it created it")
            continue
        try:
            report = _repaired(segment)
        except RecordingError as exc:
            if len(segments) == 1:
                raise
            click.echo(f"error: {printable(exc)}", err=True)
            failed = True
            continue
        lost = lost or report.lost
        for line in _lines(report):
            click.echo(line)
    if failed or (strict and lost):
        context.exit(1)


def _repaired(segment: Path) -> RepairReport:
    with bytes_progress("repairing", segment) as advance_to:
        return repair_segment(segment, progress=advance_to)


def _lines(report: RepairReport) -> list[str]:
    name = printable(report.path)
    count = f"{counted(report.frames, 'frame')}, {counted(report.messages, 'message')}"
    if report.kept is None:
        return [f"{name}: sound, {count}, nothing to do"]
    damage = report.damage
    lines = [f"{name}: repaired, {count}; the file as it was is {printable(report.kept)}"]
    if damage.count:
        lines.append(
            f"  damaged: {counted(damage.count, 'place')}, {damage.skipped_bytes:,} bytes skipped, "
            f"{damage.lost_places:,} of them lost messages, "
            f"{counted(damage.rescued, 'packet')} found in them"
        )
        lines += [
            f"  at byte {place.offset:,}: {place.size:,} bytes, {place.what}"
            for place in damage.places[:10]
        ]
    if damage.torn_bytes:
        lines.append(f"  torn: the last {damage.torn_bytes:,} bytes, a message not yet complete")
    if not damage:
        lines.append("  lost: nothing; only the index at its end was missing")
    return lines
