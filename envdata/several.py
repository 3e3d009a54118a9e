"""Calls that stand for several: ROUNDS and IN_TURN, which spare a controller the waiting between calls that it would
make in any case.

They are nothing of their own: each comes to the BRANCH, CONTINUE and READ calls that the programs here yield, one after
the other, each judged and charged by itself (`envdata.rules`), with a row each in the trace. In replay without a budget
it is known beforehand where a program will stop, and all of its calls are settled at once (`envdata.leaping`).
"""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from envdata import leaping, rules
from envdata.actions import Op, Refusal
from envdata.admission import judge
from envdata.clearing import is_clear
from envdata.ledger import NO_ROUNDS, NO_TURNS, UNLIMITED, Bools, Calls, Costs, Ints, Ledger, Rounds, Turns
from envdata.rules import Course, LabelOf, Settled, World

_BRANCH, _CONTINUE, _READ = int(Op.BRANCH), int(Op.CONTINUE), int(Op.READ)
_ROUNDS, _IN_TURN = int(Op.ROUNDS), int(Op.IN_TURN)


NOTHING = -2
"""In the place of a label: the branch was stopped short, and answers what it answered before."""


class Request(NamedTuple):
    """One call of a program."""

    op: int
    branches: list[int]
    """By their slots; of BRANCH and READ, those that are to be opened."""


class Outcome(NamedTuple):
    """What the call did."""

    refusal: int
    finished: list[bool]
    labels: list[int]
    """−1 where what was revealed is new, `NOTHING` where nothing was."""
    codes: list[int]
    """The world's own codes of what was revealed, −1 where nothing was."""


Program = Generator[Request, Outcome, None]


@dataclass
class Progress:
    """How far a program is."""

    taken: int = 0
    opened: int = 0
    refusal: int = int(Refusal.ADMITTED)


def rounds(
    progress: Progress, listed: int, fast: set[int], most: int, burst: int, widen: int, leader: int, opening: int, *,
    through: bool,
) -> Program:  # fmt: skip
    """ROUNDS over `listed` branches, of which some are `fast`; branches are named by their slots."""
    going, wanted = list(range(listed)), opening
    while True:
        if wanted:
            fresh = list(range(listed + progress.opened, listed + progress.opened + wanted))
            outcome = yield Request(_BRANCH, fresh)
            if outcome.refusal:
                progress.refusal = outcome.refusal
                return
            progress.opened += wanted
            begun = [slot for slot, finished in zip(fresh, outcome.finished, strict=True) if not finished]
            going += begun
            if len(begun) < wanted and not through:
                return
            if _turned(begun, dict(zip(fresh, outcome.labels, strict=True)), fast, leader):
                return
        if not going:
            return
        ended: set[int] = set()
        said: dict[int, int] = {}
        for turn in range(burst):
            stepping = [slot for slot in going if turn == 0 or (slot in fast and slot not in ended)]
            if not stepping:
                break
            outcome = yield Request(_CONTINUE, stepping)
            if outcome.refusal:
                progress.refusal = outcome.refusal
                return
            # One that is stopped short goes on answering what it did.
            said.update((slot, label) for slot, label in zip(stepping, outcome.labels, strict=True) if label != NOTHING)
            ended.update(slot for slot, finished in zip(stepping, outcome.finished, strict=True) if finished)
        progress.taken += 1
        going = [slot for slot in going if slot not in ended]
        if progress.taken == most or (ended and not through) or _turned(going, said, fast, leader):
            return
        wanted = widen if going else 0


def _turned(going: Sequence[int], said: dict[int, int], fast: set[int], leader: int) -> bool:
    """Whether a branch has come to answer the leader, or ceased to."""
    if leader < 0:
        return False
    told = [slot for slot in going if said.get(slot, NOTHING) != NOTHING]
    return any((said[slot] == leader) != (slot in fast) for slot in told)


