"""One slice of one plane: the tree of patches, their prediction and their cores.

`code_plane` is both the writer and the reader of the syntax. Whatever only an encoder
does (planning the tree, choosing predictions and levels) is in `decision`.
"""

from __future__ import annotations

import numpy as np

from rankcast.codec.svd_patch import contexts
from rankcast.codec.svd_patch.coefficients import code_core
from rankcast.codec.svd_patch.intra import gather_edge, predict
from rankcast.codec.svd_patch.motion import displaced
from rankcast.codec.svd_patch.tables import INTRA_MODES, MAX_VECTOR, STRIDE
from rankcast.codec.svd_patch.transform import inverse_8, inverse_16
from rankcast.codec.svd_patch.work import (
    BOTTOM,
    CODED,
    CORE,
    D_CODED,
    D_INDEX,
    D_KIND,
    D_MODE,
    D_VECTOR_X,
    D_VECTOR_Y,
    DEEP,
    EDGE_SAMPLES,
    EXTENT,
    GUIDE_SHIFT,
    HAS_GUIDE,
    INTER,
    INTRA,
    KIND,
    LARGEST,
    LEVELS_NOW,
    LINE,
    MIDDLE,
    MIDDLE_GREY,
    MODE,
    NEAR,
    NONE,
    OTHER_PLANE,
    PREDICTED,
    PREDICTION,
    RAW_EDGE,
    RESIDUAL,
    ROWS,
    SIZE,
    SKIPPED,
    STEP,
    TOP,
    VECTOR_X,
    VECTOR_Y,
    Work,
)
from rankcast.entropy.rangecoder import code_bit, code_bits
from rankcast.kernels import Integer, fused_kernel


@fused_kernel
def list_candidates(w: Work, uy: Integer, ux: Integer) -> Integer:
    """Collect the displacements that neighbours suggest, without repeats; return their number."""
    p, info, out = w.numbers, w.info, w.vectors
    count = 0
    for source in range(4):
        v = u = np.int64(0)
        if source == 0:
            if p[HAS_GUIDE] == 0:
                continue
            shift = p[GUIDE_SHIFT]
            gy = min(uy << shift, w.guide.shape[0] - 1)
            gx = min(ux << shift, w.guide.shape[1] - 1)
            kind = w.guide[gy, gx, KIND]
            if kind in (INTRA, NONE):
                continue
            v = np.int64(w.guide[gy, gx, VECTOR_Y]) >> shift
            u = np.int64(w.guide[gy, gx, VECTOR_X]) >> shift
        elif source == 1:
            if ux == 0 or info[uy, ux - 1, KIND] == INTRA:
                continue
            v = np.int64(info[uy, ux - 1, VECTOR_Y])
            u = np.int64(info[uy, ux - 1, VECTOR_X])
        elif source == 2:
            if uy <= p[TOP] or info[uy - 1, ux, KIND] == INTRA:
                continue
            v = np.int64(info[uy - 1, ux, VECTOR_Y])
            u = np.int64(info[uy - 1, ux, VECTOR_X])
        known = False
        for k in range(count):
            if out[k, 0] == v and out[k, 1] == u:
                known = True
        if not known:
            out[count, 0] = v
            out[count, 1] = u
            count += 1
    return count


@fused_kernel
def guide_kind(w: Work, uy: Integer, ux: Integer) -> Integer:
    """0 without a first plane; 1 if it skipped here, 2 if it did not."""
    p = w.numbers
    if p[HAS_GUIDE] == 0:
        return 0
    gy = min(uy << p[GUIDE_SHIFT], w.guide.shape[0] - 1)
    gx = min(ux << p[GUIDE_SHIFT], w.guide.shape[1] - 1)
    return 1 if w.guide[gy, gx, KIND] == SKIPPED else 2


@fused_kernel
def skip_context(w: Work, uy: Integer, ux: Integer, size: Integer) -> Integer:
    """Model of the skip flag."""
    p = w.numbers
    near = 0
    if ux > 0 and w.info[uy, ux - 1, KIND] == SKIPPED:
        near += 1
    if uy > p[TOP] and w.info[uy - 1, ux, KIND] == SKIPPED:
        near += 1
    return contexts.SKIP + ((p[OTHER_PLANE] * 3 + size) * 3 + near) * 3 + guide_kind(w, uy, ux)


