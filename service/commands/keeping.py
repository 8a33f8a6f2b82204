"""hold, disposal, policy: what keeps recordings, and how they go.

Who decides logs in: ``--by`` names an account, whose password is asked for (or piped in).
"""

import argparse
from datetime import date
from typing import TYPE_CHECKING
from uuid import UUID

from core.settings import Settings
from service.commands.deciding import deciding
from service.commands.family import Commands, a_day, command

if TYPE_CHECKING:
    from archive.house import Archive


def add_to(commands: Commands) -> None:
    """Add this family's commands."""
    _add_hold(commands)
    _add_disposal(commands)
    _add_policy(commands)


def _add_hold(commands: Commands) -> None:
    hold = command(commands, "hold", "审计保全 cases that hold recordings", run_hold)
    actions = hold.add_subparsers(dest="action", required=True, metavar="ACTION")
    place = _decision(actions, "place", "设立保全 hold what is in a scope, now and later")
    place.add_argument("--name", required=True, help="案件名称 the case")
    place.add_argument("--reason", required=True)
    place.add_argument("--order", action="append", default=[], help="work order (may be given again)")
    place.add_argument("--person", action="append", default=[], help="telephone number (may be given again)")
    place.add_argument("--from", dest="first", type=a_day, default=None, help="first day, narrows orders and persons")
    place.add_argument("--to", dest="last", type=a_day, default=None, help="last day")
    place.add_argument("--recording", type=UUID, action="append", default=[], help="held besides (may be given again)")
    actions.add_parser("list", help="列出案件 list the cases")
    show = actions.add_parser("show", help="一个案件的录音 the recordings of a case")
    show.add_argument("case", type=UUID)
    release = _decision(actions, "release", "申请解除 ask for a release")
    release.add_argument("case", type=UUID)
    release.add_argument("--reason", required=True)
    for name, meaning in (("confirm", "另一人确认解除 confirm"), ("withdraw", "撤回解除申请 withdraw the wish")):
        _decision(actions, name, meaning).add_argument("case", type=UUID)


def _add_disposal(commands: Commands) -> None:
    disposal = command(commands, "disposal", "到期处置 review and disposal of what became eligible", run_disposal)
    actions = disposal.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("batch", help="立即列出到期录音 list what is eligible into tonight's batch")
    listing = actions.add_parser("list", help="列出批次，或一个批次的录音 list batches, or the disposals of one")
    listing.add_argument("batch", type=UUID, nargs="?", default=None)
    propose = _decision(actions, "propose", "申请处置一条录音 propose one recording")
    propose.add_argument("recording", type=UUID)
    propose.add_argument("--reason", required=True)
    for name, meaning in (("approve", "批准 approve a batch"), ("confirm", "另一人确认 confirm a batch")):
        deciding = _decision(actions, name, meaning)
        deciding.add_argument("batch", type=UUID, help="a batch, or a single disposal")
        deciding.add_argument("--recording", type=UUID, action="append", default=[], help="only these of the batch")
    keep = _decision(actions, "keep", "继续保存 keep recordings that are in review")
    keep.add_argument("recording", type=UUID, nargs="+")
    keep.add_argument("--until", type=a_day, required=True, help="the last day on which they must still be there")
    keep.add_argument("--reason", required=True)
    withdraw = _decision(actions, "withdraw", "撤回 withdraw one that has not begun")
    withdraw.add_argument("disposal", type=UUID)
    withdraw.add_argument("--reason", required=True)


def _add_policy(commands: Commands) -> None:
    policy = command(commands, "policy", "保存期限规定 what asks for keeping longer", run_policy)
    actions = policy.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("list", help="列出 list")
    explain = actions.add_parser("explain", help="说明保存理由 why a recording is kept, and until when")
    explain.add_argument("recording", type=UUID)
    years = _decision(actions, "years", "保存年限 the years of keeping")
    years.add_argument("years", type=int)
    contract = _decision(actions, "contract", "合同期限 a contract, or its extension")
    contract.add_argument("contract", metavar="NAME")
    contract.add_argument("--begins", type=a_day, default=date.min, help="first day that it covers")
    contract.add_argument("--ends", type=a_day, required=True, help="last day of the contract")
    contract.add_argument("--years-after", type=int, default=0, help="calendar years of keeping after its end")
    for each in (years, contract):
        each.add_argument(
            "--from", dest="effective_from", type=a_day, default=None, help="in force from (default: today)"
        )


def _decision(
    actions: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, meaning: str
) -> argparse.ArgumentParser:
    added = actions.add_parser(name, help=meaning)
    added.add_argument("--by", required=True, metavar="ACCOUNT", help="who decides; the password is asked for")
    return added


