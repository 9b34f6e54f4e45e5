"""Exposition: the samples of one scrape, as text.

The writers of prometheus-client take 10 to 16 us a sample, 40 to 70 ms for 64 cameras; this one
takes less than 1 us (docs/adr/0033-metrics.md). Tests read the text with the library's parsers.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import cache

from rankcast.metrics.definition import Definition, Kind


class Exposition:
    """Collects samples, in any order, and writes them family by family.

    Parameters
    ----------
    openmetrics : bool
        True writes OpenMetrics 1.0, False the text format 0.0.4 of Prometheus.
    """

    def __init__(self, *, openmetrics: bool = False) -> None:
        self.openmetrics = openmetrics
        self._lines: dict[Definition, list[str]] = {}

    def add(self, definition: Definition, value: float, labels: str = "") -> None:
        """Add one sample; `labels` is what `labelled` returns."""
        assert definition.kind is not Kind.HISTOGRAM, definition.name
        braced = f"{{{labels}}}" if labels else ""
        self._of(definition).append(f"{definition.name}{braced} {number(value)}\n")

    def add_all(
        self, definition: Definition, values: Mapping[str, float], label: str, labels: str = ""
    ) -> None:
        """Add one sample for each of `values`, by the value of their own `label`."""
        others = f"{labels}," if labels else ""
        self._of(definition).extend(
            f'{definition.name}{{{others}{label}="{escaped(name)}"}} {number(value)}\n'
            for name, value in values.items()
        )

    def add_state(
        self, definition: Definition, names: Iterable[str], current: str, labels: str = ""
    ) -> None:
        """Add a gauge for each state: 1 for the current one, 0 for the others."""
        self.add_all(definition, {name: int(name == current) for name in names}, "state", labels)

    def add_histogram(
        self,
        definition: Definition,
        bounds: Sequence[float],
        counts: Sequence[int],
        total: float,
        labels: str = "",
    ) -> None:
        """Add a histogram.

        Parameters
        ----------
        definition : Definition
        bounds : sequence of float
            Upper bounds of the buckets, rising, without infinity.
        counts : sequence of int
            Values up to each bound, and all of them: one more than `bounds`.
        total : float
            Sum of the values.
        labels : str
        """
        name, lines = definition.name, self._of(definition)
        others = f"{labels}," if labels else ""
        lines.extend(
            f'{name}_bucket{{{others}le="{bound}"}} {count}\n'
            for bound, count in zip(_bound_texts(tuple(bounds)), counts[:-1], strict=True)
        )
        braced = f"{{{labels}}}" if labels else ""
        lines.append(
            f'{name}_bucket{{{others}le="+Inf"}} {counts[-1]}\n'
            f"{name}_count{braced} {counts[-1]}\n{name}_sum{braced} {number(total)}\n"
        )

    def text(self) -> str:
        """Return all families that have samples, without the end mark of OpenMetrics."""
        return "".join(
            part
            for definition, lines in self._lines.items()
            if lines
            for part in (definition.head(openmetrics=self.openmetrics), *lines)
        )

    def _of(self, definition: Definition) -> list[str]:
        return self._lines.setdefault(definition, [])


@cache
def _bound_texts(bounds: tuple[float, ...]) -> tuple[str, ...]:
    """Return bounds as OpenMetrics wants them, so that both formats have the same series."""
    return tuple(repr(float(bound)) for bound in bounds)


def labelled(**labels: str) -> str:
    """Return labels as they stand between braces."""
    return ",".join(f'{name}="{escaped(value)}"' for name, value in labels.items())


def escaped(value: str) -> str:
    """Escape the value of a label."""
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def number(value: float) -> str:
    """Return a number as both formats write it."""
    if isinstance(value, int) or math.isfinite(value):
        return repr(value) if isinstance(value, float) else str(int(value))
    return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