@fused_kernel
def split_context(w: Work, uy: Integer, ux: Integer, size: Integer) -> Integer:
    """Model of the split flag of a patch of 16 (`size` 1) or 32 (2)."""
    p = w.numbers
    near = 0
    if ux > 0 and w.info[uy, ux - 1, SIZE] < size:
        near += 1
    if uy > p[TOP] and w.info[uy - 1, ux, SIZE] < size:
        near += 1
    guide = 0
    if p[HAS_GUIDE] != 0:
        gy = min(uy << p[GUIDE_SHIFT], w.guide.shape[0] - 1)
        gx = min(ux << p[GUIDE_SHIFT], w.guide.shape[1] - 1)
        guide = 1 if w.guide[gy, gx, SIZE] < min(size + p[GUIDE_SHIFT], 2) else 2
    return (
        contexts.SPLIT
        + (((p[OTHER_PLANE] * 2 + size - 1) * 3 + near) * 3 + guide) * 2
        + p[PREDICTED]
    )


@fused_kernel
def intra_context(w: Work, uy: Integer, ux: Integer, size: Integer) -> Integer:
    """Model of the flag between intra and inter."""
    p = w.numbers
    near = 0
    if ux > 0 and w.info[uy, ux - 1, KIND] == INTRA:
        near += 1
    if uy > p[TOP] and w.info[uy - 1, ux, KIND] == INTRA:
        near += 1
    guide = 0
    if p[HAS_GUIDE] != 0:
        gy = min(uy << p[GUIDE_SHIFT], w.guide.shape[0] - 1)
        gx = min(ux << p[GUIDE_SHIFT], w.guide.shape[1] - 1)
        guide = 1 if w.guide[gy, gx, KIND] == INTRA else 2
    return contexts.IS_INTRA + ((p[OTHER_PLANE] * 3 + near) * 3 + guide) * 3 + size


@fused_kernel
def coded_context(w: Work, uy: Integer, ux: Integer, size: Integer, group: Integer) -> Integer:
    """Model of the flag that a core has levels."""
    p = w.numbers
    near = 0
    if ux > 0 and w.info[uy, ux - 1, CODED] != 0:
        near += 1
    if uy > p[TOP] and w.info[uy - 1, ux, CODED] != 0:
        near += 1
    guide = 0
    if p[HAS_GUIDE] != 0:
        gy = min(uy << p[GUIDE_SHIFT], w.guide.shape[0] - 1)
        gx = min(ux << p[GUIDE_SHIFT], w.guide.shape[1] - 1)
        guide = 1 if w.guide[gy, gx, CODED] == 0 else 2
    return contexts.CODED + (group * 3 + size) * 9 + near * 3 + guide


@fused_kernel
def _code_candidate(w: Work, count: Integer, index: Integer) -> Integer:
    found = 0
    while found < count - 1:
        context = contexts.SKIP_CANDIDATE + w.numbers[OTHER_PLANE] * 4 + found
        if code_bit(w.coder, w.data, context, int(found < index)) == 0:
            break
        found += 1
    return found


@fused_kernel
def _code_component(w: Work, axis: Integer, value: Integer) -> Integer:
    coder, data = w.coder, w.data
    base = contexts.VECTOR + axis * 16
    if code_bit(coder, data, base, int(value != 0)) == 0:
        return 0
    negative = code_bit(coder, data, base + 1, int(value < 0))
    # Exponential Golomb: the number of bits in unary, then the bits below the leading one.
    size = abs(value)
    width = np.int64(0)
    while (size >> (width + 1)) > 0:
        width += 1
    found = np.int64(0)
    while found < 12:
        if code_bit(coder, data, base + 2 + found, int(found < width)) == 0:
            break
        found += 1
    size = (np.int64(1) << found) | code_bits(coder, data, found, size)
    return -size if negative else size


