"""The command ``rankcast export FILE.mcap --to FORMAT``: a recording as a clip or as pictures."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from rankcast.commands.terminal import with_progress
from rankcast.errors import RecordingError, SettingsError
from rankcast.path_parameter import EXISTING_FOLDER, PATH
from rankcast.printable import printable
from rankcast.recordings import (
    EXPORT_FORMATS,
    ExportFormat,
    Recording,
    RecordingReader,
    export_recording,
)


@click.command()
@click.argument("recording", metavar="FILE.mcap", type=PATH)
@click.option(
    "--to",
    required=True,
    type=click.Choice(EXPORT_FORMATS),
    help="mp4: H.264, 8 bits, lossy. png, tiff: exact, 16 bits for deep frames.",
)
@click.option(
    "--out",
    type=PATH,
    metavar="PATH",
    help="The clip, or the folder of the pictures.  [default: beside the recording]",
)
@click.option("--camera", metavar="NAME", help="Only the frames of this camera.")
@click.option(
    "--start",
    metavar="TIME",
    help="Only from then on: seconds from the start of the recording, or UTC as "
    "2026-11-29T12:00:00.",
)
@click.option("--end", metavar="TIME", help="Only what was recorded before.")
@click.option("--models", type=EXISTING_FOLDER, metavar="DIR",
              help="Folder of model files (.rkm) of learned codecs.")  # fmt: skip
def export(
    recording: Path,
    to: ExportFormat,
    out: Path | None,
    camera: str | None,
    start: str | None,
    end: str | None,
    models: Path | None,
) -> None:
    """Write the pictures of the recording FILE.mcap to files that other programs open.

    A clip keeps the times of capture; of several cameras, each gets its own. Pictures are named by
    camera, sequence and time, as `rankcast receive --save` names them. Frames that cannot be
    decoded, because the recording lacks what they build on, are counted and left out. Of several
    cameras, one whose frames mp4 cannot hold is left out, and the exit code is 1.
    """
    times: dict[str, Any] = {"start": _time("start", start), "end": _time("end", end)}
    if out is None:
        out = recording.with_suffix(".mp4" if to == "mp4" else "")
    with Recording(recording, models=models) as source:
        if camera is not None and camera not in source.cameras:
            known = ", ".join(source.cameras) or "none"
            raise SettingsError(f"got camera {camera!r:.60}, {recording} has: {known}")
        done = with_progress(
            "exporting", _frames_of(recording, camera),
            lambda step: export_recording(source, out, to, times=times, camera=camera,
                                          progress=step),
        )  # fmt: skip
    if done.refused and not done.paths:
        raise done.refused[0]
    if not done.frames:
        raise RecordingError(f"{recording}: holds no frame that can be decoded in this time")
    for path in done.paths:
        click.echo(printable(path))
    lost = f", {done.lost:,} could not be decoded" if done.lost else ""
    damaged = (
        f", {done.damaged_places:,} damaged places passed over (`rankcast repair`)"
        if done.damaged_places
        else ""
    )
    click.echo(f"{done.frames:,} frames{lost}{damaged}")
    for error in done.refused:
        click.echo(f"error: {printable(error)}", err=True)
    if done.refused:
        click.get_current_context().exit(1)


def _frames_of(recording: Path, camera: str | None) -> int:
    """Count the frames, for the progress bar."""
    with RecordingReader(recording) as reader:
        return sum(
            message.kind == "frames" and camera in (None, message.camera) for message in reader
        )


def _time(name: str, text: str | None) -> float | datetime | None:
    if text is None:
        return None
    try:
        return float(text)
    except ValueError:
        pass
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise SettingsError(
            f"got --{name} {text!r:.60}, want seconds from the start of the recording, or UTC as "
            "2026-11-29T12:00:00"
        ) from None
    return time if time.tzinfo else time.replace(tzinfo=UTC)
