"""A seeded house with the web application in front, for API and browser tests.  Everybody in it is made up."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from uuid import UUID

import numpy as np
import soundfile
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import Application, Request
from argon2 import PasswordHasher

from api.access.accounts import UserRow
from api.app import build_app
from api.context import CONTEXT
from api.permissions import ROLES
from archive.catalogue import MISSING, SIGNALLED, TEXT_FAILED, Call, Recording
from archive.house import Archive
from archive.seal import NewRecording, NewTurn, seal_recording, seal_transcript
from core.ids import new_id
from core.jobs import FAILED, JobRow, enqueue
from core.sealed_secrets import SecretBox
from core.settings import Settings
from service import pipeline, worker
from tests.copied import Copies
from transcription.engine import Transcriber
from workorders.findings import SpokenTurn, read_findings, store_findings
from workorders.linking import link_by_person, link_recording
from workorders.orders import WorkOrder

STARTED = datetime(2026, 11, 20, 2, 30, tzinfo=UTC)
PASSWORD = "correct horse battery"
ORDER, OTHER_ORDER = "GD20261118-0001", "GD20261119-0002"
CITIZEN = "13800001234"
HOSTILE = "<script>alert('1')</script>"
SECONDS = 16

DIALOGUE = (
    ("agent", 300, 3200, "您好，这里是一二三四五热线回访，请问您反映的路灯不亮的问题解决了吗？", 0.97),
    ("citizen", 3500, 5600, "解决了，路灯第二天就修好了。", 0.95),
    ("agent", 5900, 8000, "请问您对办理结果满意吗？", 0.96),
    ("citizen", 8300, 9800, "满意，谢谢你们。", 0.94),
    ("agent", 10000, 11600, "您还有什么意见或者建议吗？", 0.92),
    ("citizen", 11900, 14300, "建议以后坏了早点来人看看。", 0.41),
    ("agent", 14500, 15600, "好的，感谢您的配合，再见。", 0.9),
)


@dataclass(frozen=True)
class Seeded:
    """The recordings: one with everything, one without text and order, one whose transcription failed."""

    full: UUID
    pending: UUID
    failed: UUID
    failed_job: UUID


def tones(path: Path, seconds: float = SECONDS) -> Path:
    """Two different tones, agent left and citizen right, as a call is sealed: 8 kHz 16-bit stereo FLAC."""
    time = np.arange(int(8000 * seconds)) / 8000
    sound = np.stack([0.2 * np.sin(2 * np.pi * 330 * time), 0.2 * np.sin(2 * np.pi * 550 * time)], axis=1)
    soundfile.write(path, sound, 8000, subtype="PCM_16", format="FLAC")
    return path


def new_recording(started_at: datetime, **changes: object) -> NewRecording:
    """A finished call between a made-up agent and a made-up citizen."""
    plain = NewRecording(
        id=new_id(started_at),
        sip_call_id=f"{started_at:%H%M%S}@gateway.example",
        started_at=started_at,
        ended_at=started_at + timedelta(seconds=SECONDS),
        duration_ms=SECONDS * 1000,
        agent_number="8001",
        agent_name="李示例",
        citizen_number=CITIZEN,
        citizen_name="王样本",
        work_order="",
        interrupted=False,
        flags=(),
        facts={
            "streams": [{"label": "1", "role": "agent", "received": {"packets": 800, "lost": 0}}],
            "call": {
                "pauses": [
                    {
                        "started_at": (started_at + timedelta(seconds=3)).isoformat(),
                        "ended_at": (started_at + timedelta(seconds=5)).isoformat(),
                        "by": "agent",
                        "reason": "市民正在说出证件号码",
                        "ended_by": "agent",
                    }
                ]
            },
        },
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def order(number: str, **columns: object) -> WorkOrder:
    """A closed order of the made-up citizen."""
    values: dict[str, object] = {
        "kind": "诉求",
        "category1": "城市管理",
        "category2": "市政设施",
        "category3": "路灯",
        "title": "路灯不亮",
        "content": f"市民来电反映小区门口路灯不亮，联系电话 {CITIZEN}。",
        "status": "已办结",
        "caller": "王样本",
        "caller_phone": CITIZEN,
        "district": "示例区",
        "street": "样本街道",
        "result": "已修复",
        "unit": "示例区城管委",
        "created_at": STARTED - timedelta(days=3),
        "closed_at": STARTED - timedelta(days=1),
        "raw": {},
        "row_sha256": "0" * 64,
        "imported_at": STARTED,
        "updated_at": STARTED,
    }
    return WorkOrder(number=number, **{**values, **columns})


async def seed(archive: Archive, directory: Path) -> Seeded:
    """Fill an empty house through the functions that fill a real one."""
    audio, until = tones(directory / "tones.flac"), STARTED + timedelta(days=740)
    full = new_recording(STARTED, work_order=ORDER)
    pending = new_recording(STARTED + timedelta(minutes=20), flags=("metadata missing",), interrupted=True)
    failed = new_recording(STARTED + timedelta(minutes=40), citizen_number="13900005678", citizen_name="欧阳样本")
    async with archive.database.write() as session:
        session.add_all([order(ORDER), order(OTHER_ORDER, title=f"噪声扰民 {HOSTILE}")])
    for recording in (full, pending, failed):
        await seal_recording(archive, recording, audio, retain_until=until)
    await _transcribe(archive, full.id, until)
    await link_by_person(archive, full.id, ORDER, by="agent")
    await link_recording(archive, pending.id, window_days=30)
    return Seeded(full.id, pending.id, failed.id, await _troubles(archive, failed.id))


async def _transcribe(archive: Archive, recording_id: UUID, until: datetime) -> None:
    turns = [
        NewTurn(party, start, end, text, confidence, False, [[start, end, text, confidence]])
        for party, start, end, text, confidence in DIALOGUE
    ]
    turns.append(NewTurn("citizen", 15700, 15900, HOSTILE, 0.8, True, []))
    await seal_transcript(
        archive,
        recording_id,
        {"engine": {"name": "none"}},
        turns,
        author="system",
        reason="first transcription",
        retain_until=until,
        expected_version=0,
    )
    spoken = [
        SpokenTurn(ordinal=place, party=turn.party, start_ms=turn.start_ms, end_ms=turn.end_ms, text=turn.text)
        for place, turn in enumerate(turns)
    ]
    async with archive.database.write() as session:
        await store_findings(session, recording_id, read_findings(spoken), text_version=1, now=archive.clock())


async def _troubles(archive: Archive, failed: UUID) -> UUID:
    """A transcription that failed for good, a call in progress and one without a recording."""
    async with archive.database.write() as session:
        row = await session.get(Recording, failed)
        assert row
        row.text_state, row.text_error = TEXT_FAILED, "the engine could not be loaded"
        payload = {"recording_id": str(failed)}
        job = await enqueue(session, "transcribe", payload, now=archive.clock(), key=str(failed))
        job_row = await session.get(JobRow, job)
        assert job_row
        job_row.state, job_row.attempts, job_row.error = FAILED, 8, "NoEngine: the engine could not be loaded"
        job_row.error_kind = "no engine"
        for state, note in ((SIGNALLED, ""), (MISSING, "bye；通话结束已超过1小时，没有录音")):
            at = archive.clock()
            session.add(Call(id=new_id(), sip_call_id=f"{state}@x", state=state, started_at=at, note=note))
    return job


def account(role: str) -> str:
    """The name of a role's account: the role, but ``system`` is what the program itself is called."""
    return "operator" if role == "system" else role


