"""Run by the interpreter that has vLLM: two calls at once through `VllmChat`, printed as JSON."""

import asyncio
import json
import sys

# The project needs packages that vLLM's environment does not have; behind it, so that none of vLLM's is replaced.
sys.path.append(sys.argv[2])

from graph.explorers.models.vllm_chat import VllmChat
from graph.explorers.prompts import Prompt


async def main() -> None:
    chat = VllmChat(sys.argv[1], thinking=None, temperature=0.0)
    schema = {
        "type": "object",
        "properties": {"n": {"type": "integer"}},
        "required": ["n"],
        "additionalProperties": False,
    }
    prompts = [Prompt("You count.", "One, two, three,", each, "1", 20, ()) for each in ("four,", "A number as JSON:")]
    first, second = await asyncio.gather(
        chat.complete(prompts[0], max_output=12, schema=None), chat.complete(prompts[1], max_output=40, schema=schema)
    )
    await chat.close()
    print(json.dumps([[each.text, each.stop_reason, each.usage.input, each.usage.output] for each in (first, second)]))


asyncio.run(main())
