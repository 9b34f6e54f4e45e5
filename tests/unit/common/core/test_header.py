"""The header of the core is read as C means it."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest

from rankcast.core.header import HEADER, read_prototypes, read_structs

TEXT = """
/* RK_API int64_t rk_commented_out(void); */
struct rk_part {
    const uint16_t *source; /* an input */
    int32_t *sums;
    int64_t height;
    double prices[3];
};

RK_API int64_t rk_one(void);
RK_API double rk_two(const uint8_t *data, int64_t count, float price,
                     uint16_t *out, const struct rk_part *part);
"""


def test_numbers_arrays_and_structs_get_their_types() -> None:
    found = read_prototypes(TEXT)
    assert set(found) == {"rk_one", "rk_two"}
    assert found["rk_one"].parameters == ()
    two = found["rk_two"]
    assert two.result is ctypes.c_double
    assert [parameter.name for parameter in two.parameters] == [
        "data", "count", "price", "out", "part",
    ]  # fmt: skip
    data, count, price, out, part = two.parameters
    assert (data.dtype, data.written) == (np.dtype(np.uint8), False)
    assert (out.dtype, out.written) == (np.dtype(np.uint16), True)
    assert (count.ctype, price.ctype) == (ctypes.c_int64, ctypes.c_float)
    assert part.struct


def test_fields_of_a_struct_keep_their_order_and_their_lengths() -> None:
    (fields,) = read_structs(TEXT).values()
    assert [field.name for field in fields] == ["source", "sums", "height", "prices"]
    assert [field.written for field in fields[:2]] == [False, True]
    assert ctypes.sizeof(fields[3].ctype) == 3 * 8


def test_what_the_binding_cannot_call_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'unsigned int a' is not a declaration"):
        read_prototypes("RK_API int64_t rk_x(unsigned int a);")


def test_every_function_of_the_header_is_read() -> None:
    text = HEADER.read_text(encoding="utf-8")
    results = ("int64_t", "double", "void")
    declared = sum(text.count(f"RK_API {result} rk_") for result in results)
    assert len(read_prototypes(text)) == declared
