"""Several cameras in one settings file: ``[[camera]]`` tables with separate codec options."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from rankcast.errors import SettingsError
from rankcast.settings import Layer, to_toml, validate
from rankcast_sender.settings import SenderSettings

MAX_CAMERAS: Final = 32

_OF_ONE: Final = ("name", "source")
"""Settings of `[camera]` that must differ between cameras."""
_SECTION: Final = re.compile(r"^\[+(camera|codec)([^\]]*)\]+$", re.MULTILINE)


def camera_settings(layers: Iterable[Layer]) -> list[SenderSettings]:
    """Validate the settings of every camera; only ``camera`` and ``codec`` differ between them.

    A ``camera.codec`` table overrides the file's ``codec`` table for that camera. Environment
    variables and options override both, for all cameras. If ``camera.codec`` sets ``name``, it
    inherits only the per-codec subtables of ``codec``.

    Raises
    ------
    SettingsError
        If `rankcast.settings.validate` rejects a value, two cameras have the same name or differ
        in a setting of their shared socket, or a single-camera option is given for several.
    """
    layers = list(layers)
    listed = [layer for layer in layers if isinstance(layer.values.get("camera"), list)]
    if not listed:
        return [validate(SenderSettings, _flat(layers, None, {}))]
    origin = listed[0].origin
    if len(listed) > 1:
        raise SettingsError(f"{listed[1].origin}: [[camera]] is already given in {origin}")
    tables = listed[0].values["camera"]
    if not 1 <= len(tables) <= MAX_CAMERAS or not all(isinstance(t, dict) for t in tables):
        raise SettingsError(
            f"{origin}: got {len(tables)} [[camera]] tables, want 1 to {MAX_CAMERAS}"
        )
    for layer in layers:
        table = layer.values.get("camera")
        for key in _OF_ONE:
            if len(tables) > 1 and isinstance(table, dict) and key in table:
                raise SettingsError(
                    f"{layer.origin}: [camera] {key} applies to a single camera, "
                    f"but {origin} defines {len(tables)}"
                )
    found = [validate(SenderSettings, _flat(layers, number, table))
             for number, table in enumerate(tables)]  # fmt: skip
    names = [settings.camera.name for settings in found]
    for name in names:
        if names.count(name) > 1:
            raise SettingsError(f"{origin}: two cameras are named {name}: give each its own name")
    if len({settings.camera.realtime for settings in found}) > 1:
        raise SettingsError(
            f"{origin}: [[camera]] tables differ in realtime: give all the same value, because "
            "they share one socket"
        )
    return found


def cameras_to_toml(cameras: list[SenderSettings]) -> str:
    """Write the settings as TOML that can be read back; see `rankcast.settings.to_toml`."""
    if len(cameras) == 1:
        return to_toml(cameras[0])
    shared: list[str] = []
    own: list[str] = []
    for number, settings in enumerate(cameras):
        mine = {"camera": "", "codec": ""}
        for section in to_toml(settings).split("\n\n"):
            match = _SECTION.match(section)
            if match is not None:
                mine[match[1]] += "\n" + section.strip() + "\n"
            elif not number:
                shared.append(section.strip() + "\n")
        own.append(mine["camera"].replace("[camera]", "[[camera]]", 1))
        own.append(re.sub(r"^\[codec", "[camera.codec", mine["codec"], flags=re.MULTILINE))
    return "\n".join(shared) + "".join(own)


def _flat(layers: list[Layer], number: int | None, mine: Mapping[str, Any]) -> list[Layer]:
    """Return the layers for one camera: ``camera`` as a table, ``camera.codec`` as a layer."""
    flat: list[Layer] = []
    for layer in layers:
        table = layer.values.get("camera")
        if isinstance(table, list):
            layer = replace(layer, origin=f"{layer.origin}, camera {(number or 0) + 1}")
            table = mine
        if not isinstance(table, Mapping):
            flat.append(layer)
            continue
        camera = {key: value for key, value in table.items() if key != "codec"}
        own = table.get("codec")
        values = {**layer.values, "camera": camera}
        if isinstance(own, Mapping) and "name" in own and isinstance(values.get("codec"), Mapping):
            # Options next to the name in [codec] belong to the codec named there.
            values["codec"] = {k: v for k, v in values["codec"].items() if isinstance(v, Mapping)}
        flat.append(replace(layer, values=values))
        if own is not None:
            origin = f"{layer.origin}, [camera.codec]"
            flat.append(replace(layer, origin=origin, values={"codec": own}))
    return flat