def in_turn(
    progress: Progress, wanted: int, room: int, abreast: int, clear: Sequence[int], *, afresh: bool
) -> Program:  # fmt: skip
    """IN_TURN over up to `wanted` branches, of which `room` can be opened."""
    if wanted > room:
        progress.refusal = int(Refusal.NO_OPEN_SLOT)
        return
    voting: list[int] = []
    while progress.opened < wanted:
        first = progress.opened
        outcome = yield Request(_READ, list(range(first, min(first + abreast, wanted))))
        if outcome.refusal:
            progress.refusal = outcome.refusal
            return
        progress.opened += len(outcome.codes)
        voting = ([] if afresh else voting) + [code for code in outcome.codes if code >= 0]
        if is_clear(voting, clear):
            return


def settle(ledger: Ledger, calls: Calls, world: World, costs: Costs, label_of: LabelOf) -> Settled | Course:
    """Judge and carry out calls of any kind; a Settled where none of them stands for several.

    Raises what the world raises, as Interrupted where it does so in the midst of calls that stand for several.
    """
    many = calls.op >= _ROUNDS
    if not many.any():
        return rules.settle(ledger, calls, world, costs)
    parts: list[tuple[Ints, Course]] = []
    ahead = many & False
    if isinstance(world, leaping.Recorded) and costs.budget >= UNLIMITED and not costs.repeats_last:
        ahead = leaping.foreseeable(ledger, calls)
        if ahead.all():
            return leaping.settle(ledger, calls, world, costs, label_of)
        if ahead.any():
            parts.append((np.flatnonzero(ahead), leaping.settle(ledger, only(calls, ahead), world, costs, label_of)))
    for kept, carry_out in ((~many & ~ahead, _of_single), (many & ~ahead, _one_by_one)):
        if kept.any():
            parts.append((np.flatnonzero(kept), carry_out(ledger, only(calls, kept), world, costs, label_of)))
    return parts[0][1] if len(parts) == 1 else _merged(len(many), parts)


def only(calls: Calls, kept: Bools) -> Calls:
    """Some of the calls, with the branches that they list."""
    listed = np.where((calls.op == _BRANCH) | (calls.op == _READ) | (calls.op == _IN_TURN), 0, calls.count)
    rounded = calls.op == _ROUNDS
    which, asked = kept[rounded], calls.rounds
    chosen = NO_ROUNDS
    if which.any():
        fast = asked.fast[np.repeat(which, calls.count[rounded])]
        chosen = Rounds(
            asked.most[which], asked.burst[which], asked.widen[which], asked.leader[which], asked.through[which],
            asked.opening[which], fast,
        )  # fmt: skip
    turning, those = kept[calls.op == _IN_TURN], calls.turns
    turns = NO_TURNS
    if turning.any():
        clear = those.clear[np.repeat(turning, those.sizes)]
        turns = Turns(those.abreast[turning], those.afresh[turning], those.sizes[turning], clear)
    return Calls(
        calls.episode[kept], calls.op[kept], calls.probe[kept], calls.count[kept],
        calls.branch[np.repeat(kept, listed)], chosen, turns,
    )  # fmt: skip


def _of_single(ledger: Ledger, calls: Calls, world: World, costs: Costs, label_of: LabelOf) -> Course:
    """Calls of which none stands for several, in the form of those that do."""
    settled = rules.settle(ledger, calls, world, costs)
    n, none = len(calls.op), np.zeros(len(settled.call), np.int64)
    made = (settled.refusal == Refusal.ADMITTED).astype(np.int64)
    zero = np.zeros(n, np.int64)
    total = ledger.tokens[calls.episode[settled.call]]
    return Course(settled, made, zero, zero, none, calls.op[settled.call], none, total)


class Interrupted(Exception):
    """The world failed in the midst of calls that stand for several; `cause` is how, `course` what came before."""

    def __init__(self, cause: Exception, course: Course) -> None:
        super().__init__(str(cause))
        self.cause, self.course = cause, course


