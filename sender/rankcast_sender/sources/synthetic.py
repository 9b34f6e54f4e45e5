"""``synthetic:conveyor``: a rendered inspection scene, each frame computed from its number."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from rankcast.core import function
from rankcast.errors import SettingsError
from rankcast.frame import Frame, Pixels, Scalar
from rankcast.images import NUMBER_LIMIT, write_frame_mark
from rankcast_sender.sources.adjustments import Adjustments
from rankcast_sender.sources.conveyor import (
    BELT_COLOUR,
    FULL,
    PART_SHARE,
    bands,
    draw_belt,
    draw_bridge,
    draw_machine,
    draw_parts,
    light_field,
    rail_rows,
    to_scene,
)
from rankcast_sender.sources.uri import Fps, SourceOptions

MAX_PIXELS: Final = 1 << 25
"""8K has 33.2 million; the textures of a scene take about 20 bytes a pixel."""
SCENES: Final = ("conveyor",)

_GAIN_BITS: Final = 14
_LANES: Final = 2
_PITCH: Final = 1.18  # sides of a sprite from slot to slot
_FILLED_SHARE: Final = 0.86  # of slots
_DEFECT_SHARE: Final = 0.14  # of parts
_BT601: Final = np.array([0.114, 0.587, 0.299])  # blue, green, red
_MASK64: Final = (1 << 64) - 1
_WAIT_S: Final = 0.1
_MAX_DUE: Final = 1000
# Noise is drawn once; every row of every frame reads it from another offset.
_BANK_SAMPLES: Final = 1 << 20

_PASTE: Final = function("rk_synthetic_paste")
_EXPOSE_8: Final = function("rk_synthetic_expose_u8")
_EXPOSE_16: Final = function("rk_synthetic_expose_u16")


class ConveyorOptions(SourceOptions):
    """Options of ``synthetic:conveyor``."""

    fps: Fps = 20.0
    width: Annotated[int, Field(ge=64, le=16384)] = 1280
    height: Annotated[int, Field(ge=48, le=16384)] = 720
    channels: Literal["colour", "grey"] = "colour"
    dtype: Literal["uint8", "uint16"] | None = None
    """By default the narrowest that holds `bits`, or uint8."""
    bits: int | None = None
    """Significant bits: 8 for uint8; 10, 12 (default) or 16 for uint16."""
    noise: Annotated[float, Field(ge=0, le=20, allow_inf_nan=False)] = 1.0
    """Standard deviation of the sensor noise, in 8-bit levels."""
    speed: Annotated[float, Field(ge=0, le=4, allow_inf_nan=False)] = 0.25
    """Speed of the belt in picture widths a second."""
    seed: Annotated[int, Field(ge=0, lt=1 << 63)] = 0
    exposure: Annotated[float, Field(ge=0.01, le=1, allow_inf_nan=False)] = 1.0
    """Share of the full light; adjustable at run time."""
    trigger: Literal["off", "on"] = "off"
    """on: one frame for each `trigger=once` from the control channel."""

    @model_validator(mode="after")
    def _check(self) -> ConveyorOptions:
        if self.width * self.height > MAX_PIXELS:
            raise ValueError(
                f"got {self.width}x{self.height} pixels, want at most {MAX_PIXELS} in all"
            )
        allowed = {"uint8": (8,), "uint16": (10, 12, 16), None: (8, 10, 12, 16)}[self.dtype]
        if self.bits is not None and self.bits not in allowed:
            raise ValueError(
                f"got bits = {self.bits}, want {' or '.join(map(str, allowed))}"
                + (f" with {self.dtype}" if self.dtype else "")
            )
        return self

    @classmethod
    def check_path(cls, path: str) -> None:
        """Refuse unknown scenes."""
        if path not in SCENES:
            raise SettingsError(
                f"got source synthetic:{path:.60}, want synthetic:{' or '.join(SCENES)}"
            )

    @property
    def significant_bits(self) -> int:
        """Significant bits of a sample."""
        return self.bits or (12 if self.dtype == "uint16" else 8)


class _Sprite:
    """An object that is pasted into the scene: channels side by side, each with its opacity."""

    def __init__(self, colour: NDArray[np.uint16], cover: NDArray[np.uint16]) -> None:
        self.height, self.width, self.channels = colour.shape
        # What is rounded to no opacity at all may have kept a colour.
        self._colour = np.where(cover[:, :, np.newaxis] > 0, colour, np.uint16(0))
        self._cover = np.repeat(cover, self.channels, axis=1)

    def paste(self, field: NDArray[np.uint16], y: int, x: int) -> None:
        """Blend it over a field (H, W, C) with its upper left corner at (y, x)."""
        rows, width, channels = field.shape
        _PASTE(
            field, rows, width * channels, self._colour, self._cover,
            self.height, self.width * channels, y, x * channels,
        )  # fmt: skip


def _hash(*words: int) -> int:
    """Hash integers with SplitMix64 (doi:10.1145/2660193.2660195), alike on every machine."""
    state = 0
    for word in words:
        state = (state + (word & _MASK64) + 0x9E3779B97F4A7C15) & _MASK64
        state = ((state ^ state >> 30) * 0xBF58476D1CE4E5B9) & _MASK64
        state = ((state ^ state >> 27) * 0x94D049BB133111EB) & _MASK64
        state ^= state >> 31
    return state


def _share(bits: int, position: int) -> float:
    """Twelve bits of a hash as a number in [0, 1)."""
    return (bits >> 12 * position & 0xFFF) / 4096


class ConveyorSource:
    """Parts on a moving belt under a fixed machine frame, in drifting light, with sensor noise.

    Frame n is a pure function of n and the options, and carries n as a frame mark.

    Parameters
    ----------
    path : str
        Name of the scene: ``conveyor``.
    options : ConveyorOptions

    Raises
    ------
    SettingsError
        If the scene is unknown.

    Notes
    -----
    Frames are reproducible within one installation; NumPy may change its random streams between
    versions.
    """

    def __init__(self, path: str, options: ConveyorOptions) -> None:
        options.check_path(path)
        self.options = options
        self._exposure = options.exposure
        self._trigger = options.trigger == "on"
        self._due = 0
        self._interrupted = threading.Event()
        self.adjustments = Adjustments(self._values())
        self._bits = options.significant_bits
        self._dtype = np.dtype(np.uint8 if self._bits == 8 else np.uint16)
        height, width = options.height, options.width
        self._rail = rail_rows(height)
        belt_rows = height - 2 * self._rail
        rng = np.random.default_rng(options.seed)

        self._length = width + width // 4
        belt = draw_belt(belt_rows, self._length, height / 720, rng)
        # One picture width longer than a turn, so that every view is one slice.
        channels = 3 if options.channels == "colour" else 1
        self._belt = np.empty((belt_rows, self._length + width, channels), np.uint16)
        for rows in bands(belt_rows):
            coloured = belt[rows, :, np.newaxis] * np.array(BELT_COLOUR, np.float32)
            self._belt[rows, : self._length] = to_scene(self._channels(coloured))
        self._belt[:, self._length :] = self._belt[:, :width]
        side = max(4, round(min(belt_rows / _LANES * 0.94, width / 4)))
        self._side, self._pitch = side, round(side * _PITCH)
        good, damaged = draw_parts(side, rng)
        self._good = [_Sprite(self._channels(part.colour), part.cover) for part in good]
        self._damaged = [_Sprite(self._channels(part.colour), part.cover) for part in damaged]
        bridge = draw_bridge(belt_rows, width, rng)
        self._bridge = _Sprite(self._channels(bridge.colour), bridge.cover)
        self._bridge_x = bridge.x
        # Frames are composed in place; only the belt between the rails is redrawn.
        self._scene = np.ascontiguousarray(
            to_scene(self._channels(draw_machine(height, width, rng)))
        )
        lit_rows, columns = light_field(height, width)
        self._rows = np.rint(lit_rows * (1 << _GAIN_BITS)).astype(np.int32)
        self._columns = np.repeat(columns, self._scene.shape[2])
        samples = max(_BANK_SAMPLES, 8 * self._columns.size)
        self._noise = np.rint(
            np.clip(rng.normal(0, options.noise * FULL, samples), -32767, 32767)
        ).astype(np.int16)

    def _channels(self, picture: NDArray[Any]) -> NDArray[Any]:
        """Return the picture in colour, or its luma as one channel."""
        if self.options.channels == "colour":
            return picture
        luma = picture @ _BT601
        return np.asarray(luma[:, :, np.newaxis]).astype(picture.dtype)

    @property
    def description(self) -> str:
        """One line for status and reports."""
        options = self.options
        return (
            f"synthetic:conveyor {options.width}x{options.height} {options.channels} "
            f"{self._bits} bit at {options.fps:g} fps, seed {options.seed}"
        )

    @property
    def live(self) -> bool:
        """False: the pipeline sets the pace."""
        return False

    @property
    def fps(self) -> float | None:
        """As configured."""
        return self.options.fps

    @property
    def frame_interval_s(self) -> float | None:
        """One period; None while a trigger sets the pace."""
        return None if self._trigger else 1.0 / self.options.fps

    @property
    def gaps(self) -> int:
        """Always 0: no frame is ever lost."""
        return 0

    def render(self, number: int) -> Pixels:
        """Draw frame `number`.

        Parameters
        ----------
        number : int
            From 0; the mark counts it modulo 2^32.

        Returns
        -------
        ndarray, shape (H, W, 3) or (H, W), uint8 or uint16
            A new array.
        """
        options, rail, scene = self.options, self._rail, self._scene
        height, width = options.height, options.width
        # Integers stay exact for any number; floats would lose pixels after days.
        step = round(options.speed * width / options.fps * (1 << 20))
        moved = number * step >> 20
        start = -moved % self._length
        field = scene[rail : height - rail]
        field[:] = self._belt[:, start : start + width]
        self._lay_parts(field, moved)
        self._bridge.paste(field, 0, self._bridge_x)

        gain = self._gain(number) * self._exposure
        columns = np.rint(self._columns * gain * (1 << _GAIN_BITS)).astype(np.int32)
        out = np.empty((height, columns.size), self._dtype)
        offsets = self._noise_offsets(number, columns.size)
        sensor = (scene, *out.shape, self._rows, columns, self._noise, offsets)
        if self._bits == 8:
            _EXPOSE_8(*sensor, out)
        else:
            _EXPOSE_16(*sensor, 16 - self._bits, out)
        pixels: Pixels = out.reshape(scene.shape) if options.channels == "colour" else out
        write_frame_mark(pixels, number % NUMBER_LIMIT, white=(1 << self._bits) - 1)
        return pixels

    def _gain(self, number: int) -> float:
        """Brightness of the lamp: slow drift, mains hum aliased by the frame rate, flicker."""
        t_s = number / self.options.fps
        phase = 2 * math.pi * _share(_hash(self.options.seed, 1), 0)
        flicker = _share(_hash(self.options.seed, 2, number), 0) - 0.5
        return (
            1.06 + 0.05 * math.sin(2 * math.pi * t_s / 41 + phase)
            + 0.012 * math.sin(2 * math.pi * t_s / 5.3) + 0.004 * flicker
        )  # fmt: skip

    def _noise_offsets(self, number: int, columns: int) -> NDArray[np.int64]:
        words = np.arange(self.options.height, dtype=np.uint64)
        words = words * np.uint64(0x9E3779B97F4A7C15) + np.uint64(
            _hash(self.options.seed, 3, number)
        )
        words = (words ^ words >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
        words ^= words >> np.uint64(27)
        places = np.uint64(self._noise.size - columns + 1)
        return (words % places).astype(np.int64)

    def _lay_parts(self, field: NDArray[np.uint16], moved: int) -> None:
        """Paste the parts of all slots in view; the belt runs to the right."""
        rows, width = field.shape[:2]
        side, pitch = self._side, self._pitch
        for lane in range(_LANES):
            shift = moved - lane * pitch // 2
            for slot in range((shift - width) // pitch - 1, (shift + side) // pitch + 2):
                bits = _hash(self.options.seed, 4, lane, slot)
                if _share(bits, 0) >= _FILLED_SHARE:
                    continue
                bank = self._damaged if _share(bits, 1) < _DEFECT_SHARE else self._good
                part = bank[int(_share(bits, 2) * len(bank))]
                room = (1 - PART_SHARE) * side
                x = (
                    shift
                    - slot * pitch
                    + round((_share(bits, 3) - 0.5) * (pitch - side + room / 2))
                )
                centre = (lane + 0.5) * rows / _LANES + (_share(bits, 4) - 0.5) * room * 0.5
                part.paste(field, round(centre - side / 2), x)

    def __iter__(self) -> Iterator[Frame]:
        """Yield frames from 0 without end; with `trigger` on, one for each trigger."""
        number = 0
        significant = 0 if self._bits == 8 * self._dtype.itemsize else self._bits
        while True:
            self.adjustments.serve(self._adjust)
            while self._trigger and not self._due:
                if self._interrupted.is_set():
                    return
                self.adjustments.wait(_WAIT_S)
                self.adjustments.serve(self._adjust)
            self._due = max(0, self._due - 1)
            yield Frame(self.render(number), frame=number, significant_bits=significant)
            number += 1

    def _values(self) -> Mapping[str, Scalar]:
        return {"exposure": self._exposure, "trigger": "on" if self._trigger else "off"}

    def _adjust(self, wanted: Mapping[str, Scalar]) -> Mapping[str, Scalar]:
        exposure = wanted.get("exposure", self._exposure)
        trigger = wanted.get("trigger", "on" if self._trigger else "off")
        if type(exposure) not in (int, float) or not 0.01 <= float(exposure) <= 1:  # type: ignore[arg-type]
            raise SettingsError(f"got exposure {exposure!r:.40}, want 0.01 to 1")
        if trigger not in ("off", "on", "once"):
            raise SettingsError(f"got trigger {trigger!r:.40}, want off, on or once")
        if trigger == "once":
            if not self._trigger:
                raise SettingsError(
                    "got trigger once, but the source is not waiting for one: set trigger=on first"
                )
            self._due = min(self._due + 1, _MAX_DUE)
        else:
            self._trigger, self._due = trigger == "on", 0
        self._exposure = float(exposure)  # type: ignore[arg-type]
        return self._values()

    def interrupt(self) -> None:
        """End the wait for a trigger."""
        self._interrupted.set()
        self.adjustments.wake()

    def close(self) -> None:
        """Do nothing: the source holds nothing open."""
