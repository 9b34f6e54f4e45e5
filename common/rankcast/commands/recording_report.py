"""What ``rankcast info FILE.mcap`` says of a recording: as JSON values and as rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rankcast.commands.terminal import counted, size_text
from rankcast.printable import printable
from rankcast.recordings import CameraSurvey, SegmentFacts, Survey, survey_recording, time_of


def recording_fields(path: Path) -> dict[str, Any]:
    """Read a recording and return what it holds as JSON values.

    Raises
    ------
    RecordingError
        If it cannot be read or is of another program.
    """
    found = survey_recording(path)
    return {
        "frames": found.frames,
        "cameras": [_camera(camera) for camera in found.cameras],
        "bytes": found.bytes,
        "start_utc": _utc(found.t_first_ns),
        "end_utc": _utc(found.t_last_ns),
        "span_s": _span_s(found.t_first_ns, found.t_last_ns),
        "segments": [_segment(segment) for segment in found.segments],
        "sound": _is_sound(found),
    }


def recording_rows(fields: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the rows of the table for people."""
    rows = [
        ("recording", f"{counted(fields['frames'], 'frame')}, {fields['bytes']:,} bytes in "
                      f"{counted(len(fields['segments']), 'segment')}"),
        ("span", _span_text(fields)),
    ]  # fmt: skip
    for camera in fields["cameras"]:
        name = camera["name"]
        rate = "" if camera["fps"] is None else f", {camera['fps']:.4g} a second"
        rows.append(
            (
                name,
                f"{counted(camera['frames'], 'frame')}{rate}, "
                f"{counted(camera['key_frames'], 'key frame')}",
            )
        )
        if camera["shape"] is not None:
            dtype = f"{camera['bits']} bits a sample"
            rows.append((f"{name} picture", f"{size_text(tuple(camera['shape']), dtype)}, "
                                            f"codec {camera['codec']}"))  # fmt: skip
        rows.append((f"{name} packets", f"{camera['packet_bytes']:,} bytes"))
        if camera["missing"]:
            first = camera["gaps"][0]
            gaps = f"{counted(camera['missing'], 'frame')} missing in "
            gaps += f"{counted(camera['gap_count'], 'gap')}, the first after frame "
            rows.append(
                (
                    f"{name} gaps",
                    f"{gaps}{first['after_sequence']} at {first['t_recorded_utc']}",
                )
            )
        if camera["lost"]:
            causes = ", ".join(f"{count:,} {cause}" for cause, count in camera["lost"].items())
            rows.append((f"{name} lost", f"{causes}, as the recorder counted"))
        if camera["refused"]:
            rows.append((f"{name} refused", f"{camera['refused']:,} packets"))
    rows += [(Path(segment["path"]).name, _segment_text(segment)) for segment in fields["segments"]]
    return rows


def _camera(camera: CameraSurvey) -> dict[str, Any]:
    return {
        "name": camera.name,
        "frames": camera.frames,
        "key_frames": camera.key_frames,
        "references": camera.references,
        "packet_bytes": camera.packet_bytes,
        "fps": camera.fps,
        "codec": camera.codec or None,
        "shape": None if camera.shape is None else list(camera.shape),
        "bits": camera.bits or None,
        "streams": camera.streams,
        "start_utc": _utc(camera.t_first_ns),
        "end_utc": _utc(camera.t_last_ns),
        "span_s": _span_s(camera.t_first_ns, camera.t_last_ns),
        "missing": camera.missing,
        "gap_count": camera.gap_count,
        "gaps": [
            {
                "after_sequence": gap.after_sequence,
                "missing": gap.missing,
                "t_recorded_utc": _utc(gap.t_recorded_ns),
            }
            for gap in camera.gaps
        ],
        "lost": {printable(cause): count for cause, count in camera.lost.items() if count},
        "statuses": camera.statuses,
        "refused": camera.refused,
    }


def _segment(segment: SegmentFacts) -> dict[str, Any]:
    damage = segment.damage
    return {
        "path": printable(segment.path),
        "bytes": segment.size_bytes,
        "complete": segment.complete,
        "damaged_places": damage.count,
        "damaged_bytes": damage.skipped_bytes,
        "rescued": damage.rescued,
        "torn_bytes": damage.torn_bytes,
    }


def _is_sound(found: Survey) -> bool:
    return all(segment.complete and not segment.damage for segment in found.segments)


def _segment_text(segment: dict[str, Any]) -> str:
    text = f"{segment['bytes']:,} bytes"
    if segment["damaged_places"]:
        text += (
            f", damaged in {counted(segment['damaged_places'], 'place')} of "
            f"{segment['damaged_bytes']:,} bytes, {counted(segment['rescued'], 'packet')} found "
            "in them"
        )
    if not segment["complete"]:
        text += ", without its end: a recorder writes it or was killed"
        if segment["torn_bytes"]:
            text += f", {segment['torn_bytes']:,} bytes torn"
    if segment["damaged_places"] or not segment["complete"]:
        text += "; `rankcast repair` makes it sound"
    return text


def _span_text(fields: dict[str, Any]) -> str:
    if fields["start_utc"] is None:
        return "nothing recorded"
    return f"{fields['start_utc']} to {fields['end_utc']}, {fields['span_s']:.3f} s"


def _span_s(first_ns: int | None, last_ns: int | None) -> float | None:
    return None if first_ns is None or last_ns is None else (last_ns - first_ns) / 1e9


def _utc(t_ns: int | None) -> str | None:
    if t_ns is None:
        return None
    try:
        return f"{time_of(t_ns):%Y-%m-%dT%H:%M:%S.%f}Z"
    except OverflowError:  # past the year 9999
        return f"{t_ns} ns"
