"""Drawings of the synthetic conveyor: parts, belt, machine frame and light."""

from rankcast_sender.sources.conveyor.belt_and_machine import (
    BELT_COLOUR,
    FULL,
    bands,
    draw_belt,
    draw_bridge,
    draw_machine,
    light_field,
    rail_rows,
    to_scene,
)
from rankcast_sender.sources.conveyor.part_canvas import PART_SHARE
from rankcast_sender.sources.conveyor.part_shapes import draw_parts

__all__ = [
    "BELT_COLOUR",
    "FULL",
    "PART_SHARE",
    "bands",
    "draw_belt",
    "draw_bridge",
    "draw_machine",
    "draw_parts",
    "light_field",
    "rail_rows",
    "to_scene",
]
