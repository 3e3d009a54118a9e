"""Adds the signal `token_confidence` to a grid with texts: the model reads each recorded trace again.

usage: PYTHONPATH=REPOSITORY DIR/venv/bin/python tools/real-model/token_confidence.py DIR GRID OUT

DIR is as given to prepare.sh, GRID a grid with texts whose provenance names its questions. A collector records the
signal itself where the server gives log-probabilities; this is for traces that were kept without them. The
probabilities of the next token depend on the tokens before it alone, so that reading a trace gives what decoding it
gave, up to the arithmetic, which is float32 here. Texts are cut into tokens anew, and lack the stop string: of its
tokens only the first has a confidence, for its place follows the text. The provenance says that the signal was read.
"""

import dataclasses
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, DynamicCache

from envdata.collect.extraction import Token
from envdata.collect.question_sources import load_questions
from envdata.collect.token_confidence import CONFIDENCE_SIGNAL, TOP_LOGPROBS, mean_confidences
from envdata.grid import BranchRow, Grid, read_table, write_grid

TOGETHER = 256
"""Places whose log-probabilities are computed at once: each takes 1 MB."""
GROUPS = 512
"""Groups that the vocabulary is divided into, to find the largest of its values without sorting it."""


class Reader:
    """The model and its tokenizer."""

    def __init__(self, folder: Path) -> None:
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()

    def tokens(self, text: str, *, first: bool = False) -> list[int]:
        """Return the tokens of a text; the `first` one of a prompt comes after the token that begins it."""
        return list(self.tokenizer(text, add_special_tokens=first)["input_ids"])

    @torch.inference_mode()
    def confidences(self, prompt: str, traces: Sequence[Sequence[int]]) -> list[list[float]]:
        """Return the confidences of each trace's tokens and of the place after it, shape (n + 1,)."""
        start = torch.tensor([self.tokens(prompt, first=True)])
        # The prompt's last token is read with the traces: its place is that of their first tokens.
        cache = DynamicCache(config=self.model.config)
        self.model.model(start[:, :-1], past_key_values=cache)
        cache.batch_repeat_interleave(len(traces))
        longest = max(map(len, traces))
        # Shorter ones are filled up behind, where nothing that counts looks at.
        rows = [[int(start[0, -1]), *trace, *[0] * (longest - len(trace))] for trace in traces]
        hidden = self.model.model(torch.tensor(rows), past_key_values=cache).last_hidden_state
        # Traces that begin alike have the same probabilities up to there.
        places = {tuple(trace[:k]): (row, k) for row, trace in enumerate(traces) for k in range(len(trace) + 1)}
        chosen = torch.tensor(list(places.values()))
        parts = (self._confidence(hidden[part[:, 0], part[:, 1]]) for part in chosen.split(TOGETHER))
        known = dict(zip(places, torch.cat(list(parts)).tolist(), strict=True))
        return [[known[tuple(trace[:k])] for k in range(len(trace) + 1)] for trace in traces]

    def _confidence(self, hidden: torch.Tensor) -> torch.Tensor:
        """Return the confidences at N places, shape (N,), from the model's last hidden states, shape (N, width)."""
        logits = self.model.lm_head(hidden)
        # The k largest values lie in the groups with the k largest maxima.
        groups = logits.view(len(logits), GROUPS, -1)
        highest = groups.amax(-1).topk(TOP_LOGPROBS).indices
        among = groups.gather(1, highest[:, :, None].expand(-1, -1, groups.shape[-1])).flatten(1)
        return logits.logsumexp(-1) - among.topk(TOP_LOGPROBS).values.mean(-1)


def signals_of(grid: Grid, rows: Sequence[dict[str, Any]], reader: Reader) -> Iterator[list[float | None]]:
    """Yield the signal of each row, shape (L + 1,)."""
    asked = load_questions(grid.provenance["questions"])
    for number, question in enumerate(asked):
        own = [row for row in rows if row["question_id"] == number]
        traces = {text: reader.tokens(text) for text in sorted({row["text"] for row in own}, key=len)}
        read = dict(zip(traces, reader.confidences(question.prompt, list(traces.values())), strict=True))
        for row in own:
            known = [*read[row["text"]], *[None] * row["tokens"]][: row["tokens"]]
            yield mean_confidences([Token(0, 0, None, value) for value in known], grid.interval)
        print(f"question {number + 1} of {len(asked)}: {len(traces)} different traces", flush=True)


def main(folder: str, source: str, out: str) -> None:
    """Read a grid's traces and write the grid with the signal."""
    grid = Grid.load(source)
    rows = read_table(Path(source)).to_pylist()
    names = {field.name for field in dataclasses.fields(BranchRow)} - {"signals"}
    found = signals_of(grid, rows, Reader(Path(folder) / "gemma-hf"))
    signed = [
        BranchRow(**{name: value for name, value in row.items() if name in names}, signals={CONFIDENCE_SIGNAL: own})
        for row, own in zip(rows, found, strict=True)
    ]
    how = {"top_logprobs": TOP_LOGPROBS, "read_again": True, "arithmetic": "float32"}
    provenance = dict(grid.provenance)
    provenance["signals"] = provenance.get("signals", {}) | {CONFIDENCE_SIGNAL: how}
    write_grid(Path(out), signed, grid.interval, provenance)


if __name__ == "__main__":
    main(*sys.argv[1:])
