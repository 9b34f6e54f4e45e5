"""Decoding only while somebody needs the pixels of a camera."""

from rankcast_receiver.stream.on_demand.on_demand_decoder import OnDemandDecoder
from rankcast_receiver.stream.on_demand.picture_follower import Followed, PictureFollower
from rankcast_receiver.stream.on_demand.pixel_demand import PixelDemand

__all__ = ["Followed", "OnDemandDecoder", "PictureFollower", "PixelDemand"]
