"""Group 5, first part: finding unrevealed data, and forging costs and answers."""

from textwrap import dedent

from sandbox.conformance.case import Case, CaseGroup, Observation, attack, refusals
from sandbox.conformance.secret_search import SEARCH
from sandbox.status import Status

_CONTRACT, _FORGED = (Status.CONTRACT_ERROR,), (Status.PROTOCOL_ERROR,)


def _as_it_is(observation: Observation) -> str | None:
    return (
        None
        if set(observation.tokens) <= {EXPECTED_TOKENS}
        else f"charged {sorted(set(observation.tokens))}, not {EXPECTED_TOKENS}"
    )


EXPECTED_TOKENS = 20
"""Tokens of two branches of one interval in the grid of these cases."""


def _returns(name: str, value: str, top: str = "") -> Case:
    return Case(name, CaseGroup.INTEGRITY, attack(f"episode.branch(2)\nreturn {value}", top), _CONTRACT)


def _charged(name: str, body: str, top: str = "") -> Case:
    """Return a case whose episodes must each be charged for exactly two branches of one interval."""
    source = attack("opened = episode.branch(2)\n" + dedent(body), top)
    return Case(name, CaseGroup.INTEGRITY, source, check=_as_it_is)


_GUESSING = """
import hashlib, random

TEXTS = @QUESTIONS@


def guesses(beta):
    for text in [*TEXTS, *(hashlib.sha256(text.encode()).hexdigest() for text in TEXTS)]:
        for repeat in range(4):
            for seed in range(3):
                yield hashlib.sha256(f"{seed}\\n{text}\\n{repeat}\\n{beta!r}".encode()).digest()[:8]
            said = repr((text, repeat, beta)).encode()
            for key in (b"", bytes(32)):
                yield hashlib.blake2b(said, key=key, digest_size=8).digest()


"""

