"""Asks an endpoint through one client, as its own documentation does it, and prints as JSON what it got.

usage: python run.py CLIENT URL

It runs in an environment that has the clients and nothing of this project. Each function returns texts, which answer
the question, and the integers that structured output and tools gave, which the upstream made.
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

QUESTION = "What is 6 * 7?"
MESSAGES: Any = [{"role": "user", "content": QUESTION}]
TOOL: Any = {"type": "function", "function": {
    "name": "tell", "description": "Tell the result.",
    "parameters": {"type": "object", "properties": {"result": {"type": "integer"}}, "required": ["result"]},
}}  # fmt: skip

Got = tuple[list[str], list[int]]


def openai(url: str) -> Got:
    from openai import AsyncOpenAI, OpenAI

    client = OpenAI(base_url=url, api_key="none")

    async def asked() -> list[str]:
        async with AsyncOpenAI(base_url=url, api_key="none") as other:
            whole = await other.chat.completions.create(model="cmc", messages=MESSAGES)
            streamed = await other.chat.completions.create(model="cmc", messages=MESSAGES, stream=True)
            parts = [chunk.choices[0].delta.content or "" async for chunk in streamed]
            return [whole.choices[0].message.content or "", "".join(parts)]

    with client.responses.stream(model="cmc", input=QUESTION) as stream:
        parts = [event.delta for event in stream if event.type == "response.output_text.delta"]
    texts = [
        client.chat.completions.create(model="cmc", messages=MESSAGES).choices[0].message.content or "",
        client.responses.create(model="cmc", input=QUESTION).output_text,
        "".join(parts),
        *asyncio.run(asked()),
    ]
    called = client.chat.completions.create(model="cmc", messages=MESSAGES, tools=[TOOL]).choices[0].message
    return texts, [json.loads(call.function.arguments)["result"] for call in called.tool_calls or ()]


def langchain(url: str) -> Got:
    from langchain_openai import ChatOpenAI
    from pydantic import BaseModel

    class Result(BaseModel):
        """The result."""

        result: int

    chat = ChatOpenAI(base_url=url, api_key="none", model="cmc")
    responses = ChatOpenAI(base_url=url, api_key="none", model="cmc", use_responses_api=True)
    texts = [
        chat.invoke(QUESTION).text,
        "".join(chunk.text for chunk in chat.stream(QUESTION)),
        asyncio.run(chat.ainvoke(QUESTION)).text,
        responses.invoke(QUESTION).text,
        "".join(chunk.text for chunk in responses.stream(QUESTION)),
    ]
    called = chat.bind_tools([Result]).invoke(QUESTION).tool_calls
    by_schema = chat.with_structured_output(Result, method="json_schema").invoke(QUESTION)
    return texts, [called[0]["args"]["result"], by_schema.result]


def litellm(url: str) -> Got:
    import litellm

    given: Any = {"model": "openai/cmc", "api_base": url, "api_key": "none"}
    whole = litellm.completion(messages=MESSAGES, **given)
    streamed = litellm.completion(messages=MESSAGES, stream=True, **given)
    texts = [
        whole.choices[0].message.content,
        "".join(chunk.choices[0].delta.content or "" for chunk in streamed),
        asyncio.run(litellm.acompletion(messages=MESSAGES, **given)).choices[0].message.content,
        litellm.responses(input=QUESTION, **given).output_text,
    ]
    called = litellm.completion(messages=MESSAGES, tools=[TOOL], **given).choices[0].message.tool_calls
    return texts, [json.loads(called[0].function.arguments)["result"]]


def instructor(url: str) -> Got:
    import instructor
    from openai import OpenAI
    from pydantic import BaseModel

    class Result(BaseModel):
        result: int

    sdk = OpenAI(base_url=url, api_key="none")
    by = [
        instructor.from_openai(sdk, mode=mode).chat.completions.create(
            model="cmc", messages=MESSAGES, response_model=Result
        )
        for mode in (instructor.Mode.TOOLS, instructor.Mode.JSON_SCHEMA)
    ]
    plain = instructor.from_openai(sdk).chat.completions.create(model="cmc", messages=MESSAGES, response_model=None)
    return [plain.choices[0].message.content], [each.result for each in by]


def pydantic_ai(url: str) -> Got:
    from pydantic import BaseModel
    from pydantic_ai import Agent
    from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
    from pydantic_ai.providers.openai import OpenAIProvider

    class Result(BaseModel):
        result: int

    provider = OpenAIProvider(base_url=url, api_key="none")
    chat = OpenAIChatModel("cmc", provider=provider)

    async def streamed() -> str:
        async with Agent(chat).run_stream(QUESTION) as run:
            return await run.get_output()

    texts = [
        Agent(chat).run_sync(QUESTION).output,
        Agent(OpenAIResponsesModel("cmc", provider=provider)).run_sync(QUESTION).output,
        asyncio.run(streamed()),
    ]
    return texts, [Agent(chat, output_type=Result).run_sync(QUESTION).output.result]


def llm(url: str) -> Got:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "extra-openai-models.yaml").write_text(
            f"- model_id: cmc\n  model_name: cmc\n  api_base: {url}\n  supports_schema: true\n"
        )
        environment = {**os.environ, "LLM_USER_PATH": folder, "OPENAI_API_KEY": "none"}

        def said(*more: str) -> str:
            command = [str(Path(sys.executable).with_name("llm")), "-m", "cmc", *more, QUESTION]
            return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout

        return [said(), said("--no-stream")], [json.loads(said("--schema", "result int"))["result"]]


if __name__ == "__main__":
    name, address = sys.argv[1:]
    print(json.dumps(globals()[name](address)))
