"""Runs the slices of one picture, writing or reading, on the pool of the process."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from ctypes import Structure
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rankcast import pool
from rankcast.codec.svd_patch.basis import SLICE
from rankcast.codec.svd_patch.geometry import Borders, Geometry, Layout
from rankcast.codec.svd_patch.loop_filter import FILTER_SCALE
from rankcast.codec.svd_patch.picture import Picture
from rankcast.codec.svd_patch.tables import STEP_ONE
from rankcast.codec.svd_patch.units import new_info
from rankcast.core import address_of, function, struct
from rankcast.entropy.rangecoder import POSITION

KEY_BIT_PRICE: Final = 0.14
"""Squared steps that a bit of a key frame is worth. A uniform quantiser at high rate trades
2 ln 2 / 12 = 0.116; levels chosen by cost make a smaller step with a higher price the better pair.
"""
BIT_PRICE: Final = 0.36
"""The same of a predicted frame. What moves carries the noise of its reference along: at a low
price that noise is coded again in every frame."""
FINE_BIT_PRICE: Final = 0.16
"""The same of both below a step of one level: what is left there is rounding, which a still scene
would code again in every frame, at twice the bytes."""
_DIFFERENCE_OF_BIT: Final = 0.8
"""A bit of a vector or mode is worth this times the root of its price, in steps of absolute
difference."""

_START_ENCODER: Final = function("rk_range_start_encoder")
_FINISH_ENCODER: Final = function("rk_range_finish_encoder")
_START_DECODER: Final = function("rk_range_start_decoder")
_ENCODE_PLANE: Final = function("rk_svd_patch_encode_plane")
_DECODE_PLANE: Final = function("rk_svd_patch_decode_plane")
_SCRATCH_BYTES: Final = function("rk_svd_patch_scratch_bytes")()


class Engine:
    """Arrays for coding pictures of one geometry; one per stream and end."""

    def __init__(self, geometry: Geometry) -> None:
        self.geometry = geometry
        self.info = new_info(geometry)
        self._info_addresses = [address_of(info, "units", SLICE) for info in self.info]
        self._scratch = [np.zeros(_SCRATCH_BYTES, np.uint8) for _ in range(geometry.slices)]
        self.slices = [self._new_slice(scratch) for scratch in self._scratch]
        self.buffer = np.zeros(0, np.uint8)

    def _new_slice(self, scratch: NDArray[np.uint8]) -> Structure:
        """Make the struct of a slice, with what is the same for all planes of all pictures."""
        made = struct(SLICE)()
        made.scratch = address_of(scratch, "scratch", SLICE)
        made.largest = self.geometry.largest
        made.deep = self.geometry.deep
        return made

    def _buffers(self, borders: Borders) -> list[NDArray[np.uint8]]:
        """Room for each slice, in one buffer, so that borders can move."""
        # Even noise at the smallest step stays below 32 bits a sample.
        sizes = [4096] * self.geometry.slices
        for plane in self.geometry.planes:
            for index, (top, bottom) in enumerate(plane.slices(borders)):
                sizes[index] += 4 * 64 * (bottom - top) * plane.units_x
        if not len(self.buffer):
            self.buffer = np.zeros(sum(sizes), np.uint8)
        ends = itertools.accumulate(sizes)
        return [self.buffer[end - size : end] for size, end in zip(sizes, ends, strict=True)]

    def write(
        self,
        source: list[NDArray[np.uint16]],
        borders: Borders,
        picture: Picture,
        reference: Picture | None,
        step: int,
        loop_filter: int,
        rank: int,
        effort: int,
        threads: int | None,
    ) -> tuple[bytes, ...]:
        """Code `source` into `picture`, predicted from `reference`; return the slices."""
        buffers = self._buffers(borders)
        rows = [plane.slices(borders) for plane in self.geometry.planes]
        for info in self.info:
            info.fill(0)
        sources = [address_of(plane, "source", SLICE) for plane in source]

        def task(index: int) -> Callable[[], bytes]:
            def write_slice() -> bytes:
                coder, data = picture.coders[index], buffers[index]
                _START_ENCODER(coder, len(data))
                work = self._begin(index, picture, data, step, loop_filter)
                work.rank = rank
                work.effort = effort
                price = KEY_BIT_PRICE if reference is None else BIT_PRICE
                work.bit_price = FINE_BIT_PRICE if step < STEP_ONE else price
                work.bit_difference = step / STEP_ONE * _DIFFERENCE_OF_BIT * work.bit_price**0.5
                # Not where the try before ended: coding a picture again must give the same.
                work.moved[:] = (0, 0) if reference is None else reference.moved[index]
                for plane, address in enumerate(sources):
                    self._enter(work, plane, rows[plane][index], picture, reference)
                    work.source = address
                    if _ENCODE_PLANE(work):
                        raise AssertionError("the buffer of a slice was too small")
                picture.moved[index] = work.moved[0], work.moved[1]
                return data[: _FINISH_ENCODER(coder, data)].tobytes()

            return write_slice

        tasks = [task(index) for index in range(self.geometry.slices)]
        return tuple(pool.run(tasks, threads))

    def read(
        self,
        slices: tuple[bytes, ...],
        borders: Borders,
        picture: Picture,
        reference: Picture | None,
        step: int,
        loop_filter: int,
    ) -> bool:
        """Rebuild `picture` from its slices; False if one of them is not what it must be."""
        for info in self.info:
            info.fill(0)
        rows = [plane.slices(borders) for plane in self.geometry.planes]

        def task(index: int) -> Callable[[], bool]:
            def read_slice() -> bool:
                coder = picture.coders[index]
                data = np.array(memoryview(slices[index] or b"\0"), np.uint8)
                _START_DECODER(coder, data, 0, len(slices[index]))
                work = self._begin(index, picture, data, step, loop_filter)
                for plane in range(len(picture.planes)):
                    self._enter(work, plane, rows[plane][index], picture, reference)
                    if _DECODE_PLANE(work):
                        return False
                # A decoder reads ahead, so whatever it has not touched is no part of the slice.
                return bool(coder[POSITION] >= len(slices[index]))

            return read_slice

        tasks = [task(index) for index in range(self.geometry.slices)]
        return all(pool.run(tasks))

    def _begin(
        self,
        index: int,
        picture: Picture,
        data: NDArray[np.uint8],
        step: int,
        loop_filter: int,
    ) -> Structure:
        """Return the struct of a slice, with what all planes of a picture share."""
        work = self.slices[index]
        work.coder = picture.coder_addresses[index]
        work.data = address_of(data, "data", SLICE)
        work.step = step
        work.filter = loop_filter % FILTER_SCALE
        work.filter_shift = loop_filter // FILTER_SCALE
        return work

    def _enter(
        self,
        work: Structure,
        plane: int,
        rows: tuple[int, int],
        picture: Picture,
        reference: Picture | None,
    ) -> None:
        """Enter what the slice has of a plane."""
        geometry = self.geometry
        size, first = geometry.planes[plane], geometry.planes[0]
        work.reference = None if reference is None else reference.plane_addresses[plane]
        work.rebuilt = picture.plane_addresses[plane]
        work.units = self._info_addresses[plane]
        work.guide = self._info_addresses[0] if plane else None
        work.units_y, work.units_x = size.units_y, size.units_x
        work.guide_units_y, work.guide_units_x = first.units_y, first.units_x
        work.guide_shift = size.guide_shift
        work.top, work.bottom = rows
        # The planes of a mosaic and of a multispectral frame have the statistics of luma.
        work.chroma = plane > 0 and geometry.layout in (Layout.YCC420, Layout.YCC444)
        basis = picture.bases[plane]
        work.left, work.right_t, work.left_t_real, work.right_real = basis.addresses
