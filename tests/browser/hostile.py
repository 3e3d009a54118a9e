"""Runs whose every free text tries to run a script in the page that shows it."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

ATTACK = (
    "</script><script>window.taken=1</script><img src=x onerror='window.taken=2'>"
    "<svg onload=window.taken=3>\"'`{{7*7}}${window.taken=4}<!--\u2028\u2029]]>"
)


def poison_grid(path: Path) -> Path:
    """Put the attack behind every question and every answer of a grid."""
    table = pq.read_table(path)

    def changed(value: Any) -> Any:
        return [changed(each) for each in value] if isinstance(value, list) else f"{value} {ATTACK}"

    for name in ("question", "gold_answer", "final_answer", "probe_answers"):
        at = table.schema.get_field_index(name)
        values = [changed(value) for value in table.column(name).to_pylist()]
        table = table.set_column(at, table.schema.field(at), pa.array(values, table.schema.field(at).type))
    pq.write_table(table, path)
    return path


def poison_run(run: Path) -> None:
    """Put it behind every text of a run's files: ideas, reasons, notes, critiques, code, what models said."""
    for name in ("metrics.json", "lesson.json", "measures.json", "candidates/proposals.json"):
        for file in run.glob(f"round-0*/{name}"):
            if file.parent.name != "round-000":
                file.write_text(json.dumps(_poisoned(json.loads(file.read_text()))))
    for file in run.glob("round-0*/candidates/*.py"):
        file.write_text(file.read_text() + f"\n# {ATTACK}\n")
    for file in run.glob("round-001/transcript.jsonl"):
        reply = {
            "at": "2030-01-01T00:00:00+00:00",
            "event": "reply",
            "node": "proposer",
            "model": ATTACK,
            "text": ATTACK,
        }
        file.write_text(file.read_text() + json.dumps(reply) + "\n")


FREE = {"idea", "doc", "why", "diagnosis", "directions", "measured", "failures", "said", "notes"}


def _poisoned(value: Any, name: str = "") -> Any:
    if isinstance(value, dict):
        return {key: _poisoned(each, key) for key, each in value.items()}
    if isinstance(value, list):
        return [_poisoned(each, name) for each in value]
    return f"{value} {ATTACK}" if name in FREE and isinstance(value, str) else value
