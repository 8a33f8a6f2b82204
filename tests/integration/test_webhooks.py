"""From what happened to a receiver: real requests over loopback, on SQLite and PostgreSQL."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from uuid import UUID

import pytest
from jsonschema_rs import validator_for
from sqlalchemy import select

from api.webhooks import deliveries, signing, subscribers
from api.webhooks.addresses import Reach
from api.webhooks.describing import schema
from api.webhooks.events import EVENTS
from api.webhooks.retrying import TRIES
from api.webhooks.sender import Sender
from api.webhooks.sending import Post
from api.webhooks.subscribers import Wish
from api.webhooks.tables import Webhook, WebhookDelivery
from archive.house import Archive
from archive.seal import NewTurn, seal_recording, seal_transcript
from archive.store import ObjectStore
from core.alerts import BACKLOG, clear_alert, raise_alert
from core.clock import utc_now
from core.database import Database
from core.errors import NotFound
from core.ledger import Entry, LedgerRow, append
from core.sealed_secrets import SecretBox
from core.settings import Settings
from retention.batches import approve_batch, confirm_batch, list_batch
from retention.execution import execute_confirmed
from retention.handover.finishing import FINISHED
from tests.locks import seal_expired
from tests.web import STARTED, new_recording, tones
from tests.webhooks import PATIENCE, Answer, Receiver, close, hang, receiving, status

EXPORT = "01a2056a-4a10-7c9b-8f3e-1d2c3b4a5968"
HERE = (ip_network("127.0.0.0/8"),)
RETAINED = STARTED + timedelta(days=740)


@dataclass
class Clock:
    """Time that a test moves."""

    at: datetime = field(default_factory=utc_now)

    def __call__(self) -> datetime:
        return self.at

    def later(self, **how_long: float) -> None:
        self.at += timedelta(**how_long)


@dataclass
class Told:
    """A house with a receiver: subscribers, what happens, and a sender whose clock is ours."""

    archive: Archive
    box: SecretBox
    clock: Clock
    receiver: Receiver
    directory: Path
    seconds: float = PATIENCE

    @property
    def reach(self) -> Reach:
        return Reach(frozenset({self.receiver.port}), http=True, networks=HERE)

    def sender(self) -> Sender:
        post = Post(self.reach, self.seconds)
        return Sender(self.archive.database, self.clock, post, lambda: self.box, 14, chance=lambda: 0.5)

    async def subscribe(self, *events: str, url: str = "") -> tuple[UUID, str]:
        wish = Wish("接收系统", url or self.receiver.url(), events)
        async with self.archive.database.write() as session:
            row, secret = await subscribers.add(session, self.box, wish, self.reach, by="operator", now=self.clock())
        return row.id, signing.shown(secret)

    async def seal(self) -> UUID:
        recording = new_recording(STARTED + timedelta(minutes=len(list(self.directory.glob("*.flac")))))
        audio = tones(self.directory / f"{recording.id}.flac", seconds=0.1)
        await seal_recording(self.archive, recording, audio, retain_until=RETAINED)
        return recording.id

    async def deliveries(self) -> Sequence[WebhookDelivery]:
        async with self.archive.database.read() as session:
            return list(await session.scalars(select(WebhookDelivery).order_by(WebhookDelivery.message)))

    async def webhook(self) -> Webhook:
        async with self.archive.database.read() as session:
            return (await session.scalars(select(Webhook))).one()

    async def send(self) -> None:
        """Turns until nothing is under way and nothing is due."""
        sender = self.sender()
        while lanes := await sender.turn():
            await asyncio.gather(*lanes)
        await sender.stop()


@pytest.fixture
def small(sqlite_database: Database, store: ObjectStore) -> Archive:
    """Where it does not matter which database."""
    return Archive(sqlite_database, store, utc_now)


@pytest.fixture
def box(tmp_path: Path) -> SecretBox:
    return SecretBox.ensure(tmp_path / "keys" / "secrets.key")


async def text_of(told: Told, recording: UUID, version: int) -> None:
    turns = [NewTurn("citizen", 0, 900, "满意。", 0.9, False, [])]
    await seal_transcript(
        told.archive,
        recording,
        {"engine": {"name": "none"}},
        turns,
        author="system",
        reason="first transcription",
        retain_until=RETAINED,
        expected_version=version - 1,
    )


async def test_each_event_is_told_with_identifiers_only_and_a_signature(
    archive: Archive, box: SecretBox, tmp_path: Path
) -> None:
    async with receiving() as receiver:
        told = Told(archive, box, Clock(), receiver, tmp_path)
        earlier = await told.seal()
        _, secret = await told.subscribe(*EVENTS)
        recording = await told.seal()
        await text_of(told, recording, 1)
        await text_of(told, recording, 2)
        due = new_recording(utc_now() - timedelta(days=900))
        audio = tones(tmp_path / "due.flac", seconds=0.1)
        await seal_expired(archive, [due], audio)
        settings = Settings(data_dir=tmp_path)
        batch = await list_batch(archive, settings, now=utc_now())
        assert batch
        async with archive.database.write() as session:
            await approve_batch(session, batch.id, by="auditor", now=utc_now())
            await confirm_batch(session, batch.id, by="operator", now=utc_now())
        assert (await execute_confirmed(archive, settings, now=utc_now())).disposed == (due.id,)
        async with archive.database.write() as session:
            await append(session, Entry(FINISHED, "auditor", EXPORT, {"recordings": 1}), utc_now())
            await raise_alert(session, (BACKLOG, "sealer", "host"), {}, since=told.clock(), now=told.clock())
        await told.send()
        heard = receiver.heard
    said = {json.dumps([each.said["event"], each.said["data"]], sort_keys=True) for each in heard}
    assert said == {
        json.dumps(each, sort_keys=True)
        for each in (
            ["recording.sealed", {"recording_id": str(recording)}],
            ["recording.sealed", {"recording_id": str(due.id)}],
            ["transcript.ready", {"recording_id": str(recording), "version": 1}],
            ["transcript.corrected", {"recording_id": str(recording), "version": 2}],
            ["recording.disposed", {"recording_id": str(due.id)}],
            ["disposal.due", {"batch_id": str(batch.id), "recordings": 1}],
            ["handover.ready", {"export_id": EXPORT}],
            ["alert", {"alert": BACKLOG}],
        )
    }
    assert len(heard) == 8
    assert str(earlier) not in str(heard), "what happened before somebody listened is not told"
    for each in heard:
        assert each.signed_by(secret)
        assert validator_for(schema(each.said["event"])).is_valid(each.said), each.said
        assert each.said["id"] == each.message
        assert datetime.fromisoformat(each.said["time"]).tzinfo is not None
        assert each.headers["Content-Type"] == "application/json"
    whole = str(heard)
    assert not any(secret_of_people in whole for secret_of_people in ("13800001234", "王样本", "李示例", "满意"))
    assert {each.state for each in await told.deliveries()} == {"delivered"}


async def test_nothing_is_told_of_what_did_not_commit(archive: Archive, box: SecretBox, tmp_path: Path) -> None:
    async with receiving() as receiver:
        told = Told(archive, box, Clock(), receiver, tmp_path)
        await told.subscribe("recording.sealed")
        recording = new_recording(STARTED)
        audio = tones(tmp_path / "call.flac", seconds=0.1)

        async def fail(_session: object) -> None:
            raise NotFound("no")

        with pytest.raises(NotFound):
            await seal_recording(archive, recording, audio, retain_until=RETAINED, then=fail)
        await told.send()
        assert await told.deliveries() == []
        await seal_recording(archive, recording, audio, retain_until=RETAINED)
        await told.send()
    assert [each.said["data"]["recording_id"] for each in receiver.heard] == [str(recording.id)]


@pytest.mark.parametrize("answer", [status(500), close, hang, status(302, Location="/elsewhere"), status(404)])
async def test_what_is_not_taken_is_tried_again_under_the_same_identifier(
    small: Archive, box: SecretBox, tmp_path: Path, answer: Answer
) -> None:
    async with receiving(answer) as receiver:
        told = Told(small, box, Clock(), receiver, tmp_path)
        _, secret = await told.subscribe("recording.sealed")
        await told.seal()
        told.seconds = 1.0 if answer is hang else PATIENCE
        await told.send()
        (waiting,) = await told.deliveries()
        assert (waiting.state, waiting.tries) == ("waiting", 1)
        assert waiting.next_try_at == told.clock() + timedelta(seconds=5)
        told.seconds = PATIENCE
        told.clock.later(seconds=5)
        await told.send()
        (delivered,) = await told.deliveries()
    assert (delivered.state, delivered.tries, delivered.status) == ("delivered", 2, 204)
    first, second = receiver.heard
    assert first.message == second.message == str(delivered.message)
    assert first.body == second.body
    assert int(second.headers["webhook-timestamp"]) - int(first.headers["webhook-timestamp"]) == 5
    assert second.signed_by(secret)


async def test_one_who_hangs_delays_nobody_else(small: Archive, box: SecretBox, tmp_path: Path) -> None:
    async with receiving(hang) as silent, receiving() as receiver:
        told = Told(small, box, Clock(), silent, tmp_path)
        await told.subscribe("recording.sealed")
        told.receiver = receiver
        await told.subscribe("recording.sealed")
        await told.seal()
        sender = told.sender()
        sender.post = Post(Reach(frozenset({silent.port, receiver.port}), http=True, networks=HERE), PATIENCE)
        lanes = await sender.turn()
        await silent.wait_for(1)
        done, pending = await asyncio.wait(lanes, return_when=asyncio.FIRST_COMPLETED)
        assert (len(done), len(pending), len(receiver.heard)) == (1, 1, 1)
        assert len(await sender.turn()) == 1, "who hangs is not asked twice at a time"
        await sender.stop()
        states = {(each.tries, each.state) for each in await told.deliveries()}
    assert states == {(0, "waiting"), (1, "delivered")}


async def test_after_the_last_try_it_is_given_up_and_sent_again_by_hand(
    archive: Archive, box: SecretBox, tmp_path: Path
) -> None:
    async with receiving(*[status(503)] * TRIES) as receiver:
        told = Told(archive, box, Clock(), receiver, tmp_path)
        webhook, _ = await told.subscribe("recording.sealed")
        await told.seal()
        began = told.clock()
        for _ in range(TRIES):
            await told.send()
            (row,) = await told.deliveries()
            told.clock.at = row.next_try_at
        assert (row.state, row.tries, row.status) == ("failed", TRIES, 503)
        assert timedelta(days=1) < told.clock() - began < timedelta(days=2)
        assert len(receiver.heard) == TRIES
        async with archive.database.read() as session:
            assert await deliveries.failing(session) == 1
        await told.send()
        assert len(receiver.heard) == TRIES
        async with archive.database.write() as session:
            await subscribers.send_again(session, webhook, row.message, now=told.clock())
        await told.send()
        (row,) = await told.deliveries()
        async with archive.database.read() as session:
            assert await deliveries.failing(session) == 0
    assert (row.state, row.tries) == ("delivered", 1)
    assert {each.message for each in receiver.heard} == {str(row.message)}


async def test_gone_switches_off_and_what_happens_then_is_not_told(
    archive: Archive, box: SecretBox, tmp_path: Path
) -> None:
    async with receiving(status(410)) as receiver:
        told = Told(archive, box, Clock(), receiver, tmp_path)
        identifier, _ = await told.subscribe("recording.sealed")
        await told.seal()
        await told.send()
        webhook = await told.webhook()
        assert (webhook.active, webhook.stopped) == (False, "gone")
        await told.seal()
        await told.send()
        assert [each.state for each in await told.deliveries()] == ["failed"]
        async with archive.database.write() as session:
            await subscribers.switch(session, identifier, True, by="operator", now=told.clock())
        later = await told.seal()
        await told.send()
        async with archive.database.read() as session:
            kinds = list(await session.scalars(select(LedgerRow.kind).where(LedgerRow.subject == str(identifier))))
    assert [each.said["data"]["recording_id"] for each in receiver.heard][1:] == [str(later)]
    assert kinds == ["webhook added", "webhook switched off", "webhook switched on"]


async def test_an_old_secret_signs_for_a_day_beside_the_new_one(small: Archive, box: SecretBox, tmp_path: Path) -> None:
    async with receiving() as receiver:
        told = Told(small, box, Clock(), receiver, tmp_path)
        identifier, old = await told.subscribe("recording.sealed")
        async with small.database.write() as session:
            made = await subscribers.renew_secret(session, box, identifier, by="operator", now=told.clock())
        new = signing.shown(made)
        for hours in (0, 25):
            told.clock.later(hours=hours)
            await told.seal()
            await told.send()
        webhook = await told.webhook()
    within, after = receiver.heard
    assert (within.signed_by(new), within.signed_by(old)) == (True, True)
    assert (after.signed_by(new), after.signed_by(old)) == (True, False)
    kept = f"{webhook.secret} {webhook.old_secret}"
    assert old.removeprefix("whsec_")[:20] not in kept
    assert new.removeprefix("whsec_")[:20] not in kept


async def test_an_alert_is_told_once_while_it_stands_and_again_when_it_returns(
    small: Archive, box: SecretBox, tmp_path: Path
) -> None:
    key = (BACKLOG, "sealer", "host")
    async with receiving() as receiver:
        told = Told(small, box, Clock(), receiver, tmp_path)
        await told.subscribe("alert")
        for seconds in (0, 60):
            told.clock.later(seconds=seconds)
            for _ in range(2):
                async with small.database.write() as session:
                    since = told.clock()
                    await raise_alert(session, key, {"calls": 3}, since=since, now=told.clock())
                await told.send()
            async with small.database.write() as session:
                await clear_alert(session, key, at=told.clock())
            await told.send()
    assert [each.said["data"] for each in receiver.heard] == [{"alert": BACKLOG}] * 2


async def test_old_deliveries_are_forgotten(archive: Archive, box: SecretBox, tmp_path: Path) -> None:
    async with receiving() as receiver:
        told = Told(archive, box, Clock(), receiver, tmp_path)
        await told.subscribe("recording.sealed")
        await told.seal()
        await told.send()
        told.clock.later(days=13)
        await told.send()
        assert len(await told.deliveries()) == 1
        told.clock.later(days=2)
        await told.send()
    assert await told.deliveries() == []


async def test_without_the_key_nothing_is_sent_unsigned(small: Archive, box: SecretBox, tmp_path: Path) -> None:
    async with receiving() as receiver:
        told = Told(small, box, Clock(), receiver, tmp_path)
        await told.subscribe("recording.sealed")
        await told.seal()
        told.box = SecretBox.ensure(tmp_path / "another.key")
        await told.send()
        (waiting,) = await told.deliveries()
        assert (waiting.state, waiting.outcome) == ("waiting", "no key")
        assert receiver.heard == []
        told.box, told.clock.at = box, waiting.next_try_at
        await told.send()
    assert len(receiver.heard) == 1