@fused_kernel
def _code_mode(w: Work, uy: Integer, ux: Integer, size: Integer, mode: Integer) -> Integer:
    """Code an intra mode: that of the first plane, left, above, or one of all by a binary tree."""
    p, coder, data = w.numbers, w.coder, w.data
    tried_a = tried_b = np.int64(-1)
    for k in range(3):
        near = np.int64(-1)
        if k == 0 and p[HAS_GUIDE] != 0:
            gy = min(uy << p[GUIDE_SHIFT], w.guide.shape[0] - 1)
            gx = min(ux << p[GUIDE_SHIFT], w.guide.shape[1] - 1)
            if w.guide[gy, gx, KIND] == INTRA:
                near = np.int64(w.guide[gy, gx, MODE])
        elif k == 1 and ux > 0 and w.info[uy, ux - 1, KIND] == INTRA:
            near = np.int64(w.info[uy, ux - 1, MODE])
        elif k == 2 and uy > p[TOP] and w.info[uy - 1, ux, KIND] == INTRA:
            near = np.int64(w.info[uy - 1, ux, MODE])
        if near < 0 or near in (tried_a, tried_b):
            continue
        context = contexts.MODE_SAME + p[OTHER_PLANE] * 3 + k
        if code_bit(coder, data, context, int(mode == near)) != 0:
            return near
        tried_b = tried_a
        tried_a = near
    base = contexts.MODE_TREE + (p[OTHER_PLANE] * 3 + size) * 64
    node = np.int64(1)
    for i in range(5, -1, -1):
        node = (node << 1) | code_bit(coder, data, base + node, (mode >> i) & 1)
    # 64 leaves, 35 modes: a hostile stream may name one that does not exist.
    return min(node - 64, INTRA_MODES - 1)


@fused_kernel
def rebuild(w: Work, y: Integer, x: Integer, size: Integer, coded: Integer) -> None:
    """Put prediction plus inverse transform into the plane; clears the levels."""
    p = w.numbers
    side = 8 << size
    prediction, residual = w.blocks[PREDICTION], w.tiles[RESIDUAL]
    if coded == 0:
        for i in range(side):
            out = w.rebuilt[y + i, x : x + side]
            row = prediction[i]
            for j in range(side):
                out[j] = row[j]
        return
    levels = w.lines[LEVELS_NOW]
    rows, columns = p[EXTENT], p[EXTENT + 1]
    if p[DEEP] != 0:
        inverse_16(
            levels, side, rows, columns, p[STEP], w.left[size], w.right_t[size],
            w.deep_tiles[0], w.deep_tiles[1], residual,
        )  # fmt: skip
    else:
        inverse_8(
            levels, side, rows, columns, p[STEP], w.left[size], w.right_t[size],
            w.tiles[CORE], w.tiles[MIDDLE], residual,
        )  # fmt: skip
    # Typed constants keep the comparison in 32 bits; views keep the loops free of checks.
    zero, largest = np.int32(0), np.int32(p[LARGEST])
    for g in range(side >> 3):
        tile = w.rebuilt[y : y + side, x + 8 * g : x + 8 * g + 8]
        before = prediction[:side, 8 * g : 8 * g + 8]
        for i in range(side):
            for j in range(8):
                value = np.int32(residual[g, i, j] + before[i, j])
                if value < zero:
                    value = zero
                if value > largest:
                    value = largest
                tile[i, j] = value
    for i in range(rows):
        for j in range(columns):
            levels[i * STRIDE + j] = 0


@fused_kernel
def _note(
    w: Work,
    uy: Integer,
    ux: Integer,
    size: Integer,
    kind: Integer,
    v: Integer,
    u: Integer,
    mode: Integer,
    coded: Integer,
) -> None:
    n = 1 << size
    for i in range(uy, uy + n):
        for j in range(ux, ux + n):
            cell = w.info[i, j]
            cell[KIND] = kind
            cell[SIZE] = size
            cell[VECTOR_Y] = v
            cell[VECTOR_X] = u
            cell[MODE] = mode
            cell[CODED] = coded


