"""Runs the slices of one picture, writing or reading, on the pool of the process."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from rankcast.codec.svd_patch.geometry import Borders, Geometry, Layout
from rankcast.codec.svd_patch.picture import Picture, new_info
from rankcast.codec.svd_patch.plane import code_plane
from rankcast.codec.svd_patch.tables import STEP_ONE
from rankcast.codec.svd_patch.work import (
    BEST,
    BOTTOM,
    DEEP,
    GUIDE_SHIFT,
    HAS_GUIDE,
    KEEP,
    LARGEST,
    MIDDLE_GREY,
    NUMBERS,
    OTHER_PLANE,
    PREDICTED,
    PRICES,
    STEP,
    TOP,
    Work,
    scratch,
)
from rankcast.entropy.rangecoder import POSITION, finish_encoder, start_decoder, start_encoder
from rankcast.kernels import pool

BIT_PRICE = 0.16
"""Squared steps that a bit is worth. A uniform quantiser at high rate trades 2 ln 2 / 12 = 0.116;
levels chosen by cost make a smaller step with a higher price the better pair."""
SAD_PER_BIT = 0.8 * BIT_PRICE**0.5
"""Steps of absolute difference that a bit of a vector or mode is worth."""


class Engine:
    """Arrays for coding pictures of one geometry; one per stream and end."""

    def __init__(self, geometry: Geometry) -> None:
        self.geometry = geometry
        self.info = new_info(geometry)
        self.still = [np.zeros((p.units_y, p.units_x), np.uint8) for p in geometry.planes]
        self.plan = [np.zeros((p.units_y, p.units_x), np.int8) for p in geometry.planes]
        self.scratch = [scratch() for _ in range(geometry.slices)]
        self.buffer = np.zeros(0, np.uint8)

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
        rank: int,
        threads: int | None,
    ) -> tuple[bytes, ...]:
        """Code `source` into `picture`, which started from `reference`; return the slices."""
        buffers = self._buffers(borders)
        rows = [plane.slices(borders) for plane in self.geometry.planes]
        for info in self.info:
            info.fill(0)

        def task(index: int) -> Callable[[], bytes]:
            def write_slice() -> bytes:
                coder, data = picture.coders[index], buffers[index]
                start_encoder(coder, len(data))
                # Not where the try before ended: coding a picture again must give the same.
                found = self.scratch[index]["vectors"][BEST]
                found[:] = 0 if reference is None else reference.moved[index]
                for plane in range(len(source)):
                    if reference is not None:
                        picture.copy_rows(reference, plane, rows[plane][index])
                    work = self._work(
                        index, rows[plane][index], plane, data, source[plane], picture, reference,
                        step, rank,
                    )  # fmt: skip
                    if not code_plane(work):
                        raise AssertionError("the buffer of a slice was too small")
                picture.moved[index] = found
                return data[: finish_encoder(coder, data)].tobytes()

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
        rank: int,
    ) -> bool:
        """Rebuild `picture` from its slices; False if one of them is not what it must be."""
        for info in self.info:
            info.fill(0)
        rows = [plane.slices(borders) for plane in self.geometry.planes]

        def task(index: int) -> Callable[[], bool]:
            def read_slice() -> bool:
                coder = picture.coders[index]
                data = np.frombuffer(slices[index] or b"\0", np.uint8).copy()
                start_decoder(coder, data, 0, len(slices[index]))
                for plane in range(len(picture.planes)):
                    if reference is not None:
                        picture.copy_rows(reference, plane, rows[plane][index])
                    work = self._work(
                        index, rows[plane][index], plane, data, picture.planes[plane], picture,
                        reference, step, rank,
                    )  # fmt: skip
                    if not code_plane(work):
                        return False
                # A decoder reads ahead, so whatever it has not touched is no part of the slice.
                return bool(coder[POSITION] >= len(slices[index]))

            return read_slice

        tasks = [task(index) for index in range(self.geometry.slices)]
        return all(pool.run(tasks))

    def _work(
        self,
        index: int,
        rows: tuple[int, int],
        plane: int,
        data: NDArray[np.uint8],
        source: NDArray[np.uint16],
        picture: Picture,
        reference: Picture | None,
        step: int,
        rank: int,
    ) -> Work:
        geometry = self.geometry
        size = geometry.planes[plane]
        numbers = np.zeros(NUMBERS, np.int64)
        other = plane > 0
        # The planes of a mosaic and of a multispectral frame have the statistics of luma.
        numbers[OTHER_PLANE] = other and geometry.layout in (Layout.YCC420, Layout.YCC444)
        numbers[HAS_GUIDE] = other
        numbers[GUIDE_SHIFT] = size.guide_shift
        numbers[PREDICTED] = reference is not None
        numbers[LARGEST] = geometry.largest
        numbers[STEP] = step
        numbers[DEEP] = geometry.deep
        numbers[TOP], numbers[BOTTOM] = rows
        numbers[KEEP] = rank
        numbers[MIDDLE_GREY] = (geometry.largest + 1) // 2
        prices = np.zeros(PRICES, np.float64)
        prices[:] = (BIT_PRICE, step / STEP_ONE, step / STEP_ONE * SAD_PER_BIT)
        basis = picture.bases[plane]
        return Work(
            coder=picture.coders[index],
            data=data,
            source=source,
            rebuilt=picture.planes[plane],
            reference=picture.planes[plane] if reference is None else reference.planes[plane],
            info=self.info[plane],
            guide=self.info[0],
            numbers=numbers,
            prices=prices,
            left=basis.left,
            right_t=basis.right_t,
            left_t_real=basis.left_t_real,
            right_real=basis.right_real,
            plan=self.plan[plane],
            still=self.still[plane],
            **self.scratch[index],
        )
