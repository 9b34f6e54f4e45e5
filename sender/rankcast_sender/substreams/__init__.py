"""Substreams: smaller streams of a camera beside its own."""

from rankcast_sender.substreams.reduction import Reduction
from rankcast_sender.substreams.substream import Substream, stream_sizes
from rankcast_sender.substreams.thinning import Thinning

__all__ = ["Reduction", "Substream", "Thinning", "stream_sizes"]
