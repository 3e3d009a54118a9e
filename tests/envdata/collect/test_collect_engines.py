"""What servers can and cannot do: continuing texts, chats that think, final answers only."""

import asyncio
import itertools
import json
import re

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from envdata.collect.answer_reader import Thinking
from envdata.collect.chat_template import ChatTemplate
from envdata.collect.collection import Provenance, collect
from envdata.collect.engine import CollectError, Conversation, Sampling
from envdata.collect.extraction import BOXED, AnswerRule
from envdata.collect.final_answers import FinalAnswerSampler
from envdata.collect.openai_client import Client
from envdata.collect.openai_server import OpenAIServer
from envdata.collect.questions import Question
from envdata.collect.settings import ChatSettings, CollectionSettings
from envdata.grid import Grid
from graph.cli.collect import collect_command
from sandbox.candidate import Candidate
from sandbox.evaluate import Evaluator, Plan
from sandbox.replay_player import EvaluationSettings
from tests.envdata.collect.completions_server import START, Behaviour, serving, written_out

PAIRS = [(2, 3), (4, 5), (6, 7)]
TEXTS = [Question(f"What is {a} * {b}?", str(a * b), f"Problem: What is {a} * {b}?\nReasoning:") for a, b in PAIRS]
CHATS = [Question(f"What is {a} * {b}?", str(a * b), f"What is {a} * {b}?") for a, b in PAIRS]
SOURCE = Provenance("toy", "a toy", "three products", {})
SAMPLING = Sampling(0.8, max_tokens=60, stop=("\n\nProblem",))
PLAIN = CollectionSettings(interval=4, branches=7, sampling=SAMPLING, seed=3)
CHAT = CollectionSettings(
    interval=4,
    branches=7,
    sampling=Sampling(0.8, max_tokens=80),
    closing=f"\n\nThe final answer is {BOXED}",
    answers=AnswerRule(BOXED, "exact"),
    thinking=Thinking(),
    chat=ChatSettings(system="Be brief."),
    probe_tokens=12,
)


@pytest.fixture
def behaviour():
    return Behaviour()


@pytest.fixture
def url(behaviour):
    with serving(behaviour) as address:
        yield address


def run(url, out, questions, settings, *, engine=OpenAIServer, **options):
    client = Client(url, "toy", concurrency=4, timeout=60, retries=0)
    return asyncio.run(collect(engine(client, **options), questions, settings, SOURCE, out, at_once=2))


def records(out):
    return pq.read_table(out).to_pylist()


def test_a_server_that_knows_texts_only_gives_the_same_grid(url, behaviour, tmp_path):
    run(url, tmp_path / "ids.parquet", TEXTS, PLAIN)
    behaviour.llama = behaviour.one_completion = True
    behaviour.requests.clear()
    run(url, tmp_path / "texts.parquet", TEXTS, PLAIN)
    assert records(tmp_path / "texts.parquet") == records(tmp_path / "ids.parquet")
    assert Grid.load(tmp_path / "texts.parquet").provenance["engine"]["continues"] == "text"
    assert Grid.load(tmp_path / "ids.parquet").provenance["engine"]["continues"] == "token ids"
    probed = behaviour.probed()
    assert all(isinstance(prompt, str) for prompt in probed)
    assert len(probed) == len(set(probed)), "equal prefixes are probed once"


def test_what_was_read_and_written_is_counted(url, tmp_path):
    usage = run(url, tmp_path / "grid.parquet", TEXTS, PLAIN).usage
    assert usage.decoded >= sum(row["tokens"] for row in records(tmp_path / "grid.parquet"))
    assert usage.cached is not None
    assert 0 < usage.cached < usage.prompt


@pytest.mark.parametrize("llama", [False, True])
def test_a_chat_that_thinks_is_cut_closed_and_read_around_its_tags(url, behaviour, tmp_path, llama):
    behaviour.llama = llama
    out = tmp_path / "grid.parquet"
    run(url, out, CHATS, CHAT)
    prompt = written_out([{"role": "system", "content": "Be brief."}, {"role": "user", "content": CHATS[0].text}])
    assert all(sampled.startswith("<system>Be brief.\n<user>") for sampled in behaviour.sampled())
    assert prompt in behaviour.sampled()
    for row in records(out):
        a, b = re.findall(r"\d+", row["question"])
        whole = f"<think>{a} * {b} = "
        if row["final_answer"] == "":
            assert row["text"] == f"{whole}"[:12], "cut short while it thought, it has no answer"
        else:
            assert row["final_answer"] == re.findall(r"\d+", row["text"])[-1]
        for k, answer in enumerate(row["probe_answers"], start=1):
            seen = row["text"][: 4 * k].removeprefix("<think>")
            assert answer == ([*re.findall(r"\d+", seen)] or ["none"])[-1]
    closings = {prompt.partition("<assistant>")[2] for prompt in behaviour.probed() if "2 * 3" in prompt}
    leaving = "\n</think>\n\nThe final answer is \\boxed{"
    assert f"<think>2{leaving}" in closings
    # A cut inside the tag that ends the thinking completes it.
    assert all(text.count("</think>") == 1 for text in closings), closings


