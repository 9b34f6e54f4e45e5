"""Definition: name, kind, unit and meaning of one metric."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """Kinds of metrics, in the words of OpenMetrics."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Definition:
    """One metric; docs/metrics.md lists all of them."""

    name: str
    """As in queries: that of a counter ends in ``_total``, that of an info in ``_info``."""
    kind: Kind
    text: str
    """What it counts or measures, one line."""
    unit: str = ""
    """``seconds`` or ``bytes``; the name says it too."""

    def __post_init__(self) -> None:
        assert not self.unit or self.family.endswith(f"_{self.unit}"), self.name

    @property
    def family(self) -> str:
        """The name without the suffix of its kind."""
        return self.name.removesuffix("_total").removesuffix("_info")

    def head(self, *, openmetrics: bool) -> str:
        """Return the lines before its samples."""
        name, kind = self.name, self.kind
        if openmetrics:
            name = self.family
        elif kind is Kind.INFO:
            kind = Kind.GAUGE
        unit = f"# UNIT {name} {self.unit}\n" if openmetrics and self.unit else ""
        return f"# HELP {name} {self.text}\n# TYPE {name} {kind}\n{unit}"


@dataclass(frozen=True, slots=True)
class EndDefinitions:
    """Makes the definitions of one end, whose names begin with ``rankcast_END_``."""

    end: str
    """``sender`` or ``receiver``."""

    def counter(self, name: str, text: str, unit: str = "") -> Definition:
        """Define a counter; its name gets ``_total``."""
        return Definition(f"rankcast_{self.end}_{name}_total", Kind.COUNTER, text, unit)

    def gauge(self, name: str, text: str, unit: str = "") -> Definition:
        """Define a gauge."""
        return Definition(f"rankcast_{self.end}_{name}", Kind.GAUGE, text, unit)

    def histogram(self, name: str, text: str, unit: str) -> Definition:
        """Define a histogram."""
        return Definition(f"rankcast_{self.end}_{name}", Kind.HISTOGRAM, text, unit)
