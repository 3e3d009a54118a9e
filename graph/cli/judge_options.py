"""Options of a judge, and the judge made from them."""

import os
from collections.abc import Callable
from typing import Any, TypeVar

import click

from envdata.collect.server_keys import NO_KEY, judge_key
from envdata.live.judge import Judge, JudgeSpec
from graph.cli.collect import check_keys, parse_name_values

Command = TypeVar("Command", bound=Callable[..., Any])

OPENAI = "https://api.openai.com/v1"
"""Server of a judge without --judge-url."""


def judge_options(command: Command) -> Command:
    """Add the options of the judge whose scores are the signal `judge`."""
    for option in reversed(
        [
            click.option("--judge", metavar="openai:MODEL|reward:MODEL",
                         help="Score branches that have ended with this model, as the signal `judge`: a chat model, or "
                         "a reward model at vLLM's /pooling. It is asked where the controller reads the signal, once a "
                         "branch, and its tokens are counted apart."),
            click.option("--judge-url", metavar="URL",
                         help="The judge's server; its key is read from AUTOTTS_JUDGE_KEY, else it is the server's on "
                         "the same host, and OPENAI_API_KEY at OpenAI's own service and OPENAI_BASE_URL.  "
                         f"[default: OPENAI_BASE_URL, else {OPENAI}]"),
            click.option("--judge-arg", "judge_args", multiple=True, metavar="NAME=VALUE",
                         help="A field of the requests to the judge, such as temperature=0."),
        ]
    ):  # fmt: skip
        command = option(command)
    return command


def make_judge(given: dict[str, Any]) -> Judge | None:
    """Return the judge that the options name, None without --judge; it counts tokens per episode.

    Raises:
        click.UsageError: --judge has another form, it is missing beside its other options, or there is no key.
        ExplorerError: The key cannot be sent.
    """
    from envdata.collect.openai_client import Client
    from envdata.live.metering import count_per_episode

    if not given["judge"]:
        if given["judge_url"] or given["judge_args"]:
            raise click.UsageError("--judge-url and --judge-arg are for a judge; name it with --judge")
        return None
    try:
        spec = JudgeSpec.parse(given["judge"])
    except ValueError as error:
        raise click.UsageError(f"--judge {error}") from None
    url = given["judge_url"] or os.environ.get("OPENAI_BASE_URL") or OPENAI
    check_keys()
    key = judge_key(url, given.get("server"))
    if key.value == NO_KEY and url == OPENAI:
        raise click.UsageError("--judge needs a key in AUTOTTS_JUDGE_KEY or OPENAI_API_KEY, or a server at --judge-url")
    client = Client(
        url, spec.model, key=key, concurrency=given["concurrency"], timeout=given["timeout"],
        retries=given["retries"], patience=given["timeout"],
    )  # fmt: skip
    count_per_episode(client)
    return Judge(spec, client, parse_name_values(given["judge_args"]))