def _no_engine() -> Transcriber:
    raise AssertionError("no speech engine is needed")


class Web:
    """The application on a real port, and clients that are logged in as each role."""

    def __init__(self, app: Application, server: TestServer, seeded: Seeded, archive: Archive) -> None:
        self.app, self.server, self.seeded, self.archive = app, server, seeded, archive
        self.clients: list[TestClient[Request, Application]] = []
        self.tokens: dict[str, str] = {}
        self.form_tokens: dict[str, str] = {}

    def client(self) -> TestClient[Request, Application]:
        """A new browser: no cookies yet."""
        client = TestClient(self.server)
        self.clients.append(client)
        return client

    async def bearer(self, role: str) -> dict[str, str]:
        """The headers of a machine that is logged in as ``role``."""
        if role not in self.tokens:
            answer = await self.client().post("/api/v1/login", json={"name": account(role), "password": PASSWORD})
            assert answer.status == 200
            said = await answer.json()
            self.tokens[role], self.form_tokens[role] = said["token"], said["form_token"]
        return {"Authorization": f"Bearer {self.tokens[role]}"}

    async def browser(self, role: str) -> TestClient[Request, Application]:
        """A browser that is logged in as ``role``."""
        headers = await self.bearer(role)
        client = self.client()
        client.session.cookie_jar.update_cookies(
            {"huiyin_session": headers["Authorization"].removeprefix("Bearer ")}, client.make_url("/")
        )
        return client

    async def get(self, path: str, role: str = "agent", **headers: str) -> ClientResponse:
        """One GET as a machine of ``role``."""
        return await self.client().get(path, headers={**await self.bearer(role), **headers}, allow_redirects=False)

    async def post(self, path: str, body: object = None, role: str = "agent") -> ClientResponse:
        """One POST of JSON as a machine of ``role``."""
        return await self.client().post(path, json=body, headers=await self.bearer(role), allow_redirects=False)

    async def work(self) -> None:
        """What a worker process does, until nothing is left to do now."""
        context = pipeline.Context(self.archive, self.app[CONTEXT].settings, _no_engine)
        await worker.run(context, lambda: False, until_idle=True)

    async def close(self) -> None:
        for client in self.clients:
            await client.session.close()


