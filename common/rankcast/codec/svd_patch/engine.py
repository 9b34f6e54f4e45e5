"""Runs the slices of one picture, writing or reading, on the pool of the process."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from rankcast import pool
from rankcast.codec.svd_patch.decision import PRICES
from rankcast.codec.svd_patch.geometry import Geometry, Layout
from rankcast.codec.svd_patch.picture import Picture, new_info
from rankcast.codec.svd_patch.plane import code_plane
from rankcast.codec.svd_patch.slice import (
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
    STEP,
    TOP,
    Work,
    scratch,
)
from rankcast.codec.svd_patch.tables import STEP_ONE
from rankcast.entropy.rangecoder import POSITION, finish_encoder, start_decoder, start_encoder

T = TypeVar("T")
BIT_PRICE = 0.16
"""Squared steps that a bit is worth. A uniform quantiser at high rate trades 2 ln 2 / 12 = 0.116;
levels chosen by cost make a smaller step with a higher price the better pair."""
SAD_PER_BIT = 0.8 * BIT_PRICE**0.5
"""Steps of absolute difference that a bit of a vector or mode is worth."""


def run_tasks(tasks: list[Callable[[], T]], threads: int | None) -> list[T]:
    """Run on the pool, or here when only one thread is wanted."""
    if threads == 1:
        return [task() for task in tasks]
    return pool.run(tasks)


class Engine:
    """Arrays for coding pictures of one geometry; one per stream and end."""

    def __init__(self, geometry: Geometry) -> None:
        self.geometry = geometry
        self.info = new_info(geometry)
        self.still = [np.zeros((p.units_y, p.units_x), np.uint8) for p in geometry.planes]
        self.plan = [np.zeros((p.units_y, p.units_x), np.int8) for p in geometry.planes]
        self.scratch = [scratch() for _ in range(geometry.slices)]
        self.buffers: list[NDArray[np.uint8]] = []

    def _make_buffers(self) -> None:
        if self.buffers:
            return
        for index in range(self.geometry.slices):
            samples = sum(
                64 * (p.slices[index][1] - p.slices[index][0]) * p.units_x
                for p in self.geometry.planes
            )
            # Even noise at the smallest step stays below 32 bits a sample.
            self.buffers.append(np.zeros(4 * samples + 4096, np.uint8))

    def write(
        self,
        source: list[NDArray[np.uint16]],
        picture: Picture,
        reference: Picture | None,
        step: int,
        rank: int,
        threads: int | None,
    ) -> tuple[bytes, ...]:
        """Code `source` into `picture`, which started from `reference`; return the slices."""
        self._make_buffers()
        for info in self.info:
            info.fill(0)

        def task(index: int) -> Callable[[], bytes]:
            def write_slice() -> bytes:
                coder, data = picture.coders[index], self.buffers[index]
                start_encoder(coder, len(data))
                for plane in range(len(source)):
                    work = self._work(
                        index, plane, data, source[plane], picture, reference, step, rank
                    )
                    if not code_plane(work):
                        raise AssertionError("the buffer of a slice was too small")
                return data[: finish_encoder(coder, data)].tobytes()

            return write_slice

        tasks = [task(index) for index in range(self.geometry.slices)]
        return tuple(run_tasks(tasks, threads))

    def read(
        self,
        slices: tuple[bytes, ...],
        picture: Picture,
        reference: Picture | None,
        step: int,
        rank: int,
    ) -> bool:
        """Rebuild `picture` from its slices; False if one of them is not what it must be."""
        for info in self.info:
            info.fill(0)

        def task(index: int) -> Callable[[], bool]:
            def read_slice() -> bool:
                coder = picture.coders[index]
                data = np.frombuffer(slices[index] or b"\0", np.uint8).copy()
                start_decoder(coder, data, 0, len(slices[index]))
                for plane in range(len(picture.planes)):
                    work = self._work(
                        index, plane, data, picture.planes[plane], picture, reference, step, rank
                    )
                    if not code_plane(work):
                        return False
                # A decoder reads ahead, so whatever it has not touched is no part of the slice.
                return bool(coder[POSITION] >= len(slices[index]))

            return read_slice

        tasks = [task(index) for index in range(self.geometry.slices)]
        done: list[bool] = run_tasks(tasks, None)
        return all(done)

    def _work(
        self,
        index: int,
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
        numbers[TOP], numbers[BOTTOM] = size.slices[index]
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