CASES = [
    Case(
        "a question known by its seed",
        CaseGroup.INTEGRITY,
        attack(
            """
            state = episode.rng.getstate()
            for beta in (0.0, 1.0):
                for guess in guesses(beta):
                    if random.Random(int.from_bytes(guess, "big")).getstate() == state:
                        raise RuntimeError("LEAK: the seed tells the question and the repeat")
            episode.branch(2)
            """,
            _GUESSING,
        ),
    ),
    Case(
        "search of all objects",
        CaseGroup.INTEGRITY,
        attack(
            """
            opened = episode.branch(2)
            gc.unfreeze()
            everything = gc.get_objects()
            assert search(everything) > 10_000
            """,
            SEARCH,
        ),
    ),
    Case(
        "search of frames and modules",
        CaseGroup.INTEGRITY,
        attack(
            """
            episode.branch(2)
            frame = sys._getframe()
            while frame is not None:
                search([frame.f_locals, frame.f_globals, frame.f_code])
                frame = frame.f_back
            search([vars(module) for module in list(sys.modules.values()) if module is not None])
            search([episode, episode._link, self, *sys._current_frames().values()])
            """,
            SEARCH,
        ),
    ),
    Case(
        "search of the memory around all objects",
        CaseGroup.INTEGRITY,
        attack(
            """
            if episode._number:
                return None
            episode.branch(2)
            libc = ctypes.CDLL(None, use_errno=True)
            def mapped(address):
                libc.access(ctypes.c_void_p(address), 0)
                return ctypes.get_errno() != 14  # EFAULT
            gc.unfreeze()
            chunks = {id(one) >> 18 for one in gc.get_objects()}
            chunks |= {chunk + i for chunk in list(chunks) for i in (-2, -1, 1, 2)}
            pages = 0
            for chunk in chunks:
                for page in range(chunk << 18, (chunk + 1) << 18, 4096):
                    if mapped(page):
                        pages += 1
                        data = ctypes.string_at(page, 4096)
                        if hit(data):
                            raise RuntimeError(f"LEAK: {hit(data)}")
            assert pages > 500, pages
            """,
            SEARCH + "\nimport ctypes",
        ),
    ),
    Case(
        "inspect",
        CaseGroup.INTEGRITY,
        attack(
            """
            for one in (episode, episode._link, self, episode.branch(1)[0]):
                search([value for _, value in inspect.getmembers(one)])
            search(inspect.stack())
            """,
            SEARCH + "\nimport inspect",
        ),
    ),
    refusals(
        "import of the host's side",
        CaseGroup.INTEGRITY,
        "importlib",
        [
            f"importlib.import_module({name!r})"
            for name in (
                "sandbox.host",
                "sandbox.frame_server",
                "sandbox.evaluate",
                "envdata.grid",
                "envdata.episodes",
                "graph",
                "pyarrow",
            )
        ],
    ),
    Case(
        "question and answers are not shown",
        CaseGroup.INTEGRITY,
        attack(
            """
            assert episode.question is None
            for branch in episode.branch(2):
                assert branch.answer is None or (branch.answer.text is None and int(branch.answer) < 2), "LEAK"
            """
        ),
    ),
    _charged("tokens set to less", "episode.tokens = -10**9\nepisode._budget = 10**12"),
    _charged("an interval that costs nothing", "type(episode).interval = 0\nepisode.interval = 0"),
    _charged(
        "refused actions are not charged",
        """
        episode.prune(opened[1])
        refused(episode.advance, opened[1])
        refused(episode.advance, [opened[0], opened[0]])
        refused(episode.branch, 10**6)
        refused(episode.branch, -1)
        refused(episode.probe, opened[0])
        """,
    ),
    _charged(
        "branch numbers that do not exist",
        """
        for index in (-1, 2, 63, 64, 2**31 - 1, -(2**31), True + 7):
            reply = episode._link.call(episode._number, 2, True, 1, [index])
            assert reply[0], f"LEAK: branch {index} was advanced"
        """,
    ),
    _charged(
        "branch numbers that fit no integer",
        """
        refused(episode._link.call, episode._number, 2, True, 1, [10**30])
        refused(episode._link.call, episode._number, 2, True, 2, [0, "1"])
        for each in ([opened], "ab", [0, 1], None, 0, [opened[0], None]):
            refused(episode.advance, each)
        """,
    ),
    _charged("a branch that claims another number", "opened[0].index = 1\nrefused(episode.advance, opened)"),
    Case(
        "a finished branch is not charged again",
        CaseGroup.INTEGRITY,
        attack(
            """
            opened = episode.branch(2)
            episode.finish(opened)
            before = episode.tokens
            refused(episode.advance, opened[0])
            refused(episode.finish, opened)
            for op in (2, 3, 4):
                reply = episode._link.call(episode._number, op, True, 1, [0])
                assert reply[0] and reply[1] == before, "LEAK: charged again"
            """
        ),
    ),
    _charged(
        "signals of the intervals reached alone",
        """
        assert [branch.signals["verifier"] for branch in opened] == [[1.0], [1.0]], "LEAK"
        opened[0].depth = 3
        assert opened[0].signals["verifier"] == [1.0], "LEAK: a value of an interval that was not paid for"
        refused(opened[0].signals.__getitem__, "gold_answer")
        """,
    ),
    *(
        Case(
            f"a read of signals {what}",
            CaseGroup.INTEGRITY,
            attack(f"episode.branch(2)\nlist(episode._link.read_signal(episode._number, {signal}, {wanted}))"),
            _FORGED,
        )
        for what, signal, wanted in (
            ("from a depth not reached", 0, [0, 2]),
            ("from below the first depth", 0, [0, -1]),
            ("of a branch not opened", 0, [2, 0]),
            ("of one branch twice", 0, [0, 0, 0, 0]),
            ("that do not exist", 1, [0, 0]),
            ("with half an entry", 0, [0]),
        )
    ),
    _returns(
        "an answer equal to everything",
        "Yes()",
        "class Yes:\n    __eq__ = lambda a, b: True\n    __hash__ = lambda a: 0",
    ),
    _returns("an answer that is a string", "'7'"),
    _returns("an answer that is a number", "0"),
    _returns("an answer made by hand", "Answer(0, True)"),
    _returns(
        "an answer of a subclass",
        "Mine(0, True)",
        "class Mine(Answer):\n    def __eq__(self, other): return True\n    def __hash__(self): return 0",
    ),
    _returns(
        "an answer that runs code when it is copied",
        "Bomb()",
        "class Bomb:\n    def __reduce__(self):\n        return (print, ('x',))\n    def __str__(self):\n        return 1",
    ),
    Case(
        "a label that was never revealed",
        CaseGroup.INTEGRITY,
        attack("fake = Answer(40, True)\nepisode._labels.append(fake)\nreturn fake"),
        _FORGED,
    ),
    Case(
        "an action after the answer",
        CaseGroup.INTEGRITY,
        attack(
            """
            if kept:
                kept[0].branch(1)
            kept.append(episode)
            """,
            "kept = []",
        ),
        (Status.OK, Status.EXCEPTION, Status.PROTOCOL_ERROR),
    ),
    Case(
        "an answer forged before a quiet exit",
        CaseGroup.INTEGRITY,
        attack(
            "import os, struct\nos.write(3, struct.pack('<4I4i', 1, 0, 0, 0, 0, 6, 0, 0))\nos._exit(0)",
        ),
        _FORGED,
    ),
    Case("a quiet exit at import", CaseGroup.INTEGRITY, attack("", "import os\nos._exit(0)"), _FORGED),
    Case("an exit in solve", CaseGroup.INTEGRITY, attack("raise SystemExit(0)"), (Status.EXCEPTION,)),
    Case("an interrupt in solve", CaseGroup.INTEGRITY, attack("raise KeyboardInterrupt"), (Status.EXCEPTION,)),
    Case(
        "a generator's end in solve",
        CaseGroup.INTEGRITY,
        attack("import greenlet\nraise greenlet.GreenletExit"),
        (Status.EXCEPTION,),
    ),
    Case(
        "a jump to the worker's own stack",
        CaseGroup.INTEGRITY,
        attack("import greenlet\ngreenlet.getcurrent().parent.switch(None)"),
        (Status.OK, Status.EXCEPTION, Status.PROTOCOL_ERROR, Status.CONTRACT_ERROR),
    ),
    Case(
        "the worker's modules replaced",
        CaseGroup.INTEGRITY,
        attack(
            "return majority(branch.answer for branch in episode.branch(2))",
            """
            import builtins, json, random, sys, time
            json.dumps = json.loads = lambda *a, **k: {"status": 0}
            time.monotonic = time.time = lambda: 0.0
            random.seed = random.Random.__init__ = lambda *a, **k: None
            builtins.len = lambda x: 0
            sys.modules.clear()
            """,
        ),
        (Status.OK, Status.EXCEPTION, Status.PROTOCOL_ERROR, Status.LOAD_ERROR, Status.CONTRACT_ERROR, Status.TIMEOUT),
    ),
    Case(
        "the API replaced",
        CaseGroup.INTEGRITY,
        attack(
            "opened = episode.branch(2)",
            """
            import sandbox.tts as tts
            tts.Episode.tokens_left = property(lambda self: 10**9)
            tts.Episode._check_own = lambda *a: None
            tts.Branch.answers = property(lambda self: [0])
            """,
        ),
        check=_as_it_is,
    ),
    Case("no controller", CaseGroup.INTEGRITY, "x = 1\n", _CONTRACT),
    Case(
        "two controllers",
        CaseGroup.INTEGRITY,
        attack("") + "\nclass Other(Controller):\n    schedule = solve = None\n",
        _CONTRACT,
    ),
    Case(
        "a metaclass that lies",
        CaseGroup.INTEGRITY,
        attack(
            "",
            """
        class Liar(type(Controller)):
            def __subclasscheck__(cls, other): raise KeyError("liar")
            def __instancecheck__(cls, other): return True
            @property
            def __name__(cls): return 7
            def mro(cls): return super().mro()
        class Base(Controller, metaclass=Liar):
            @staticmethod
            def schedule(beta): return {}
    """,
        ),
        (Status.CONTRACT_ERROR, Status.LOAD_ERROR, Status.OK, Status.PROTOCOL_ERROR),
    ),
]