def test_a_probe_costs_what_it_decodes_up_to_the_brace(url, tmp_path):
    run(url, tmp_path / "grid.parquet", [CHATS[0]], CHAT)
    for row in records(tmp_path / "grid.parquet"):
        for answer, cost, k in zip(row["probe_answers"], row["probe_tokens"], range(1, 99), strict=False):
            if "boxed" not in row["text"][: 4 * k]:
                assert cost == len(answer) + 1


def test_the_models_mouth_is_opened_for_it(url, behaviour, tmp_path):
    settings = CollectionSettings(**{**vars(CHAT), "chat": ChatSettings(begun="<think>")})
    run(url, tmp_path / "grid.parquet", [CHATS[0]], settings)
    assert all(prompt.endswith("<assistant><think>") for prompt in behaviour.sampled())
    row = max(records(tmp_path / "grid.parquet"), key=lambda row: row["tokens"])
    assert row["text"].startswith("2 * 3")
    assert row["final_answer"] in ("6", "7")


def test_a_template_is_applied_here_where_it_is_given(url, behaviour, tmp_path):
    source = "{{ bos_token }}{% for m in messages %}<{{ m.role }}>{{ m.content }}\n{% endfor %}<assistant>{{ mood }}"
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"chat_template": source, "bos_token": chr(START)}))
    template = ChatTemplate.load(tmp_path)
    settings = CollectionSettings(**{**vars(CHAT), "chat": ChatSettings(options={"mood": "!"})})
    run(url, tmp_path / "grid.parquet", [CHATS[0]], settings, template=template)
    assert set(behaviour.sampled()) == {f"<user>{CHATS[0].text}\n<assistant>!"}
    assert all(body["prompt"].count(START) == 1 for body in behaviour.requests if body.get("n", 1) == 7)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{% for %}", "cannot be applied"),
        ("{{ raise_exception('no system role') }}", "no system role"),
        ("{{ ''.__class__.__mro__[1].__subclasses__() }}", "cannot be applied"),
    ],
)
def test_a_template_that_fails_or_is_up_to_something(tmp_path, content, said):
    (tmp_path / "chat.jinja").write_text(content)
    with pytest.raises(CollectError, match=said):
        ChatTemplate.load(tmp_path / "chat.jinja").render(Conversation("hello"))


def test_a_template_that_is_not_there(tmp_path):
    with pytest.raises(CollectError, match="no chat template can be read"):
        ChatTemplate.load(tmp_path)


@pytest.mark.parametrize("newer", [False, True])
def test_final_answers_of_a_chat(url, behaviour, tmp_path, newer):
    behaviour.newer = newer
    settings = CollectionSettings(**{**vars(CHAT), "probes": False, "interval": 80})
    out = tmp_path / "grid.parquet"
    run(url, out, CHATS, settings, engine=FinalAnswerSampler, chat=True, thinking=settings.thinking)
    rows = records(out)
    assert "probe_confidences" not in rows[0]
    assert "probe_tokens" not in rows[0]
    for row in rows:
        assert row["probe_answers"] == []
        assert row["tokens"] <= 80
        # A trace's seed does not depend on how it is asked for.
        assert row["final_answer"] == (re.findall(r"boxed\{(\d+)", row["text"]) or [""])[0]
    assert Grid.load(out).provenance["engine"]["continues"] is None
    assert {row["final_answer"] for row in rows} >= {"6", "20", "42"}
    # A request each, or their tokens could not be told apart; and the trials: the limit's name, a count, a stream.
    assert len(behaviour.requests) == len(CHATS) * 7 + 3