def _one_by_one(ledger: Ledger, calls: Calls, world: World, costs: Costs, label_of: LabelOf) -> Course:
    """Run the calls' programs side by side: each time one call of all that go on. Raises Interrupted."""
    progress = [Progress() for _ in calls.op]
    programs, slots = _programs(ledger, calls, progress)
    waiting: dict[int, Request] = {}
    unfit = _unfit(ledger, calls, costs)
    made = np.zeros(len(calls.op), np.int64)
    parts: list[Settled] = []
    columns: list[tuple[Ints, ...]] = []
    for entry, program in enumerate(programs):
        if unfit[entry]:
            progress[entry].refusal = int(unfit[entry])
            continue
        request = next(program, None)
        if request is not None:
            waiting[entry] = request
    while waiting:
        entries = np.array(list(waiting), np.int64)
        try:
            settled = rules.settle(ledger, _asked(calls, waiting, slots), world, costs)
        except Exception as error:
            raise Interrupted(error, _course(progress, made, parts, columns)) from error
        own = entries[settled.call]
        label = np.where(settled.revealed, label_of(calls.episode[own], np.maximum(settled.answer, 0)), NOTHING)
        parts.append(replace(settled, call=own))
        slot = np.array([slot for request in waiting.values() for slot in request.branches], np.int64)
        admitted = settled.refusal == Refusal.ADMITTED
        ops = np.array([request.op for request in waiting.values()], np.int64)
        sizes = [len(request.branches) for request in waiting.values()]
        columns.append(
            (made[own], ops[settled.call], slot[np.repeat(admitted, sizes)], ledger.tokens[calls.episode[own]])
        )
        made[entries] += admitted
        code = np.where(settled.revealed, settled.answer, -1).tolist()
        bounds = np.searchsorted(settled.call, np.arange(len(entries) + 1)).tolist()
        for at, (entry, request) in enumerate(list(waiting.items())):
            a, b = bounds[at : at + 2]
            if request.op != _CONTINUE and admitted[at]:
                slots[entry] += (settled.place[a:b] % ledger.width).tolist()
            outcome = Outcome(int(settled.refusal[at]), settled.finished[a:b].tolist(), label[a:b].tolist(), code[a:b])
            try:
                waiting[entry] = programs[entry].send(outcome)
            except StopIteration:
                del waiting[entry]
    return _course(progress, made, parts, columns)


def _course(
    progress: list[Progress], made: Ints, parts: list[Settled], columns: list[tuple[Ints, ...]]
) -> Course:  # fmt: skip
    """What programs came to: all that was settled, and of each target its step, action, slot and the tokens then."""
    none = np.zeros(0, np.int64)
    call = np.concatenate([none, *(part.call for part in parts)])
    step, op, slot, total = (
        np.concatenate([none, *column]) for column in (zip(*columns, strict=True) if columns else ((),) * 4)
    )
    order = np.lexsort((step, slot, call))
    step, op, slot, total = (column[order] for column in (step, op, slot, total))
    refusal, taken, opened = (
        np.array([getattr(one, name) for one in progress], np.int64) for name in ("refusal", "taken", "opened")
    )
    return Course(_joined(refusal, parts, order), made, taken, opened, step, op, slot, total)


def _unfit(ledger: Ledger, calls: Calls, costs: Costs) -> Ints:
    """(n,) why calls that open branches first are refused for those that they list, before anything is done."""
    refusal = np.zeros(len(calls.op), np.int64)
    opening = calls.op == _ROUNDS
    opening[opening] = calls.rounds.opening > 0
    if opening.any():
        own = only(calls, opening)
        first = replace(own, op=np.full_like(own.op, _CONTINUE))
        listed = np.arange(len(own.op)).repeat(own.count)
        refusal[opening] = judge(ledger, first, own.op < 0, listed, replace(costs, budget=UNLIMITED))
    return refusal


