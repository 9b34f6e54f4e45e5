"""The description of the HTTP interface in OpenAPI 3.1; docs/web.md says the same in words."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any, Final

_ERROR: Final = {
    "description": "What is wrong, in one line",
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "properties": {"error": {"type": "string"}},
                "required": ["error"],
            }
        }
    },
}
_NAME: Final = {
    "name": "name", "in": "path", "required": True, "schema": {"type": "string"},
    "description": "Name of a camera or a recording, as the list has it",
}  # fmt: skip


def _query(name: str, text: str, **schema: Any) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": text, "schema": schema}


def _json(text: str, **schema: Any) -> dict[str, Any]:
    return {"description": text, "content": {"application/json": {"schema": schema}}}


def _reference(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _list_of(key: str, of: str) -> dict[str, Any]:
    items = {"type": "array", "items": _reference(of)}
    return {"type": "object", "properties": {key: items}, "required": [key]}


def _get(
    summary: str,
    answer: dict[str, Any],
    *errors: str,
    parameters: tuple[dict[str, Any], ...] = (),
) -> dict[str, Any]:
    answers = {"200": answer, **dict.fromkeys(("401", *errors), _ERROR)}
    operation = {"summary": summary, "responses": answers}
    return {"get": operation | ({"parameters": list(parameters)} if parameters else {})}


_FORMS: Final = ("png", "tiff", "jpeg")
_PICTURE: Final = {
    "description": "An image file; headers X-Rankcast-... say which frame it is",
    "content": {f"image/{form}": {"schema": {"type": "string"}} for form in _FORMS},
}
_MJPEG: Final = {
    "description": "JPEG pictures without an end, the newest first",
    "content": {"multipart/x-mixed-replace": {"schema": {"type": "string"}}},
}
PATHS: Final[dict[str, Any]] = {
    "/api/cameras": _get("All cameras", _json("The cameras", **_list_of("cameras", "Camera"))),
    "/api/cameras/{name}": _get(
        "One camera", _json("The camera", **_reference("Camera")), "404", parameters=(_NAME,)
    ),
    "/api/cameras/{name}/snapshot": _get(
        "The newest picture",
        _PICTURE,
        "400", "404", "502", "503", "504",
        parameters=(
            _NAME,
            _query("format", "Format of the file", type="string", enum=list(_FORMS), default="png"),
            _query("original", "1: losslessly coded by the sender", type="integer", enum=[0, 1]),
        ),
    ),
    "/api/cameras/{name}/stream.mjpg": _get(
        "The newest pictures as MJPEG",
        _MJPEG,
        "400", "404", "503",
        parameters=(
            _NAME,
            _query(
                "quality", "Of the JPEG", type="integer", minimum=1, maximum=100, default=80
            ),
            _query("fps", "Most pictures a second", type="number", minimum=0.01, maximum=1000),
        ),
    ),
    "/api/recordings": _get(
        "All recordings",
        _json("The recordings", **_list_of("recordings", "Recording")),
        "404", "503",
    ),
    "/api/recordings/{name}": _get(
        "One recording",
        _json("The recording", **_reference("Recording")),
        "404", "503",
        parameters=(_NAME,),
    ),
    "/api/openapi.json": _get("This description", _json("OpenAPI 3.1", type="object")),
}  # fmt: skip
_NUMBER_OR_NULL: Final = {"type": ["number", "null"]}
_SCHEMAS: Final[dict[str, Any]] = {
    "Camera": {
        "type": "object",
        "required": ["name", "state"],
        "properties": {
            "name": {"type": "string"},
            "state": {"type": "string"},
            "words": {"type": "string"},
            "detail": {"type": "string"},
            "live": {"type": "boolean"},
            "stale_after_s": _NUMBER_OR_NULL,
            "stream": {"type": ["object", "null"]},
            "decodes": {"type": "string", "enum": ["page", "server"]},
            "decoding": {"type": "boolean"},
            "clock": {"type": ["object", "null"]},
            "age_ms": _NUMBER_OR_NULL,
            "fps": {"type": "number"},
            "bits_s": {"type": "number"},
            "frame_bytes": _NUMBER_OR_NULL,
            "latency_ms": {"type": ["object", "null"]},
            "received": {"type": "integer"},
            "lost": {"type": "object"},
            "sender": {"type": ["object", "null"]},
            "meta": {"type": "object"},
        },
    },
    "Recording": {
        "type": "object",
        "required": ["name", "bytes"],
        "properties": {
            "name": {"type": "string"},
            "bytes": {"type": "integer"},
            "modified_utc": {"type": "string"},
            "cameras": {"type": "array", "items": {"type": "string"}},
            "begin_utc": {"type": ["string", "null"]},
            "duration_s": _NUMBER_OR_NULL,
            "frames": {"type": ["integer", "null"]},
            "complete": {"type": "boolean"},
            "error": {"type": "string"},
        },
    },
}


def description() -> dict[str, Any]:
    """Return the description."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "Rankcast receiver", "version": version("rankcast")},
        "paths": PATHS,
        "components": {
            "schemas": _SCHEMAS,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "basic": {"type": "http", "scheme": "basic"},
            },
        },
        "security": [{"bearer": []}, {"basic": []}],
    }
