"""Walk over one slice of one plane: cells in raster order, parts of a cell in Z order."""

from __future__ import annotations

from rankcast.codec.svd_patch.decision import SKIP_PLANNED, decide_leaf, plan_cell
from rankcast.codec.svd_patch.slice import BOTTOM, D_KIND, NONE, TOP, Work, code_leaf
from rankcast.entropy.rangecoder import OVERRUN
from rankcast.jit import kernel


@kernel
def _node(w: Work, uy: int, ux: int, size: int) -> bool:
    """Code a patch; False if it is split, by choice or because it would not fit."""
    n = 1 << size
    if size > 0 and (uy + n > w.parameters[BOTTOM] or ux + n > w.info.shape[1]):
        return False
    if w.coder[7] == 0:
        planned = int(w.plan[uy, ux])
        if (planned & 3) < size:
            w.decision[D_KIND] = NONE
        else:
            decide_leaf(w, uy, ux, size, planned >= SKIP_PLANNED)
    return code_leaf(w, uy, ux, size)


@kernel
def code_plane(w: Work) -> bool:
    """Write or read the slice; False if the buffer was too small or the stream ended early."""
    bottom, width = w.parameters[BOTTOM], w.info.shape[1]
    for uy in range(w.parameters[TOP], bottom, 4):
        for ux in range(0, width, 4):
            if w.coder[7] == 0:
                plan_cell(w, uy, ux)
            if _node(w, uy, ux, 2):
                continue
            for a in range(2):
                for b in range(2):
                    vy, vx = uy + 2 * a, ux + 2 * b
                    if vy >= bottom or vx >= width or _node(w, vy, vx, 1):
                        continue
                    for c in range(2):
                        for d in range(2):
                            if vy + c < bottom and vx + d < width:
                                _node(w, vy + c, vx + d, 0)
        if w.coder[OVERRUN] != 0:
            return False
    return True