def _programs(ledger: Ledger, calls: Calls, progress: list[Progress]) -> tuple[list[Program], list[list[int]]]:
    """The calls' programs, and the branches of their slots."""
    programs: list[Program] = []
    slots: list[list[int]] = []
    asked, at, nth = calls.rounds, 0, 0
    turns = _turns(calls.turns)
    for one, op, episode, count in zip(
        progress, calls.op.tolist(), calls.episode.tolist(), calls.count.tolist(), strict=True
    ):
        if op == _IN_TURN:
            room = count if ledger.over[episode] else int(ledger.ceiling[episode] - ledger.opened[episode])
            abreast, afresh, clear = next(turns)
            programs.append(in_turn(one, count, room, abreast, clear, afresh=afresh))
            slots.append([])
            continue
        own = slice(at, at + count)
        fast = set(np.flatnonzero(asked.fast[own]).tolist())
        most, burst, widen, leader, through, opening = (
            array[nth].item()
            for array in (asked.most, asked.burst, asked.widen, asked.leader, asked.through, asked.opening)
        )
        programs.append(rounds(one, count, fast, most, burst, widen, leader, opening, through=through))
        slots.append(calls.branch[own].tolist())
        at, nth = at + count, nth + 1
    return programs, slots


def _turns(turns: Turns) -> Iterator[tuple[int, bool, list[int]]]:
    """What each IN_TURN call asks for."""
    ends = turns.sizes.cumsum().tolist()
    for abreast, afresh, size, end in zip(
        turns.abreast.tolist(), turns.afresh.tolist(), turns.sizes.tolist(), ends, strict=True
    ):
        yield abreast, afresh, turns.clear[end - size : end].tolist()


def _asked(calls: Calls, waiting: dict[int, Request], slots: list[list[int]]) -> Calls:
    """The next calls of programs, as calls."""
    n = len(waiting)
    listed = [
        slots[entry][slot] for entry, request in waiting.items() if request.op == _CONTINUE for slot in request.branches
    ]
    return Calls(
        calls.episode[list(waiting)],
        np.array([request.op for request in waiting.values()], np.int64),
        np.ones(n, bool),
        np.array([len(request.branches) for request in waiting.values()], np.int64),
        np.array(listed, np.int64),
    )


def _merged(n: int, parts: list[tuple[Ints, Course]]) -> Course:
    """Parts with calls of different kinds as one, in the order of the n calls."""

    def by_call(name: str) -> Ints:
        values = np.zeros(n, np.int64)
        for where, part in parts:
            values[where] = getattr(part, name)
        return values

    refusal = np.zeros(n, np.int64)
    for where, part in parts:
        refusal[where] = part.settled.refusal
    call = np.concatenate([where[part.settled.call] for where, part in parts])
    order = np.argsort(call, kind="stable")
    step, op, slot, total = (
        np.concatenate([getattr(part, name) for _, part in parts])[order] for name in ("step", "op", "slot", "total")
    )
    settled = _joined(refusal, [replace(part.settled, call=where[part.settled.call]) for where, part in parts], order)
    return Course(settled, by_call("made"), by_call("taken"), by_call("opened"), step, op, slot, total)


def _joined(refusal: Ints, parts: list[Settled], order: Ints) -> Settled:
    """The targets of several settlements, in another order."""
    if not parts:
        none = np.zeros(0, np.int64)
        return Settled(refusal, none, none, none, none > 0, none > 0, none, none.astype(float), none)

    def column(name: str) -> Ints:
        joined: Ints = np.concatenate([getattr(part, name) for part in parts])[order]
        return joined

    return Settled(
        refusal, column("call"), column("place"), column("depth"), column("finished").astype(bool),
        column("revealed").astype(bool), column("answer"), column("confidence").astype(float), column("cost"),
    )  # fmt: skip
