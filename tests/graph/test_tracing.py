"""A run's spans reach a collector that the environment names, over OTLP, and hold nothing but names and numbers."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from graph.loop.machine import run
from tests.graph.test_loop import SOUND, Make, Scripted

pytest.importorskip("opentelemetry.exporter.otlp.proto.http")


@pytest.fixture
def collected(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bytes]]:
    bodies: list[bytes] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Collector) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{server.server_address[1]}")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "none")
        yield bodies
        server.shutdown()


def spans(bodies: list[bytes]) -> dict[str, Any]:
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    found = {}
    for body in bodies:
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            for scope in resource.scope_spans:
                found |= {each.name: each for each in scope.spans}
    return found


def test_every_node_is_a_span_below_that_of_the_run(make_context: Make, collected: list[bytes]) -> None:
    assert run(make_context(Scripted([SOUND]))) is None
    found = spans(collected)
    assert set(found) == {"run", "baselines", "proposer", "executor", "critic", "historian", "finale"}
    assert {each.parent_span_id for name, each in found.items() if name != "run"} == {found["run"].span_id}
    assert [(each.key, each.value.int_value) for each in found["critic"].attributes] == [("autotts.round", 1)]
    assert not any(SOUND[:40].encode() in body for body in collected)


def test_a_node_that_waits_has_not_failed_and_one_that_fails_says_how(
    make_context: Make, collected: list[bytes]
) -> None:
    assert run(make_context(Scripted([SOUND]), approve=True)) is not None
    found = spans(collected)
    assert [each.name for each in found["executor"].events] == ["waits for somebody"]
    assert found["executor"].status.code == 0


def test_a_failing_node_says_its_error_s_kind(make_context: Make, collected: list[bytes]) -> None:
    class Failing(Scripted):
        def propose(self, brief: object, transcript: object) -> Any:
            raise RuntimeError("what a server wrote")

    with pytest.raises(RuntimeError):
        run(make_context(Failing()))
    assert spans(collected)["proposer"].status.message == "RuntimeError"
    assert not any(b"what a server wrote" in body for body in collected)
