"""A few requests begin in each turn of the event loop, so that nobody waits for a whole class."""

import asyncio

from launcher.gateway.beginnings import FEW, Beginnings


class Turns:
    """Counts the loop's turns, and notes in which of them who began."""

    def __init__(self):
        self.now = 0
        self.began = []
        self.beginnings = Beginnings()
        self.count()

    def count(self):
        self.now += 1
        asyncio.get_running_loop().call_soon(self.count)

    async def ask(self, name):
        await self.beginnings.turn()
        self.began.append((name, self.now))


def test_a_class_begins_in_order_and_a_few_at_a_time():
    async def storm():
        turns = Turns()
        await asyncio.gather(*(turns.ask(name) for name in range(100)))
        return turns.began

    began = asyncio.run(storm())
    assert [name for name, _ in began] == list(range(100))
    when = [turn for _, turn in began]
    assert max(when.count(turn) for turn in when) <= FEW
    assert max(when) - min(when) <= 100 / FEW + 2  # nobody waits for an empty turn


def test_who_comes_later_waits_behind_those_who_wait_and_nobody_waits_where_few_come():
    async def storm():
        turns = Turns()
        first = [asyncio.create_task(turns.ask(name)) for name in range(3 * FEW)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await asyncio.gather(turns.ask("later"), *first)
        for _ in range(5):
            await asyncio.sleep(0)
        before = turns.now
        await turns.ask("alone")
        return [name for name, _ in turns.began], turns.began[-1][1] - before

    names, waited = asyncio.run(storm())
    assert names == [*range(3 * FEW), "later", "alone"]
    assert waited == 0


def test_browsers_that_go_away_while_they_wait_hold_nobody_up():
    async def storm():
        turns = Turns()
        asking = [asyncio.create_task(turns.ask(name)) for name in range(10 * FEW)]
        await asyncio.sleep(0)
        for task in asking[FEW:-1]:
            task.cancel()
        before = turns.now
        await asyncio.gather(*asking, return_exceptions=True)
        return [name for name, _ in turns.began], turns.began[-1][1] - before

    names, waited = asyncio.run(storm())
    assert names == [*range(FEW), 10 * FEW - 1]
    assert waited <= 3
