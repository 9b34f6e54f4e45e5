"""Where the adaptive models of every syntax element lie in the coder's array."""

from __future__ import annotations

from rankcast.codec.svd_patch.tables import (
    LEVEL_POSITION_CLASSES,
    MAGNITUDE_CLASSES,
    POSITION_CLASSES,
)
from rankcast.entropy.rangecoder import REGISTERS

GROUPS = 4
"""Coefficient statistics: (first plane, other planes) x (intra, inter)."""
SIZES = 3
LEVEL_BINS = 14
"""Unary bins of a level that have models of their own; later ones share the last."""

SKIP = REGISTERS
"""[first or other plane 2][size 3][left + up skipped 3][first plane here 3]"""
SKIP_CANDIDATE = SKIP + 2 * 3 * 3 * 3
"""[plane 2][index 4]"""
SPLIT = SKIP_CANDIDATE + 8
"""[plane 2][size 2][left + up smaller 3][first plane here 3][key or predicted 2]"""
IS_INTRA = SPLIT + 2 * 2 * 3 * 3 * 2
"""[plane 2][left + up intra 3][first plane here 3][size 3]"""
MERGED = IS_INTRA + 2 * 3 * 3 * 3
"""[plane 2][size 3]"""
VECTOR = MERGED + 6
"""[axis 2][zero, sign, 12 unary]"""
MODE_SAME = VECTOR + 2 * 16
"""[plane 2][which neighbour 3]"""
MODE_TREE = MODE_SAME + 6
"""[plane 2][size 3][64]"""
CODED = MODE_TREE + 2 * 3 * 64
"""[group 4][size 3][left + up coded 3][first plane coded 3]"""
LAST = CODED + GROUPS * SIZES * 9
"""[group 4][size 3][axis and group of the other 1 + 8][unary 8]"""
SIGNIFICANT = LAST + GROUPS * SIZES * 9 * 8
"""[group 4][size 3][position 6][magnitude 16]"""
LEVEL = SIGNIFICANT + GROUPS * SIZES * POSITION_CLASSES * MAGNITUDE_CLASSES
"""[group 4][position 3][magnitude 16][bin 14]"""
END = LEVEL + GROUPS * LEVEL_POSITION_CLASSES * MAGNITUDE_CLASSES * LEVEL_BINS
CONTEXTS = END - REGISTERS
