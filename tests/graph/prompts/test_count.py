"""The estimate of tokens beside a real tokenizer, which the prepared model comes with."""

import json
import subprocess
from pathlib import Path

import pytest

from graph.explorers.prompts import estimate
from tests.real_model import folder, python

ROOT = Path(__file__).parents[3]
COUNT = """
import json, sys
from tokenizers import Tokenizer
tokenizer = Tokenizer.from_file(sys.argv[1])
print(json.dumps([len(tokenizer.encode(text, add_special_tokens=False).ids) for text in json.load(sys.stdin)]))
"""


@pytest.mark.vllm
def test_the_estimate_is_high_but_not_by_half(capsys: pytest.CaptureFixture[str]) -> None:
    files = sorted((ROOT / "sandbox/controllers").glob("*.py")) + sorted((ROOT / "docs").glob("*.md"))
    files += sorted((ROOT / "graph/explorers/prompts/texts").glob("*.md"))
    texts = {file.name: file.read_text(encoding="utf-8") for file in files}
    command = [python(), "-c", COUNT, folder() / "gemma-hf/tokenizer.json"]
    done = subprocess.run(command, input=json.dumps(list(texts.values())), capture_output=True, text=True, check=True)
    ratios = {
        name: estimate(text) / count for (name, text), count in zip(texts.items(), json.loads(done.stdout), strict=True)
    }
    with capsys.disabled():
        print(f"\nestimate over Gemma 3's count: {min(ratios.values()):.2f} … {max(ratios.values()):.2f}")
    assert min(ratios.values()) >= 1, ratios
    assert sum(map(estimate, texts.values())) <= 1.5 * sum(json.loads(done.stdout))
