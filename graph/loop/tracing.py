"""OpenTelemetry spans of a run: one for each process that works on it, and one for each node.

Spans are sent if OTEL_EXPORTER_OTLP_ENDPOINT or OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is set; the other OTEL_* variables
apply too. Needs the extra `tracing`. LangSmith tracing is part of LangGraph (LANGSMITH_TRACING, LANGSMITH_API_KEY) and
does not use this module. Spans hold names and numbers: no source, prompt, answer or key.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from langgraph.errors import GraphBubbleUp

from graph.run.files import RunError

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_tracers: list[Any] = []
"""Tracer of the run in progress; empty without tracing."""


@contextmanager
def tracing(run: str) -> Iterator[None]:
    """Send the spans of the run in the folder `run` during the block, if an endpoint is set.

    Raises:
        RunError: An endpoint is set and OpenTelemetry is not installed.
    """
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
    # Not the global provider: the host application may have set one.
    service = os.environ.get("OTEL_SERVICE_NAME", "autotts")
    provider = TracerProvider(resource=Resource.create({"service.name": service}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    _tracers.append(provider.get_tracer("autotts"))
    try:
        with span("run", run=run):
            yield
    finally:
        _tracers.pop()
        # Flushes the remaining spans; a collector that does not answer only delays this by its time-out.
        provider.shutdown()


@contextmanager
def span(name: str, **attributes: str | int) -> Iterator[None]:
    """Open a span around the block. An interrupt in it is an event, not an error."""
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
            # Only the type: the message may quote a candidate or a server.
            current.set_status(Status(StatusCode.ERROR, type(error).__name__))
            raise
