"""The coders that ``--codecs`` names for a clip: codecs of Rankcast with options, and peers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from rankcast.codec import CODECS, Codec, Setting, Sweep
from rankcast.encoder import check_options
from rankcast.errors import SettingsError
from rankcast.frame import Pixels
from rankcast.rate_distortion import PEERS, ClipFormat, Coder, Peer, RankcastCoder

GOP: Final = 250
"""Most frames from one key frame to the next, of all streams: the default of `svd-patch`."""
MOST_SETTINGS: Final = 5

_SWEEPS: Final[Mapping[str, tuple[Codec, Sweep]]] = {
    sweep.name: (codec, sweep)
    for codec in CODECS.values()
    for sweep in codec.sweeps
    if not sweep.needs_model
}
NAMES: Final = (*_SWEEPS, *PEERS)
"""All names that ``--codecs`` accepts for a clip."""
DEFAULT_CODERS: Final = (
    "svd-patch", "h264", "h264-ultrafast", "h264-psnr", "h265", "av1", "mjpeg", "lossless",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ClipCoder:
    """A codec of Rankcast with its options, or a peer."""

    name: str
    """As on the command line: ``svd-patch:effort=best``."""
    peer: Peer | None = None
    sweep: tuple[Codec, Sweep] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """What a peer is, in words; empty for a codec."""
        return "" if self.peer is None else self.peer.label

    def settings(self, pixels: Pixels) -> list[Setting]:
        """Return the settings to try, from coarse to fine.

        Parameters
        ----------
        pixels : ndarray
            First frame of the clip.
        """
        if self.peer is not None:
            return list(self.peer.settings)
        assert self.sweep is not None
        sweep = self.sweep[1]
        if sweep.clip_settings:
            return list(sweep.clip_settings)
        curve = list(sweep.steps(pixels).curve)
        return curve[:: -(-len(curve) // MOST_SETTINGS)]

    def setting_text(self, setting: Setting) -> str:
        """Return a setting as tables show it, such as ``crf 28``; empty if there is only one."""
        if self.peer is not None:
            return f"{self.peer.symbol} {setting:g}"
        assert self.sweep is not None
        symbol = self.sweep[1].symbol or self.sweep[1].option
        return f"{symbol} {setting:g}" if symbol else ""

    def refusal(self, clip: ClipFormat) -> str | None:
        """Return why it cannot code a clip, as far as that is known in advance."""
        return None if self.peer is None else self.peer.refusal(clip)

    def start(self, clip: ClipFormat, setting: Setting) -> Coder:
        """Start a stream on one thread.

        Raises
        ------
        UnsupportedImageError
            If a peer is missing or refuses the clip.
        """
        if self.peer is not None:
            return self.peer.start(clip, setting, GOP)
        assert self.sweep is not None
        codec, sweep = self.sweep
        # Streams compute their factors with the codec's own engine, not with that of a sweep
        # over single pictures.
        options = {name: value for name, value in sweep.options.items() if name != "engine"}
        if "threads" in codec.options.model_fields:
            options["threads"] = 1
        if "gop" in codec.options.model_fields:
            options["gop"] = GOP
        if sweep.option:
            options[sweep.option] = setting
        return RankcastCoder(clip, codec.name, {**options, **self.options})


def parse_coders(text: str) -> list[ClipCoder]:
    """Parse ``svd-patch:effort=best,h264,mjpeg``; drop repeated names.

    Raises
    ------
    SettingsError
        If a name or an option is unknown, or there is no name.
    """
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts:
        raise SettingsError(f"got no --codecs, want some of {','.join(NAMES)}")
    return [_coder(part) for part in dict.fromkeys(parts)]


def _coder(text: str) -> ClipCoder:
    name, *pairs = text.split(":")
    if name in PEERS:
        if pairs:
            raise SettingsError(
                f"got --codecs {text!r:.60}, but the options of {name} are fixed: only codecs of "
                "Rankcast take some"
            )
        return ClipCoder(name, peer=PEERS[name])
    if name not in _SWEEPS:
        raise SettingsError(f"got --codecs {name!r:.40}, want for a clip some of {','.join(NAMES)}")
    codec, sweep = _SWEEPS[name]
    options: dict[str, Any] = {}
    for pair in pairs:
        option, equals, value = pair.partition("=")
        if not equals:
            raise SettingsError(
                f"got --codecs {text!r:.60}, want NAME:OPTION=VALUE, such as svd-patch:effort=best"
            )
        options[option] = value
    rivals = (group for group in codec.options.exclusive if sweep.option in group)
    varied = {sweep.option}.union(*rivals) & set(options)
    if varied:
        raise SettingsError(
            f"got --codecs {text!r:.60}, but compare varies the quality itself: leave out "
            f"{', '.join(sorted(varied))}"
        )
    check_options(codec.name, options)
    return ClipCoder(text, sweep=(codec, sweep), options=options)
