"""The command `rankcast compare`: its options, and the choice between its three comparisons."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from rankcast.atomic_file import make_folder
from rankcast.commands.codec_choice import CodecChoice, choose_codec, codec_options
from rankcast.commands.compare.candidate_choice import NAMES, WITH_MODEL, parse_codecs
from rankcast.commands.compare.clips import (
    DEFAULT_CODERS,
    Clip,
    clip_file,
    find_capture,
    is_clip,
    parse_coders,
    report_clip,
)
from rankcast.commands.compare.clips import NAMES as CLIP_NAMES
from rankcast.commands.compare.codec_comparison import (
    DEFAULT_BITS_PER_PIXEL,
    DEFAULT_PSNR_DB,
    Match,
)
from rankcast.commands.compare.codec_report import CodecRequest, report_codecs
from rankcast.commands.compare.rank_report import report_ranks
from rankcast.commands.compare.report_target import ReportTarget
from rankcast.commands.plotting import require_matplotlib
from rankcast.errors import SettingsError
from rankcast.images import read_image
from rankcast.path_parameter import PATH
from rankcast.printable import printable
from rankcast.wire import OFFLINE

RANKS: Final = "500,250,100,50,25,10"
"""The ranks of the greyscale article."""
MAX_RANKS: Final = 24
MAX_TARGET: Final = 1000.0
DEFAULT_SECONDS: Final = 10.0
MAX_SECONDS: Final = 86_400.0
RANK_RULES: Final = ("rank", "energy", "psnr")


@click.command()
@click.argument("image", metavar="IMAGE|CLIP", type=PATH)
@click.option("--ranks", default=RANKS, show_default=True, metavar="K,K,...",
              help="Ranks to compare: singular values to keep of each channel.")  # fmt: skip
@click.option("--grey", is_flag=True, help="Convert the picture to grey, as the first article.")
@click.option("--out", "folder", default=Path(), type=PATH, metavar="DIR",
              help="Folder for the pictures, created if missing.  [default: current folder]",
              )  # fmt: skip
@click.option("--json", "json_file", type=PATH, metavar="FILE",
              help="Also write the table as JSON.")  # fmt: skip
@click.option("--html", "html_file", type=PATH, metavar="FILE",
              help="Also write table, pictures and plot as one HTML file.")  # fmt: skip
@click.option("--pictures/--no-pictures", default=True, show_default=True,
              help="Draw the gallery and the plot (needs matplotlib).")  # fmt: skip
@click.option("--codecs", metavar="NAME,NAME,...",
              help=f"Compare codecs instead of ranks: {', '.join(NAMES)}. With a clip: "
                   f"{', '.join(CLIP_NAMES)}; NAME:OPTION=VALUE sets an option of a codec.",
              )  # fmt: skip
@click.option("--match", type=click.Choice(["bytes", "psnr"]), default="bytes", show_default=True,
              help="With --codecs: the quantity to match.")  # fmt: skip
@click.option("--target", type=float, metavar="X",
              help="With --codecs: bits per pixel, or PSNR in dB.  "
                   f"[default: {DEFAULT_BITS_PER_PIXEL:g} or {DEFAULT_PSNR_DB:g}]")  # fmt: skip
@click.option("--model", type=PATH, metavar="FILE.rkm",
              help=f"With --codecs: model file of {', '.join(WITH_MODEL)}.")  # fmt: skip
@click.option("--label", metavar="NAME",
              help="With --model: camera of the model, if it has several.")  # fmt: skip
@click.option("--seconds", type=float, default=DEFAULT_SECONDS, show_default=True, metavar="S",
              help="With a clip: how much of it to code.")  # fmt: skip
@click.option("--base", metavar="NAME",
              help="With a clip: the codec that bytes are divided by.  [default: the first]",
              )  # fmt: skip
@codec_options
@click.pass_context
def compare(
    context: click.Context,
    image: Path,
    ranks: str,
    grey: bool,
    folder: Path,
    json_file: Path | None,
    html_file: Path | None,
    pictures: bool,
    codecs: str | None,
    match: Match,
    target: float | None,
    model: Path | None,
    label: str | None,
    seconds: float,
    base: str | None,
    codec: str | None,
    sets: tuple[str, ...],
) -> None:
    """Compare IMAGE at several SVD ranks with JPEG and WebP files of about the same size.

    Prints a table and writes two PNG files: a gallery of all ranks, and a plot of the singular
    values, the energy they hold, and quality against bytes. With --codecs, compare the codecs
    named there at equal bytes or equal PSNR instead.

    Of a CLIP, a video file, a recording, a folder of pictures, or some --seconds of a camera
    (camera:0, basler:SERIAL, aravis:NAME), compare codecs and encoders of video (x264, x265, AV1,
    MJPEG): bytes at equal quality, processor time and delay.
    """
    capture = find_capture(str(image))
    if capture is not None or is_clip(image):
        _check_clip_usage(context)
        coders = parse_coders(",".join(DEFAULT_CODERS) if codecs is None else codecs)
        _check_base(base, [coder.name for coder in coders])
        if pictures:
            require_matplotlib()
        with clip_file(capture, image, _seconds(seconds)) as file:
            report_clip(
                Clip(file, _seconds(seconds), grey=grey),
                coders,
                base,
                _report(file, grey, folder, json_file, html_file, pictures),
            )
        return
    _check_usage(context)
    if codecs is None:
        wanted, choice = parse_ranks(ranks), _ranked_codec(codec, sets)
    else:
        names = parse_codecs(codecs)
        request = CodecRequest(names, match, _target(match, target), _model_options(
            names, model, label))  # fmt: skip
    if pictures:
        require_matplotlib()
    pixels = read_image(image, grey=grey)
    OFFLINE.check_shape(pixels.shape)
    report = _report(image, grey, folder, json_file, html_file, pictures)
    if codecs is None:
        report_ranks(pixels, choice, wanted, report)
    else:
        report_codecs(pixels, request, report)


def _report(
    image: Path,
    grey: bool,
    folder: Path,
    json_file: Path | None,
    html_file: Path | None,
    pictures: bool,
) -> ReportTarget:
    """Create the folder of the pictures, if there will be some, and name all files."""
    if pictures:
        make_folder(folder)
    # The current folder and its parent have a name only as absolute paths.
    named = image if image.name not in ("", "..") else image.resolve()
    stem = named.name if named.is_dir() else named.stem
    return ReportTarget(
        name=printable(named.name),
        stem=folder / (stem + ("-grey" if grey else "")),
        json_file=json_file,
        html_file=html_file,
        pictures=pictures,
    )


_ONLY_WITH_CODECS: Final = ("match", "target", "model", "label")
_ONLY_WITH_RANKS: Final = ("ranks", "codec", "sets")
_ONLY_WITH_CLIPS: Final = ("seconds", "base")


def _check_usage(context: click.Context) -> None:
    """Reject options of the other comparisons, which would have no effect."""
    with_codecs = context.params["codecs"] is not None
    for name in _ONLY_WITH_RANKS if with_codecs else _ONLY_WITH_CODECS:
        if _is_given(context, name):
            raise SettingsError(
                f"got {_option(name)} {'together with' if with_codecs else 'without'} --codecs"
            )
    for name in _ONLY_WITH_CLIPS:
        if _is_given(context, name):
            raise SettingsError(
                f"got {_option(name)} with a picture: it needs a video file or a folder of pictures"
            )


def _check_clip_usage(context: click.Context) -> None:
    """Reject options of pictures, which would have no effect on a clip."""
    for name in (*_ONLY_WITH_RANKS, *_ONLY_WITH_CODECS):
        if _is_given(context, name):
            raise SettingsError(
                f"got {_option(name)} with a clip: it needs a picture; options of a codec follow "
                "its name, as in --codecs svd-patch:effort=best"
            )


def _is_given(context: click.Context, name: str) -> bool:
    return context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE


def _option(name: str) -> str:
    return {"sets": "--set"}.get(name, f"--{name}")


def _check_base(base: str | None, names: list[str]) -> None:
    if base is not None and base not in names:
        raise SettingsError(f"got --base {base!r:.60}, want one of the codecs: {','.join(names)}")


def _seconds(seconds: float) -> float:
    if not 0 < seconds <= MAX_SECONDS:
        raise SettingsError(
            f"got --seconds {seconds:g}, want more than 0 and at most {MAX_SECONDS:g}"
        )
    return seconds


def parse_ranks(text: str) -> list[int]:
    """Parse ``500,250,100``.

    Raises
    ------
    SettingsError
        If one is not a whole number of at least 1, or there are none or too many.
    """
    parts = [part.strip() for part in text.split(",") if part.strip()]
    # isascii: int() accepts digits of other scripts. No side has more than 9 digits.
    if any(not (part.isascii() and part.isdigit() and len(part) <= 9) for part in parts) or not all(
        map(int, parts)
    ):
        raise SettingsError(
            f"got --ranks {text!r:.60}, want whole numbers of at least 1, such as {RANKS}"
        )
    if not 1 <= len(parts) <= MAX_RANKS:
        raise SettingsError(f"got {len(parts)} ranks, want 1 to {MAX_RANKS}")
    return [int(part) for part in parts]


def _ranked_codec(name: str | None, sets: tuple[str, ...]) -> CodecChoice:
    choice = choose_codec(name, sets)
    if not choice.has_option("rank"):
        raise SettingsError(
            f"codec {choice.name} has no option 'rank', which compare varies: choose another codec"
        )
    for rule in RANK_RULES:
        if rule in choice.options:
            raise SettingsError(
                f"got --set codec.{rule}, but compare sets the rank itself: use --ranks"
            )
    return choice


def _target(match: Match, target: float | None) -> float:
    if target is None:
        return DEFAULT_BITS_PER_PIXEL if match == "bytes" else DEFAULT_PSNR_DB
    if not 0 < target <= MAX_TARGET:
        raise SettingsError(f"got --target {target:g}, want more than 0 and at most {MAX_TARGET:g}")
    return target


def _model_options(names: list[str], model: Path | None, label: str | None) -> dict[str, str]:
    given = "--label" if model is None else "--model"
    if not set(names) & set(WITH_MODEL) and (model is not None or label is not None):
        raise SettingsError(f"got {given}, but --codecs has no {' or '.join(WITH_MODEL)}")
    if model is None:
        if label is not None:
            raise SettingsError("got --label without --model: it names a camera of a model")
        return {}
    return {"model": str(model), "label": label or ""}
