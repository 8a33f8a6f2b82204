"""Setting policies, on real databases: never under the minimum, never in the past, always in the ledger."""

from datetime import date, timedelta

import pytest
from sqlalchemy import select

from core.database import Database
from core.errors import Conflict, Refused
from core.ledger import LedgerRow
from retention.policies import load_policies, set_contract, set_years
from retention.rule import Contract
from tests.integration.kept import NOON, SETTINGS

TODAY = date(2026, 11, 22)


async def test_years_and_contracts_are_kept_with_their_days(database: Database) -> None:
    contract = Contract("服务合同 100%", date(2027, 12, 31), 2, date(2026, 1, 1))
    async with database.write() as session:
        await set_years(session, SETTINGS, 3, effective_from=TODAY, by="cai", now=NOON)
        await set_years(session, SETTINGS, 2, effective_from=TODAY + timedelta(days=9), by="cai", now=NOON)
        await set_contract(session, SETTINGS, contract, effective_from=TODAY, by="cai", now=NOON)
    async with database.read() as session:
        found = await load_policies(session, SETTINGS)
        rows = (await session.scalars(select(LedgerRow).where(LedgerRow.kind == "setting changed"))).all()
    assert found.floor == 2
    assert found.years.values == ((TODAY, 3), (TODAY + timedelta(days=9), 2))
    assert [versions.values for versions in found.contracts.values()] == [((TODAY, contract),)]
    assert [row.actor for row in rows] == ["cai"] * 3


async def test_nothing_undercuts_the_minimum_or_rewrites_the_past(database: Database) -> None:
    async with database.write() as session:
        for years in (1, 0, -1, 51):
            with pytest.raises(Refused, match="年限"):
                await set_years(session, SETTINGS, years, effective_from=TODAY, by="cai", now=NOON)
        with pytest.raises(Refused, match="追溯"):
            await set_years(session, SETTINGS, 3, effective_from=TODAY - timedelta(days=1), by="cai", now=NOON)
        with pytest.raises(Refused):
            await set_years(session, SETTINGS, 3, effective_from=TODAY, by=" ", now=NOON)
        await set_years(session, SETTINGS, 3, effective_from=TODAY, by="cai", now=NOON)
        with pytest.raises(Conflict):
            await set_years(session, SETTINGS, 2, effective_from=TODAY, by="cai", now=NOON)
        for wrong in (
            Contract("", TODAY),
            Contract("甲" * 51, TODAY),
            Contract("甲", TODAY, 0, TODAY + timedelta(days=1)),
            Contract("甲", TODAY, -1),
            Contract("甲", date(2099, 1, 1), 2),
        ):
            with pytest.raises(Refused):
                await set_contract(session, SETTINGS, wrong, effective_from=TODAY, by="cai", now=NOON)
