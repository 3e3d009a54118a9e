"""Converts the Gemma 3 270M GGUF file to a folder that vLLM and transformers load.

usage: gguf_to_hf.py MODEL.gguf OUT_DIR

About a minute, 536 MB of bfloat16 weights; two runs give identical bytes. The converted tokenizer lacks the leading
<bos>, without which answers get worse, so it is added again. The chat template is not Gemma's: it was written for this
base model, with "Problem: …" and "Reasoning: …" as in few-shot prompts.
"""

import json
import sys
from pathlib import Path

import torch
from tokenizers import Tokenizer
from tokenizers.processors import TemplateProcessing
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

BOS = ("<bos>", 2)

CHAT_TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'system' %}{{ m['content'] + '\n\n' }}"
    "{% elif m['role'] == 'user' %}{{ 'Problem: ' + m['content'] + '\n' }}"
    "{% else %}{{ 'Reasoning: ' + m['content'] + ('' if loop.last else '\n\n') }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'Reasoning:' }}{% endif %}"
)


def convert(gguf: Path, out: Path) -> None:
    """Convert `gguf`, and write the weights, the tokenizer and their settings to the folder `out`."""
    folder = str(gguf.resolve().parent)
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=gguf.name)
    model = AutoModelForCausalLM.from_pretrained(
        folder, gguf_file=gguf.name, dtype=torch.float32, quantization_config=GgufConfig(dequantize=True)
    ).to(torch.bfloat16)
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)

    fast = Tokenizer.from_file(str(out / "tokenizer.json"))
    fast.post_processor = TemplateProcessing(
        single=f"{BOS[0]} $A", pair=f"{BOS[0]} $A {BOS[0]} $B", special_tokens=[BOS]
    )
    fast.save(str(out / "tokenizer.json"))

    # Written last, since prepare.sh takes a folder with a chat template as complete.
    config = json.loads((out / "tokenizer_config.json").read_text())
    for key in ("is_local", "local_files_only"):
        config.pop(key, None)
    config["tokenizer_class"] = "PreTrainedTokenizerFast"
    config["add_bos_token"] = True
    config["chat_template"] = CHAT_TEMPLATE
    (out / "tokenizer_config.json").write_text(json.dumps(config, indent=1))


if __name__ == "__main__":
    convert(Path(sys.argv[1]), Path(sys.argv[2]))
