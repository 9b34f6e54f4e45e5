"""Walk over one slice of one plane: cells in raster order, parts of a cell in Z order."""

from __future__ import annotations

from rankcast.codec.svd_patch.decision import decide_leaf
from rankcast.codec.svd_patch.plan import SKIP_PLANNED, plan_cell
from rankcast.codec.svd_patch.slice import code_leaf
from rankcast.codec.svd_patch.still import find_still
from rankcast.codec.svd_patch.work import BOTTOM, D_KIND, NONE, PREDICTED, TOP, Work
from rankcast.entropy.rangecoder import DECODING, OVERRUN
from rankcast.kernels import Integer, lean_kernel


@lean_kernel
def code_plane(w: Work) -> bool:
    """Write or read the slice; False if the buffer was too small or the stream ended early."""
    bottom, width = w.numbers[BOTTOM], w.info.shape[1]
    encoding = w.coder[DECODING] == 0
    for uy in range(w.numbers[TOP], bottom, 4):
        if encoding and w.numbers[PREDICTED] != 0:
            for row in range(uy, min(uy + 4, bottom)):
                find_still(w, row, width)
        for ux in range(0, width, 4):
            if encoding:
                plan_cell(w, uy, ux)
            # Sizes 32, 16 and 8 by one place each in the source: a kernel that is called from
            # many places is compiled into each of them.
            for index in range(21):
                if index == 0:
                    size, vy, vx = 2, uy, ux
                    whole = part = False
                elif (index - 1) % 5 == 0:
                    quarter = (index - 1) // 5
                    size, vy, vx = 1, uy + 2 * (quarter >> 1), ux + 2 * (quarter & 1)
                    part = vy >= bottom or vx >= width
                else:
                    if part:
                        continue
                    eighth = (index - 1) % 5 - 1
                    size, vy, vx = 0, vy_of(uy, index, eighth), vx_of(ux, index, eighth)
                    if vy >= bottom or vx >= width:
                        continue
                if whole or part:
                    continue
                n = 1 << size
                # A patch is split where it would not fit.
                done = size == 0 or (vy + n <= bottom and vx + n <= width)
                if done:
                    if encoding:
                        planned = int(w.plan[vy, vx])
                        if (planned & 3) < size:
                            w.numbers[D_KIND] = NONE
                        else:
                            decide_leaf(w, vy, vx, size, planned >= SKIP_PLANNED)
                    done = code_leaf(w, vy, vx, size)
                if size == 2:
                    whole = done
                elif size == 1:
                    part = done
                if whole:
                    break
        if w.coder[OVERRUN] != 0:
            return False
    return True


@lean_kernel
def vy_of(uy: Integer, index: Integer, eighth: Integer) -> Integer:
    """Row of the unit of a patch of 8 by its place in the cell's Z order."""
    return uy + 2 * (((index - 1) // 5) >> 1) + (eighth >> 1)


@lean_kernel
def vx_of(ux: Integer, index: Integer, eighth: Integer) -> Integer:
    """Column of the unit of a patch of 8 by its place in the cell's Z order."""
    return ux + 2 * (((index - 1) // 5) & 1) + (eighth & 1)
