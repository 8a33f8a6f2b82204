"""Orders that wait are found by what their rows say of their calls: always what the calls themselves say."""

import random
from datetime import timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import select, update

from archive.catalogue import Recording
from retention.disposal import approve, confirm, propose
from retention.execution import execute
from tests.integration.kept import NOON, SETTINGS, House
from workorders.callbacks import DONE, standing
from workorders.findings import NewFinding, decide_finding, store_findings
from workorders.linking import link_by_person
from workorders.orders import ANSWERS, SOLVED, Finding, WorkOrder
from workorders.waiting import Allowed, calls_of, waiting_orders

ZONE = ZoneInfo("Asia/Shanghai")
ORDERS = ("甲1", "甲2", "甲3", "甲4", "甲5")
# What is said, most often that it is solved.
SAID = ("yes", "yes", "yes", *ANSWERS[SOLVED])


def _allowed(house: House) -> Allowed:
    return Allowed(lambda _: 5, ZONE, NOON - timedelta(days=90), house.clock.now, 0.6)


async def _by_their_calls(house: House) -> list[str]:
    """By the rule itself, for every order that was closed."""
    async with house.archive.database.read() as session:
        orders = (await session.scalars(select(WorkOrder).order_by(WorkOrder.closed_at, WorkOrder.number))).all()
        calls = await calls_of(session, [order.number for order in orders])
    judged = {
        order.number: standing(order.closed_at, order.status, calls.get(order.number, []), days=lambda _: 5, zone=ZONE)
        for order in orders
        if order.closed_at
    }
    return [number for number, each in judged.items() if each.stage != DONE]


async def _waiting(house: House) -> list[str]:
    async with house.archive.database.read() as session:
        found, more = await waiting_orders(session, _allowed(house))
    assert not more
    return [order.number for order in found]


async def _call(house: House, chosen: random.Random) -> Recording:
    """A call of some moment in which something may have been said."""
    recording = await house.seal(started_at=NOON - timedelta(minutes=chosen.randrange(1, 4 * 24 * 60)))
    answer = chosen.choice(["", *SAID])
    if answer:
        await _say(house, recording, answer)
    return recording


async def _say(house: House, recording: Recording, answer: str) -> None:
    async with house.archive.database.write() as session:
        said = [NewFinding(SOLVED, answer, rule="test")]
        await store_findings(session, recording.id, said, text_version=1, now=house.clock.now)


async def _decide(house: House, recording: Recording, answer: str) -> None:
    async with house.archive.database.write() as session:
        finding = await session.scalar(select(Finding.id).where(Finding.recording_id == recording.id))
        if finding is not None:
            await decide_finding(session, finding, answer, by="anna", now=house.clock.now)


async def _close_again(house: House, chosen: random.Random) -> None:
    closed = NOON - timedelta(minutes=chosen.randrange(4 * 24 * 60))
    async with house.archive.database.write() as session:
        one = WorkOrder.number == chosen.choice(ORDERS)
        await session.execute(update(WorkOrder).where(one).values(closed_at=closed))


async def test_the_list_is_what_the_calls_say_whatever_happened(house: House) -> None:
    chosen = random.Random(7)
    for number in ORDERS:
        await house.order(number)
    calls: list[Recording] = []
    seen: set[tuple[str, ...]] = set()
    for _ in range(50):
        step = chosen.choice(["call", "link", "link", "say", "decide", "close"])
        if step == "call" or not calls:
            calls.append(await _call(house, chosen))
        elif step == "link":
            await link_by_person(house.archive, chosen.choice(calls).id, chosen.choice(ORDERS), by="anna")
        elif step == "say":
            await _say(house, chosen.choice(calls), chosen.choice(SAID))
        elif step == "decide":
            await _decide(house, chosen.choice(calls), chosen.choice(SAID))
        else:
            await _close_again(house, chosen)
        expected = await _by_their_calls(house)
        assert await _waiting(house) == expected, step
        seen.add(tuple(expected))
    assert len(seen) > 5, "orders came and went"


async def test_what_a_call_said_goes_with_it(house: House) -> None:
    await house.order("甲1")
    recording = await house.callback("甲1", {SOLVED: "yes"}, started_at=house.clock.now - timedelta(hours=2))
    async with house.archive.database.read() as session:
        assert (await session.get_one(WorkOrder, "甲1")).judged == "yes"
    house.clock.now += timedelta(days=800)
    now = house.clock.now
    async with house.archive.database.write() as session:
        row = await propose(session, SETTINGS, recording.id, by="anna", reason="保存期满", now=now)
        await approve(session, row.id, by="bo", now=now)
        await confirm(session, row.id, by="anna", now=now)
    await execute(house.archive, SETTINGS, row.id, now=now)
    async with house.archive.database.read() as session:
        order = await session.get_one(WorkOrder, "甲1")
    assert (order.judged, order.judged_at) == ("", None)
