"""Metrics and health of either end, for Prometheus and for health checks."""

from rankcast.metrics.definition import Definition, EndDefinitions, Kind
from rankcast.metrics.exposition import Exposition, labelled
from rankcast.metrics.health import Health
from rankcast.metrics.metrics_server import (
    MetricsOptions,
    check_metrics,
    open_end_metrics,
    open_metrics_server,
)
from rankcast.metrics.process_metrics import PROCESS_DEFINITIONS
from rankcast.metrics.routes import metrics_routes

__all__ = [
    "PROCESS_DEFINITIONS",
    "Definition",
    "EndDefinitions",
    "Exposition",
    "Health",
    "Kind",
    "MetricsOptions",
    "check_metrics",
    "labelled",
    "metrics_routes",
    "open_end_metrics",
    "open_metrics_server",
]
