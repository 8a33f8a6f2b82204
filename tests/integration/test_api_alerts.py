"""Alerts and recorders, as the status page, /readyz and /metrics show them."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from api.pages import labels
from archive.house import Archive
from core import alerts
from core.alerts import QUARANTINED, SPOOL_FULL, STORE_AWAY, clear_alert, raise_alert
from core.clock import utc_now
from core.database import Database
from core.heartbeats import Heartbeat
from tests.ports import free_port
from tests.web import Web, serving_empty

FULL, AWAY = (SPOOL_FULL, "recorder", "recorder-1"), (STORE_AWAY, "sealer", "recorder-1")


async def _trouble(archive: Archive) -> None:
    now = utc_now()
    async with archive.database.write() as session:
        await raise_alert(session, FULL, {"why": "the spool has 3 MB left", "free_mb": 3}, since=now, now=now)
        await raise_alert(session, AWAY, {"error": "no answer"}, since=now, now=now)
        await clear_alert(session, AWAY, at=now)
        session.add_all(
            [
                Heartbeat(
                    process="recorder",
                    host="recorder-1",
                    pid=7,
                    at=now,
                    facts={"calls": 12, "streams": 24, "ports_free": 4976, "free_mb": 3},
                ),
                Heartbeat(
                    process="sealer",
                    host="recorder-1",
                    pid=8,
                    at=now,
                    facts={
                        "recording": 12,
                        "closed": 345,
                        "stuck": 2,
                        "sealed": 9,
                        "oldest_at": (now - timedelta(minutes=5)).isoformat(),
                    },
                ),
                Heartbeat(process="recorder", host="recorder-2", pid=9, at=now - timedelta(hours=1), facts={}),
            ]
        )


async def test_the_status_page_says_what_is_wrong_and_what_to_do(web: Web) -> None:
    await _trouble(web.archive)
    browser = await web.browser("agent")
    html = await (await browser.get("/status")).text()
    assert labels.ALERTS[SPOOL_FULL] in html
    assert labels.ALERT_REMEDIES[SPOOL_FULL] in html
    assert "the spool has 3 MB left" in html
    assert labels.ALERTS[STORE_AWAY] not in html, "it is over"
    for shown in ("345", "4976", "recorder-2", "没有应答"):
        assert shown in html
    english = await (await browser.get("/status?lang=en")).text()
    assert "No room in the recording spool" in english


async def test_a_quiet_house_shows_no_alerts(web: Web) -> None:
    html = await (await (await web.browser("agent")).get("/status")).text()
    assert "怎么办" not in html


async def test_ready_names_the_alerts(web: Web) -> None:
    await _trouble(web.archive)
    ready = await web.client().get("/readyz")
    assert (ready.status, (await ready.json())["alerts"]) == (200, [SPOOL_FULL])


async def test_figures_of_alerts_and_spools(web: Web) -> None:
    await _trouble(web.archive)
    text = await (await web.client().get("/metrics")).text()
    assert 'huiyin_alert{host="recorder-1",name="spool_full",process="recorder"} 1.0' in text
    assert "store_away" not in text
    assert 'huiyin_spool_calls{host="recorder-1",state="recording"} 12.0' in text
    assert 'huiyin_spool_calls{host="recorder-1",state="closed"} 345.0' in text
    assert 'huiyin_spool_calls{host="recorder-1",state="stuck"} 2.0' in text
    assert 'huiyin_spool_free_bytes{host="recorder-1"} 3.145728e+06' in text
    (oldest,) = (line for line in text.splitlines() if line.startswith("huiyin_spool_oldest_seconds{"))
    assert float(oldest.split()[1]) >= 300
    assert "huiyin_database_up 1.0" in text


async def test_a_watched_folder_shows_on_the_page_and_in_the_figures(web: Web) -> None:
    now = utc_now()
    figures = {"watching": True, "files_waiting": 31, "files_taken": 1284, "files_refused": 2, "in_quarantine": 7}
    async with web.archive.database.write() as session:
        session.add(Heartbeat(process="intake", host="files-1", pid=7, at=now, facts=figures))
        standby = {**figures, "watching": False}
        session.add(Heartbeat(process="intake", host="files-2", pid=7, at=now, facts=standby))
        await raise_alert(session, (QUARANTINED, "intake", "files-1"), {"files": 7}, since=now, now=now)
    html = await (await (await web.browser("supervisor")).get("/status")).text()
    for shown in ("文件收取", "files-1", "1284", "候补", labels.ALERT_REMEDIES[QUARANTINED], 'href="/quarantine"'):
        assert shown in html
    assert 'href="/quarantine"' not in await (await (await web.browser("agent")).get("/status")).text()
    text = await (await web.client().get("/metrics")).text()
    for state, number in (("waiting", 31), ("taken", 1284), ("refused", 2), ("quarantined", 7)):
        assert f'huiyin_watched_files{{host="files-1",state="{state}"}} {float(number)}' in text


async def test_figures_without_the_database(archive: Archive, tmp_path: Path) -> None:
    nowhere = Database(f"postgresql+asyncpg://nobody@127.0.0.1:{free_port()}/none")
    async with serving_empty(replace(archive, database=nowhere), tmp_path) as client:
        answer = await client.get("/metrics")
        assert answer.status == 200
        assert "huiyin_database_up 0.0" in await answer.text()
    await nowhere.close()


def test_every_alert_has_its_words_and_its_remedy() -> None:
    names = {value for name, value in vars(alerts).items() if name.isupper() and isinstance(value, str)}
    assert len(names) >= 9
    assert names == set(labels.ALERTS) == set(labels.ALERT_REMEDIES)