async def run_hold(settings: Settings, options: argparse.Namespace) -> int:
    from retention import holds
    from retention.membership import settle_holds
    from retention.scope import Scope
    from service.wiring import open_archive

    async with open_archive(settings) as archive:
        if options.action in ("list", "show"):
            return await _show_holds(archive, options.case if options.action == "show" else None)
        by = await deciding(archive, settings, options.by, "holds.decide")
        if options.action == "place":
            scope = Scope(
                tuple(options.order), tuple(options.person), options.first, options.last, tuple(options.recording)
            )
            case = await holds.place(archive, settings, name=options.name, reason=options.reason, scope=scope, by=by)
        elif options.action == "confirm":
            case = await holds.confirm_release(archive, settings, options.case, by=by)
        elif options.action == "release":
            case = await holds.ask_release(archive, settings, options.case, by=by, reason=options.reason)
        else:
            async with archive.database.write() as session:
                case = await holds.withdraw_release(session, options.case, by=by, now=archive.clock())
        done = await settle_holds(archive, settings)
        print(
            f"{case.id}  {case.state}  保全 held {done.held}  解除 let go {done.let_go}  过迟 too late {done.too_late}"
        )
    return 0


async def _show_holds(archive: "Archive", case_id: UUID | None) -> int:
    from retention.register import list_cases, list_members, show_case

    async with archive.database.read() as session:
        cases = await list_cases(session) if case_id is None else [await show_case(session, case_id)]
        for case, counts in cases:
            states = "  ".join(f"{state} {count}" for state, count in sorted(counts.items()))
            print(f"{case.id}  {case.state}  {case.placed_at:%Y-%m-%d}  {case.placed_by}  {case.name}  {states}")
        after = None
        while case_id is not None and (rows := await list_members(session, case_id, after=after, limit=1000)):
            after = rows[-1].recording_id
            print("\n".join(f"    {row.recording_id}  {row.state}" for row in rows))
    return 0


async def run_disposal(settings: Settings, options: argparse.Namespace) -> int:
    from retention import batches
    from service.wiring import open_archive

    async with open_archive(settings) as archive:
        if options.action == "list":
            return await _show_disposals(archive, options.batch)
        if options.action == "batch":
            batch = await batches.list_batch(archive, settings, now=archive.clock())
            print(f"{batch.id}  {batch.night}  {batch.listed}" if batch else "没有到期录音 nothing is eligible")
            return 0
        by = await deciding(archive, settings, options.by, "disposals.decide")
        if options.action == "keep":
            count = await batches.keep(
                archive, settings, options.recording, by=by, reason=options.reason, until=options.until
            )
        else:
            count = await _decide(archive, settings, options, by)
    print(f"{options.action}: {count}")
    return 0


async def _decide(archive: "Archive", settings: Settings, options: argparse.Namespace, by: str) -> int:
    from retention import batches, disposal

    now = archive.clock()
    async with archive.database.write() as session:
        if options.action == "propose":
            await disposal.propose(session, settings, options.recording, by=by, reason=options.reason, now=now)
        elif options.action == "withdraw":
            await disposal.withdraw(session, options.disposal, by=by, now=now, reason=options.reason)
        elif await session.get(disposal.Disposal, options.batch) is not None:
            single = disposal.approve if options.action == "approve" else disposal.confirm
            await single(session, options.batch, by=by, now=now)
        else:
            several = batches.approve_batch if options.action == "approve" else batches.confirm_batch
            return (await several(session, options.batch, by=by, now=now, only=options.recording)).count
    return 1


async def _show_disposals(archive: "Archive", batch_id: UUID | None) -> int:
    from retention.register import list_batches, list_disposals

    async with archive.database.read() as session:
        if batch_id is None:
            for batch, counts in await list_batches(session):
                states = "  ".join(f"{state} {count}" for state, count in sorted(counts.items()))
                print(f"{batch.id}  {batch.night}  {batch.listed}  {states}")
        after = None
        while rows := await list_disposals(session, batch=batch_id, state=None, after=after, limit=1000):
            after = rows[-1].id
            if batch_id is not None:
                print("\n".join(f"{row.id}  {row.recording_id}  {row.state}" for row in rows))
            else:
                single = [row for row in rows if row.batch_id is None]
                print("".join(f"{row.id}  {row.recording_id}  {row.state}\n" for row in single), end="")
    return 0


async def run_policy(settings: Settings, options: argparse.Namespace) -> int:
    from retention.policies import set_contract, set_years
    from retention.register import explain_recording
    from retention.rule import Contract
    from service.wiring import open_archive

    async with open_archive(settings) as archive:
        now = archive.clock()
        if options.action == "list":
            return await _show_policies(archive, settings)
        if options.action == "explain":
            async with archive.database.read() as session:
                found = await explain_recording(session, settings, options.recording, now=now)
            print(f"{found.chinese}\n{found.english}")
            return 0
        by = await deciding(archive, settings, options.by, "policies.set")
        day = options.effective_from or now.astimezone(settings.timezone).date()
        async with archive.database.write() as session:
            if options.action == "years":
                await set_years(session, settings, options.years, effective_from=day, by=by, now=now)
            else:
                contract = Contract(options.contract, options.ends, options.years_after, options.begins)
                await set_contract(session, settings, contract, effective_from=day, by=by, now=now)
        return await _show_policies(archive, settings)


async def _show_policies(archive: "Archive", settings: Settings) -> int:
    from retention.policies import load_policies

    async with archive.database.read() as session:
        found = await load_policies(session, settings)
    print(f"至少 at least  {found.floor}")
    for day, years in found.years.values:
        print(f"{day}  保存年限 years  {years}")
    for versions in found.contracts.values():
        for day, one in versions.values:
            print(f"{day}  合同 contract  {one.name}  {one.begins}…{one.ends}  +{one.years_after}")
    return 0
