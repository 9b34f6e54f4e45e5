"""Export: a recording as a clip or as picture files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from rankcast.atomic_file import make_folder
from rankcast.errors import RankcastError, UnsupportedImageError
from rankcast.frame import Frame
from rankcast.recordings.recording import Recording, time_of

ExportFormat = Literal["mp4", "png", "tiff"]
FORMATS: Final[tuple[ExportFormat, ...]] = ("mp4", "png", "tiff")


@dataclass(slots=True)
class Exported:
    """What an export wrote."""

    frames: int = 0
    lost: int = 0
    """Frames of the recording that cannot be decoded."""
    damaged_places: int = 0
    """Places of the recording that were passed over."""
    paths: list[Path] = field(default_factory=list)
    """The clip of each camera, or the folder of the pictures."""
    refused: list[UnsupportedImageError] = field(default_factory=list)
    """Why mp4 cannot hold the frames of a camera, of which there is no clip then."""


def export_recording(
    recording: Recording,
    out: Path,
    to: ExportFormat,
    *,
    times: dict[str, Any] | None = None,
    camera: str | None = None,
    progress: Callable[[], Any] = lambda: None,
) -> Exported:
    """Write the frames of a recording to files that other programs open.

    Parameters
    ----------
    recording : Recording
    out : Path
        mp4: the clip; of several cameras ``OUT-NAME.mp4`` for each. png, tiff: the folder.
    to : str
        mp4 is lossy and holds 8 bits; png and tiff are exact, 16 bits for deep frames.
    times : dict, optional
        ``start`` and ``end`` of `Recording.frames`.
    camera : str, optional
        Only this one.
    progress : callable, optional
        Called after every frame.

    Raises
    ------
    RankcastError
        If the recording cannot be read, the format cannot hold a frame, or a file cannot be
        written. Of several cameras, only those whose frames mp4 cannot hold are left out.
    """
    several = camera is None and len(recording.cameras) > 1
    frames = recording.frames(camera, **(times or {}))
    done = Exported()
    if to == "mp4":
        _write_clips(frames, out, done, progress, several=several)
    else:
        make_folder(out)
        done.paths.append(out)
        for frame in frames:
            _write_picture(frame, out / f"{_name(frame)}.{to}")
            done.frames += 1
            progress()
    done.lost, done.damaged_places = recording.lost, recording.damaged_places
    return done


def _write_clips(
    frames: Iterator[Frame],
    out: Path,
    done: Exported,
    progress: Callable[[], Any],
    *,
    several: bool,
) -> None:
    from rankcast.video import VideoWriter  # loads FFmpeg, which a recorder does not need

    clips: dict[str, tuple[VideoWriter, int]] = {}
    refused: set[str] = set()
    with ExitStack() as stack:
        for frame in frames:
            if frame.camera in refused:
                progress()
                continue
            try:
                if frame.cfa:
                    raise UnsupportedImageError(
                        f"got a mosaic of {frame.cfa}, mp4 holds colour: export to png or tiff"
                    )
                if frame.camera not in clips:
                    path = out.with_name(f"{out.stem}-{frame.camera}.mp4") if several else out
                    writer = stack.enter_context(VideoWriter(path, frame.pixels.shape))
                    clips[frame.camera] = writer, frame.t_capture_utc_ns
                writer, start_ns = clips[frame.camera]
                writer.write(frame.pixels, (frame.t_capture_utc_ns - start_ns) / 1e9)
            except UnsupportedImageError as exc:
                error = UnsupportedImageError(
                    f"frame {frame.sequence} of camera {frame.camera}: {exc}"
                )
                if not several:
                    raise error from exc
                done.refused.append(error)
                refused.add(frame.camera)
                if frame.camera in clips:
                    clips.pop(frame.camera)[0].abandon()
            progress()
    done.paths = [writer.path for writer, _ in clips.values()]
    done.frames = sum(writer.frames for writer, _ in clips.values())


def _write_picture(frame: Frame, path: Path) -> None:
    from rankcast.images import write_image  # loads OpenCV, likewise

    try:
        write_image(path, frame.pixels, text=_text(frame))
    except RankcastError as exc:
        raise type(exc)(f"frame {frame.sequence} of camera {frame.camera}: {exc}") from exc


def _name(frame: Frame) -> str:
    """Return the name of a picture, as the sink `save` names it: camera, sequence, UTC."""
    utc = time_of(frame.t_capture_utc_ns).strftime("%Y%m%dT%H%M%S.%fZ")
    return f"{frame.camera}_{frame.sequence:09d}_{utc}"


def _text(frame: Frame) -> str:
    """Return a text tag that names the codec, so that nobody mistakes the file for an original."""
    coding = frame.coding
    assert coding is not None  # frames of a recording are decoded
    kind = "lossy" if coding.lossy else "lossless"
    bits = f", {frame.significant_bits} significant bits" if frame.significant_bits else ""
    mosaic = f", mosaic {frame.cfa}" if frame.cfa else ""
    return f"Rankcast, camera {frame.camera}, codec {coding.codec}, {kind}{bits}{mosaic}"
