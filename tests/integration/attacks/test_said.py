"""Comments, links for sharing and requests to pause: their rows changed, removed and added behind everybody's back."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from sqlalchemy import delete, update

from archive.catalogue import DISPOSED, KEPT, SIGNALLED, Call
from archive.comments import COMMENTED, Comment, add_comment, comment_of, content_of
from archive.comparing import CHECK_COMMENTS, CHECK_REQUESTS, CHECK_SHARES
from archive.events import events_about
from archive.histories import REBUILT, History, compare_page
from archive.pausing import APPLIED, NOT_IN_PROGRESS, PAUSE, RESUME, UNCHANGED, PauseRequest, Wish, ask, settle
from archive.seal import seal_recording
from archive.shares import Share, make_share, revoke_share
from core.clock import utc_now
from core.database import Base
from core.ids import new_id
from core.ledger import Entry, append
from tests.attacked import House
from tests.samples import RETAIN_UNTIL, new_recording, write_audio

DAY = timedelta(days=1)


async def change(house: House, model: type[Base], values: Mapping[UUID, Mapping[str, object] | None]) -> None:
    """Change rows by identifier, each in its own way; ``None`` removes one."""
    async with house.archive.database.write() as session:
        for identifier, each in values.items():
            where = model.__table__.c.id == identifier
            await session.execute(
                delete(model).where(where) if each is None else update(model).where(where).values(**each)
            )


async def insert(house: House, row: Base) -> None:
    async with house.archive.database.write() as session:
        session.add(row)


async def faults(house: House) -> dict[str, str]:
    """What is said of each row, by its identifier, without the numbers of the ledger's rows."""
    found = {}
    for said in await house.faults():
        subject, _, what = said.partition(": ")
        found[subject.rpartition(" ")[2]] = " ".join(word for word in what.split() if not word.strip(",").isdigit())
    return found


def disagree(*names: str) -> str:
    return f"catalogue and ledger disagree: expected ledger row found another {', '.join(names)}"


MISSING = "not in the catalogue: expected ledger row found none"
EXTRA = "not in the ledger: expected an entry, found a row of the catalogue"


async def _comments(house: House, count: int) -> Sequence[Comment]:
    return [
        await add_comment(house.archive, house.first, at_ms=number, text=f"语气平和 {number}", by="anna")
        for number in range(count)
    ]


async def test_comments_changed_removed_moved_and_added_are_named(house: House) -> None:
    text, author, moment, moved, gone, _whole = [each.id for each in await _comments(house, 6)]
    assert await house.faults() == []
    await change(
        house,
        Comment,
        {
            text: {"text": "没有这样说"},
            author: {"by": "nobody"},
            moment: {"at_ms": 900},
            moved: {"recording_id": house.second},
            gone: None,
        },
    )
    added = new_id()
    stray = Comment(id=added, recording_id=house.second, at_ms=0, text="多出来的", by="anna")
    stray.at = utc_now()
    await insert(house, stray)
    found = await house.faults()
    assert sum(str(moved) in said for said in found) == 2, "missing here, and one too many there"
    assert await faults(house) == {
        str(text): disagree("content"),
        str(author): disagree("by", "content"),
        str(moment): disagree("at_ms", "content"),
        str(moved): EXTRA if house.first < house.second else MISSING,
        str(gone): MISSING,
        str(added): EXTRA,
    }
    assert f"recording {house.first}, comment {gone}: not in the catalogue" in await house.kinds()


async def test_a_comment_that_a_rebuild_brought_back_is_the_one_that_was_sealed(house: House) -> None:
    """Of a comment behind the last signed head, a rebuild finds the document alone, and says so in the ledger."""
    (comment,) = await _comments(house, 1)
    subject = str(house.first)
    async with house.archive.database.read() as session:
        (sealed,) = (await events_about(session, [subject], [COMMENTED]))[subject]
    rebuilt = replace(sealed, kind=REBUILT, actor="system", facts={"objects": sealed.objects})

    async def told() -> list[str]:
        async with house.archive.database.read() as session:
            found = History(house.first, KEPT, held=False, text_version=1, events=[rebuilt])
            return [str(fault) for fault in await compare_page(session, [CHECK_COMMENTS], [found])]

    await change(house, Comment, {comment.id: None})
    assert len(await told()) == 1
    await insert(house, comment_of(json.loads(content_of(comment))))
    assert await told() == []
    await change(house, Comment, {comment.id: {"by": "nobody"}})
    (fault,) = await told()
    assert fault.endswith(f"expected ledger row {sealed.seq}, found another content")


async def _shares(house: House, count: int) -> Sequence[UUID]:
    async with house.archive.database.write() as session:
        now = utc_now()
        made = [
            await make_share(session, house.first, purpose="复核", lasts=DAY, by="anna", now=now) for _ in range(count)
        ]
    return [each.share.id for each in made]


async def _revoke(house: House, share: UUID) -> None:
    async with house.archive.database.write() as session:
        await revoke_share(session, house.first, share, by="anna", now=utc_now())