@cache
def _password_hash() -> str:
    # Logins check a hash by the cost that is written in it: a thousandth of what real accounts get is enough here.
    return PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash(PASSWORD)


async def _add_users(archive: Archive) -> None:
    """One user of each role; the same hash for all of them, since making one takes a while by design."""
    made = {"password_hash": _password_hash(), "active": True, "created_at": archive.clock()}
    async with archive.database.write() as session:
        session.add_all([UserRow(name=account(role), role=role, **made) for role in ROLES])


async def fill_house(archive: Archive, directory: Path) -> Seeded:
    """A seeded house with a user of each role (name = role)."""
    seeded = await seed(archive, directory)
    await _add_users(archive)
    return seeded


HOUSES = Copies(fill_house)


@asynccontextmanager
async def serving(archive: Archive, directory: Path, settings: Settings | None = None) -> AsyncIterator[Web]:
    """Seed the archive, add a user of each role (name = role) and serve."""
    async with opened(archive, directory, await HOUSES.fill(archive, directory), settings) as web:
        yield web


@asynccontextmanager
async def opened(
    archive: Archive, directory: Path, seeded: Seeded, settings: Settings | None = None
) -> AsyncIterator[Web]:
    """Serve a house that was seeded before."""
    settings = settings or Settings(data_dir=directory)
    SecretBox.ensure(settings.secret_key)
    app = build_app(archive, settings)
    server = TestServer(app)
    await server.start_server()
    web = Web(app, server, seeded, archive)
    try:
        yield web
    finally:
        await web.close()
        await server.close()


@asynccontextmanager
async def serving_empty(archive: Archive, directory: Path) -> AsyncIterator[TestClient[Request, Application]]:
    """The application on an archive that nothing was put into."""
    async with TestClient(TestServer(build_app(archive, Settings(data_dir=directory)))) as client:
        yield client
