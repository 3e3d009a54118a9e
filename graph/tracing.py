"""A run as OpenTelemetry spans, where a collector is named: one for the process's part of the run, one a node.

Configured as OpenTelemetry is everywhere, by OTEL_EXPORTER_OTLP_ENDPOINT or OTEL_EXPORTER_OTLP_TRACES_ENDPOINT and
their like; needs the extra `tracing`. LangSmith's tracing is LangGraph's own (LANGSMITH_TRACING, LANGSMITH_API_KEY) and
needs nothing of this. Spans hold names and numbers: no source, no prompt, no answer, no key.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from langgraph.errors import GraphBubbleUp

from graph.settings import RunError

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_tracers: list[Any] = []
"""That of the run in progress; empty where nothing is traced."""


@contextmanager
def tracing(run: str) -> Iterator[None]:
    """Send the spans of a run while the block lasts; nothing at all where no collector is named. Raises RunError."""
    named = [name for name in ENDPOINTS if os.environ.get(name)]
    if not named or os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        yield
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise RunError(f"{named[0]} is set, and tracing needs more packages ({error}): pip install 'autotts[tracing]'; "
                       "or unset it") from None  # fmt: skip
    # A provider of our own: the process may belong to somebody who has one.
    service = os.environ.get("OTEL_SERVICE_NAME", "autotts")
    provider = TracerProvider(resource=Resource.create({"service.name": service}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    _tracers.append(provider.get_tracer("autotts"))
    try:
        with span("run", run=run):
            yield
    finally:
        _tracers.pop()
        # Sends what is left; a collector that does not answer costs its time-out and nothing else.
        provider.shutdown()


@contextmanager
def span(name: str, **attributes: str | int) -> Iterator[None]:
    """A span around the block. A node that stops for somebody has not failed."""
    if not _tracers:
        yield
        return
    values = {f"autotts.{key}": value for key, value in attributes.items()}
    with _tracers[-1].start_as_current_span(
        name, attributes=values, record_exception=False, set_status_on_exception=False
    ) as current:
        from opentelemetry.trace import Status, StatusCode

        try:
            yield
        except GraphBubbleUp:
            current.add_event("waits for somebody")
            raise
        except BaseException as error:
            # The type alone: an error's text may hold what a candidate or a server wrote.
            current.set_status(Status(StatusCode.ERROR, type(error).__name__))
            raise