async def test_links_changed_removed_and_added_are_named(house: House) -> None:
    token, longer, purpose, alive, ended, gone, revoked = await _shares(house, 7)
    for share in (alive, revoked):
        await _revoke(house, share)
    assert await house.faults() == []
    await change(
        house,
        Share,
        {
            token: {"token_sha256": "0" * 64},
            longer: {"expires_at": utc_now() + 300 * DAY},
            purpose: {"purpose": "别的用途", "made_by": "nobody"},
            alive: {"revoked_at": None, "revoked_by": ""},
            ended: {"revoked_at": utc_now(), "revoked_by": "anna"},
            gone: None,
        },
    )
    added = new_id()
    stray = Share(id=added, recording_id=house.second, token_sha256="1" * 64, purpose="复核", made_by="anna")
    stray.made_at, stray.expires_at = utc_now(), utc_now() + DAY
    await insert(house, stray)
    assert await faults(house) == {
        str(token): disagree("token_sha256"),
        str(longer): disagree("expires_at"),
        str(purpose): disagree("purpose", "made_by"),
        str(alive): disagree("revoked_by", "revoked_at"),
        str(ended): disagree("revoked_by", "revoked_at"),
        str(gone): MISSING,
        str(added): EXTRA,
    }


async def test_links_from_before_a_rebuild_may_be_gone_and_later_ones_may_not(house: House) -> None:
    """A rebuild from the store begins without them, and says in the ledger that it was one."""
    (before,) = await _shares(house, 1)
    await change(house, Share, {before: None})
    assert await faults(house) == {str(before): MISSING}
    async with house.archive.database.write() as session:
        await append(session, Entry("rebuilt", "anna", "catalogue", {"counts": {}}), utc_now())
    assert await faults(house) == {}
    (after,) = await _shares(house, 1)
    await change(house, Share, {after: None})
    assert await faults(house) == {str(after): MISSING}


async def _requests(house: House, call: UUID, count: int) -> Sequence[UUID]:
    """Of a call in progress: answered requests, and one more that is not."""
    async with house.archive.database.write() as session:
        session.add(Call(id=call, state=SIGNALLED, sip_call_id=f"{call}@gw.invalid", started_at=utc_now()))
    async with house.archive.database.write() as session:
        made = []
        for number in range(count):
            wish = Wish(call, RESUME if number % 2 else PAUSE, "anna", "" if number % 2 else "客户念身份证号")
            made.append((await ask(session, wish, now=utc_now())).id)
        await settle(session, dict.fromkeys(made[:-1], APPLIED), now=utc_now())
    return made


async def _change_requests(house: House, call: UUID, requests: Sequence[UUID]) -> dict[str, str]:
    """What is expected of them afterwards."""
    reason, outcome, author, gone, unanswered = requests
    await change(
        house,
        PauseRequest,
        {
            reason: {"reason": "误触"},
            outcome: {"outcome": UNCHANGED},
            author: {"by": "nobody", "action": RESUME},
            gone: None,
            unanswered: {"outcome": NOT_IN_PROGRESS, "answered_at": utc_now()},
        },
    )
    added = PauseRequest(id=new_id(), recording_id=call, action=PAUSE, by="anna", reason="", asked_at=utc_now())
    identifier = str(added.id)
    await insert(house, added)
    return {
        str(reason): disagree("reason"),
        str(outcome): disagree("outcome"),
        str(author): disagree("action", "by"),
        str(gone): MISSING,
        str(unanswered): disagree("outcome", "answered_at"),
        identifier: EXTRA,
    }


async def test_requests_to_pause_changed_removed_and_added_are_named(house: House) -> None:
    """Of a call that has a recording, and of one that has none."""
    recording, lost = new_recording(), new_id()
    asked, of_lost = await _requests(house, recording.id, 5), await _requests(house, lost, 5)
    audio = write_audio(house.directory / "call.flac", hertz=900)
    await seal_recording(house.archive, recording, audio, retain_until=RETAIN_UNTIL)
    assert await house.faults() == []
    expected = await _change_requests(house, recording.id, asked)
    assert await faults(house) == expected
    expected |= await _change_requests(house, lost, of_lost)
    assert await faults(house) == expected


async def test_what_a_disposal_leaves_of_them_is_right_and_more_is_named(house: House) -> None:
    """A disposal removes comments and links and blanks the reasons of pauses."""
    recording = new_recording()
    asked = await _requests(house, recording.id, 1)
    audio = write_audio(house.directory / "call.flac", hertz=900)
    await seal_recording(house.archive, recording, audio, retain_until=RETAIN_UNTIL)
    comment = await add_comment(house.archive, recording.id, at_ms=0, text="语气平和", by="anna")
    checks = (CHECK_COMMENTS, CHECK_SHARES, CHECK_REQUESTS)

    async def told() -> list[str]:
        async with house.archive.database.read() as session:
            subject = str(recording.id)
            events = (await events_about(session, [subject]))[subject]
            gone = History(recording.id, DISPOSED, held=False, text_version=0, events=events)
            return [str(fault) for fault in await compare_page(session, checks, [gone])]

    assert await told() == [
        f"recording {recording.id}, comment {comment.id}: left over after disposal: "
        "expected none, found a row of the catalogue"
    ]
    await change(house, PauseRequest, {asked[0]: {"reason": ""}})
    await change(house, Comment, {comment.id: None})
    assert await told() == []
    await change(house, PauseRequest, {asked[0]: {"by": "nobody"}})
    (fault,) = await told()
    assert fault.startswith(f"recording {recording.id}, request {asked[0]}: catalogue and ledger disagree")
