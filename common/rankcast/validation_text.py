"""Messages of pydantic validation errors, rephrased for operators."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_WORDS: Final = {
    "model_type": "want a table with keys of its own",
    "dict_type": "want a table with keys of its own",
    "finite_number": "want a finite number",
    "int_type": "want an integer",
    "float_type": "want a number",
    "string_type": "want text",
    "bool_type": "want true or false",
    "missing": "is missing",
    "greater_than": "want more than {gt:.12g}",
    "greater_than_equal": "want at least {ge:.12g}",
    "less_than": "want less than {lt:.12g}",
    "less_than_equal": "want at most {le:.12g}",
}


def reason_of(error: Mapping[str, Any]) -> str:
    """Return the reason in one entry of ``ValidationError.errors()`` without pydantic's terms."""
    context = error.get("ctx", {})
    cause = context.get("error")
    if cause is not None:
        return str(cause)
    if words := _WORDS.get(error["type"]):
        return words.format(**context)
    message = str(error["msg"]).split(", unable to parse")[0]
    message = message.replace("Input should be ", "want ", 1)
    return message[:1].lower() + message[1:]
