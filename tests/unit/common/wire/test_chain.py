"""Chain: headers of predicted frames are shortened and completed, and nothing is lost."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rankcast.errors import NeedKeyframe
from rankcast.wire import Chain, Header, Kind, pack, unpack
from support import packets

UINT64 = 2**64 - 1
KEY = Header(
    Kind.KEY,
    packets.STREAM_ID,
    sequence=70_000,
    frame=70_100,
    codec=3,
    params=(1, 96, 8),
    shape=(720, 1280, 3),
    t_capture_mono_ns=10**15,
    t_capture_utc_ns=1_795_179_415_123_456_789,
    squared_error=5,
    rank=(8, 8, 8),
    model_id=b"model",
    checksum=1,
)
NEXT = replace(
    KEY,
    kind=Kind.PREDICTED,
    sequence=70_001,
    frame=70_101,
    ref_sequence=70_000,
    t_capture_mono_ns=KEY.t_capture_mono_ns + 33_333_333,
    t_capture_utc_ns=KEY.t_capture_utc_ns + 33_333_400,
    checksum=None,
)

uint64 = st.integers(0, UINT64)
params = st.lists(st.integers(-(2**63), UINT64), min_size=1, max_size=4).map(tuple)
pictures = st.fixed_dictionaries(
    {
        "layer": st.integers(0, 255),
        "codec": st.integers(0, 65_535),
        "shape": st.tuples(st.integers(1, 300), st.integers(1, 300)),
        "dtype_bytes": st.sampled_from([1, 2]),
        "significant_bits": st.integers(0, 8),
        "cfa": st.integers(0, 4),
        "rank": st.lists(st.integers(0, 65_535), max_size=4).map(tuple),
        "model_id": st.none() | st.binary(min_size=1, max_size=32),
    }
)
clocks = st.fixed_dictionaries({"t_capture_mono_ns": uint64, "t_capture_utc_ns": uint64})


def sent(chain: Chain, header: Header) -> Header:
    """The header as a receiver parses it."""
    return unpack(pack(chain.shorten(header))).header


@given(pictures, pictures, params, params, clocks, clocks, st.booleans(), st.booleans())
def test_any_header_of_a_chain_is_completed_to_what_it_was(
    first: dict[str, Any],
    second: dict[str, Any],
    params: tuple[int, ...],
    others: tuple[int, ...],
    stamped: dict[str, int],
    later: dict[str, int],
    same_picture: bool,
    same_params: bool,
) -> None:
    key = replace(KEY, **first, **stamped, params=params)
    picture = first if same_picture else second
    changed = params if same_params else others
    predicted = replace(NEXT, **picture, **later, params=changed)
    sender, receiver = Chain(), Chain()
    for header in (key, predicted):
        got = receiver.complete(sent(sender, header))
        assert got == header
        sender.add(header)
        receiver.add(got)


def test_what_the_reference_has_is_left_out() -> None:
    chain = Chain()
    chain.add(KEY)
    header = sent(chain, NEXT)
    assert (header.codec, header.shape, header.rank, header.model_id) == (None, None, (), None)
    assert (header.params, header.t_capture_utc_ns, header.utc_drift_ns) == ((), 0, 67)


def test_losses_ages_and_gaps_are_known_without_the_key_frame() -> None:
    chain = Chain()
    chain.add(KEY)
    header = sent(chain, NEXT)
    for name in ("kind", "stream_id", "sequence", "frame", "ref_sequence", "t_capture_mono_ns"):
        assert getattr(header, name) == getattr(NEXT, name)


def test_params_are_those_of_the_reference_and_not_of_the_key_frame() -> None:
    chain = Chain()
    chain.add(KEY)
    coarser = replace(NEXT, params=(1, 128, 8))
    assert sent(chain, coarser).params == (1, 128, 8)
    chain.add(coarser)
    third = replace(coarser, sequence=70_002, ref_sequence=70_001)
    assert sent(chain, third).params == ()
    # A picture that is no reference: the next one goes back to the key frame.
    assert sent(chain, replace(third, ref_sequence=70_000)).params == (1, 128, 8)


def test_a_picture_of_which_one_element_changed_is_sent_whole() -> None:
    chain = Chain()
    chain.add(KEY)
    header = sent(chain, replace(NEXT, significant_bits=7))
    assert (header.codec, header.shape, header.significant_bits) == (3, (720, 1280, 3), 7)
    chain.add(replace(NEXT, significant_bits=7))
    third = replace(NEXT, significant_bits=7, sequence=70_002, ref_sequence=70_001)
    assert sent(chain, third).codec is None, "from then on it is that of the reference"


@pytest.mark.parametrize(
    "other",
    [
        {"stream_id": b"another!"},
        {"sequence": 69_999, "ref_sequence": 69_998},
        {"sequence": 70_005, "ref_sequence": 70_004},
    ],
)
def test_a_frame_of_another_chain_asks_for_a_key_frame(other: dict[str, Any]) -> None:
    sender, receiver = Chain(), Chain()
    stranger = replace(NEXT, **other)
    assert stranger.ref_sequence is not None
    sender.add(
        replace(KEY, stream_id=stranger.stream_id, sequence=stranger.ref_sequence, shape=(4, 4))
    )
    short = sent(sender, stranger)
    with pytest.raises(NeedKeyframe, match=f"frame {stranger.sequence} is predicted from frame"):
        receiver.complete(short)
    receiver.add(KEY)
    with pytest.raises(NeedKeyframe, match="has not been decoded"):
        receiver.complete(short)


def test_an_encoder_that_predicts_from_nothing_is_a_defect() -> None:
    chain = Chain()
    with pytest.raises(ValueError, match="of no chain"):
        chain.shorten(NEXT)
    chain.add(KEY)
    with pytest.raises(ValueError, match="of no chain"):
        chain.shorten(replace(NEXT, ref_sequence=5))
    with pytest.raises(ValueError, match="has no params, its reference has"):
        chain.shorten(replace(NEXT, params=()))
