"""The queue between the event loop and the engine's thread, with a real loop and a thread that only takes in."""

import asyncio
import threading
import time

from envdata.collect.vllm_engine_calls import EngineQueue


def taken_in(ask, *, idle=False, few=True):
    """What `before_a_step` gives in a thread while `ask(orders, loop)` runs, and how long it took."""
    orders, found = EngineQueue(), []

    async def main():
        loop = asyncio.get_running_loop()
        began = time.monotonic()

        def engine():
            found.extend(order() for order in orders.before_a_step(loop, idle=idle, few=few))
            loop.call_soon_threadsafe(done.set)

        done = asyncio.Event()
        thread = threading.Thread(target=engine)
        asking = asyncio.create_task(ask(orders))
        thread.start()
        await done.wait()
        taken = time.monotonic() - began
        thread.join()
        await asking
        return taken

    return asyncio.run(main()), found


async def in_turns(orders):
    for number in range(5):
        await asyncio.sleep(0)
        orders.put(lambda number=number: number)


def test_what_follows_round_by_round_is_taken_in_together():
    _, found = taken_in(in_turns)
    assert found == [0, 1, 2, 3, 4]


def test_what_follows_from_an_answer_of_the_engine_is_taken_in_too():
    async def asks_and_goes_on(orders):
        loop = asyncio.get_running_loop()
        answered = loop.create_future()
        orders.put(lambda: loop.call_soon_threadsafe(answered.set_result, None) and "first")
        await answered
        await in_turns(orders)

    _, found = taken_in(asks_and_goes_on)
    assert found == ["first", 0, 1, 2, 3, 4]


def test_a_full_engine_takes_what_is_there_and_waits_for_nothing():
    async def late(orders):
        orders.put(lambda: "there")
        await asyncio.sleep(0.2)
        orders.put(lambda: "late")

    async def nothing(orders):
        pass

    assert taken_in(nothing, few=False)[1] == []
    assert "late" not in taken_in(late, few=False)[1]


def test_an_event_loop_that_is_busy_does_not_hold_the_engine_for_ever():
    orders, found = EngineQueue(), []

    async def main():
        loop = asyncio.get_running_loop()

        def engine():
            began = time.monotonic()
            found.extend(orders.before_a_step(loop, idle=False, few=True))
            found.append(time.monotonic() - began)

        thread = threading.Thread(target=engine)
        thread.start()
        time.sleep(1)
        await asyncio.sleep(0)
        thread.join()

    asyncio.run(main())
    assert found[0] < 0.9


def test_an_idle_engine_waits_for_the_first():
    async def late(orders):
        await asyncio.sleep(0.3)
        orders.put(lambda: "first")

    taken, found = taken_in(late, idle=True, few=False)
    assert found == ["first"]
    assert taken >= 0.3