@fused_kernel
def predict_inter(w: Work, y: Integer, x: Integer, size: Integer, v: Integer, u: Integer) -> None:
    """Fill the prediction with the displaced patch of the reference."""
    displaced(
        w.reference, y, x, 8 << size, v, u, w.numbers[LARGEST], w.tiles[ROWS], w.blocks[PREDICTION]
    )


@fused_kernel
def code_leaf(w: Work, uy: Integer, ux: Integer, size: Integer) -> bool:
    """Code a whole patch if it is a skipped one; else whether it splits, else its contents.

    Returns
    -------
    bool
        False if the patch is split and its parts are still to be coded.
    """
    p, coder, data, decision = w.numbers, w.coder, w.data, w.numbers
    y, x = uy * 8, ux * 8
    kind = decision[D_KIND]
    v: Integer = np.int64(0)
    u: Integer = np.int64(0)
    mode: Integer = np.int64(0)
    coded = np.int64(0)
    count = 0
    if p[PREDICTED] != 0:
        count = list_candidates(w, uy, ux)
        context = skip_context(w, uy, ux, size)
        if code_bit(coder, data, context, int(kind == SKIPPED)) != 0:
            index = _code_candidate(w, count, decision[D_INDEX])
            v, u = w.vectors[index, 0], w.vectors[index, 1]
            if v == 0 and u == 0:
                # The plane starts as a copy of the reference: nothing to do.
                _note(w, uy, ux, size, SKIPPED, v, u, 0, 0)
                return True
            # The decision may have left a finer displacement behind, tried and dropped.
            predict_inter(w, y, x, size, v, u)
            rebuild(w, y, x, size, 0)
            _note(w, uy, ux, size, SKIPPED, v, u, 0, 0)
            return True
    if size > 0:
        context = split_context(w, uy, ux, size)
        if code_bit(coder, data, context, int(kind == NONE)) != 0:
            return False
    if p[PREDICTED] != 0:
        context = intra_context(w, uy, ux, size)
        intra = code_bit(coder, data, context, int(kind == INTRA))
    else:
        intra = 1
    if intra != 0:
        mode = _code_mode(w, uy, ux, size, decision[D_MODE])
        kind = np.int64(INTRA)
        if coder[7] != 0:
            gather_edge(
                w.rebuilt,
                w.info,
                y,
                x,
                8 << size,
                p[TOP],
                p[BOTTOM],
                p[MIDDLE_GREY],
                w.lines[EDGE_SAMPLES],
                w.lines[RAW_EDGE],
            )
            predict(w.lines[EDGE_SAMPLES], mode, 8 << size, w.lines[LINE], w.blocks[PREDICTION])
    else:
        kind = np.int64(INTER)
        merged = contexts.MERGED + p[OTHER_PLANE] * 3 + size
        if code_bit(coder, data, merged, int(decision[D_INDEX] >= 0)) != 0:
            index = _code_candidate(w, count, decision[D_INDEX])
            v, u = w.vectors[index, 0], w.vectors[index, 1]
        else:
            near_v, near_u = w.vectors[0, 0], w.vectors[0, 1]
            v = near_v + _code_component(w, 0, decision[D_VECTOR_Y] - near_v)
            u = near_u + _code_component(w, 1, decision[D_VECTOR_X] - near_u)
            v = min(max(v, -MAX_VECTOR), MAX_VECTOR)
            u = min(max(u, -MAX_VECTOR), MAX_VECTOR)
        if coder[7] != 0:
            predict_inter(w, y, x, size, v, u)
    group = p[OTHER_PLANE] * 2 + (0 if intra != 0 else 1)
    context = coded_context(w, uy, ux, size, group)
    coded = np.int64(code_bit(coder, data, context, decision[D_CODED]))
    if coded != 0:
        code_core(coder, data, w.lines[LEVELS_NOW], w.lines[NEAR], group, size, p[EXTENT:])
    rebuild(w, y, x, size, coded)
    _note(w, uy, ux, size, kind, v, u, mode, coded)
    return True