def test_final_answers_of_texts_are_those_of_a_grid_with_probes(url, tmp_path):
    run(url, tmp_path / "probed.parquet", TEXTS, PLAIN)
    settings = CollectionSettings(**{**vars(PLAIN), "probes": False, "interval": 60})
    run(url, tmp_path / "final.parquet", TEXTS, settings, engine=FinalAnswerSampler, chat=False)
    kept = ("question", "branch", "tokens", "final_answer", "finish_reason", "text")
    probed, final = (
        [{name: row[name] for name in kept} for row in records(tmp_path / f"{which}.parquet")]
        for which in ("probed", "final")
    )
    assert final == probed


def test_a_server_that_does_not_count_tokens(url, behaviour, tmp_path):
    behaviour.usage = False
    settings = CollectionSettings(**{**vars(PLAIN), "probes": False, "interval": 60})
    with pytest.raises(CollectError, match="does not say how many tokens"):
        run(url, tmp_path / "grid.parquet", TEXTS, settings, engine=FinalAnswerSampler, chat=False)


PEEKS = """
from sandbox.tts import Controller, majority

class Peeks(Controller):
    @staticmethod
    def schedule(beta):
        return {"width": 3.0}

    def solve(self, episode):
        branches = episode.branch(3)
        assert all(branch.finished and branch.depth == 1 for branch in branches)
        try:
            episode.probe(branches[:1])
        except Exception as error:
            episode.note(type(error).__name__)
        else:
            raise AssertionError("probed what is one interval")
        return majority(branch.answer for branch in branches)
"""


def test_a_grid_without_probes_is_played(url, tmp_path):
    settings = CollectionSettings(**{**vars(PLAIN), "probes": False, "interval": 60})
    out = tmp_path / "final.parquet"
    run(url, out, TEXTS, settings, engine=FinalAnswerSampler, chat=False)
    (tmp_path / "peeks.py").write_text(PEEKS)
    with Evaluator(EvaluationSettings(), sandbox="process", jobs=1) as evaluator:
        candidates = [Candidate.parse(str(tmp_path / "peeks.py")), Candidate.parse("sc"), Candidate.parse("cmc")]
        plans = [Plan(candidate, grids=(str(out),), betas=(1.0,), repeats=1) for candidate in candidates]
        episodes = evaluator.evaluate(plans).episodes.to_pylist()
    assert {episode["status"] for episode in episodes} == {"ok"}, episodes
    lengths = {}
    for row in records(out):
        lengths.setdefault(row["question_id"], []).append(row["tokens"])
    for episode in episodes[:3]:
        possible = map(sum, itertools.combinations(lengths[episode["question"]], 3))
        assert episode["tokens"] in possible


def invoke(words):
    return CliRunner().invoke(collect_command, words)


def test_the_command_collects_final_answers(url, tmp_path):
    questions = tmp_path / "questions.jsonl"
    questions.write_text("".join(json.dumps({"question": q.text, "answer": q.answer}) + "\n" for q in TEXTS))
    words = f"--server {url} --model toy --questions {questions} --branches 3 --max-tokens 80 --no-probe --chat"
    words += f" --answers exact --out {tmp_path / 'grid.parquet'}"
    result = invoke([*words.split(), "--think", "<think>", "</think>"])
    assert result.exit_code == 0, result.output
    whole = Grid.load(tmp_path / "grid.parquet")
    assert (whole.interval, whole.probed, int(whole.arrays.intervals.max())) == (80, True, 0)
    cut = invoke([*words.replace("grid.parquet", "cut.parquet").split(), "--interval", "9"])
    assert cut.exit_code == 0, cut.output
    grid = Grid.load(tmp_path / "cut.parquet")
    assert (grid.interval, grid.probed) == (9, False)
    assert (grid.arrays.intervals == -(-grid.arrays.tokens // 9) - 1).all()
    assert "give a shorter interval" in invoke([*words.split(), "--interval", "81"]).output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--interval 5", "give --server URL"),
        ("--server http://x/v1 --vllm --interval 5", "give --server URL"),
        ("--server http://x/v1", "--interval is needed"),
        ("--server http://x/v1 --interval 5 --system hello", "--system needs --chat"),
        ("--server http://x/v1 --interval 5 --vllm-arg dtype=half", "are for --vllm"),
        ("--vllm --interval 5 --vllm-arg half", "is not NAME=VALUE"),
        ("--vllm --interval 5", "Error: vLLM cannot"),
    ],
)
def test_commands_that_cannot_be(tmp_path, words, said):
    result = invoke(
        [*words.split(), "--model", "m", "--questions", "word-problems?count=2", "--out", str(tmp_path / "g")]
    )
    assert result.exit_code in (1, 2)
    assert said in result.output
    assert not list(tmp_path.iterdir())
