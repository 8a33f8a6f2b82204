"""The second factor: codes that change with time (RFC 6238), and recovery codes for a lost telephone.

A code counts once: of the time steps only those after the last one used are taken.  Recovery codes are 80 random bits
each, kept as SHA-256, and used up one by one.
"""

import base64
import io
import secrets
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import pyotp
import segno
from sqlalchemy import ForeignKey, String, Uuid, delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from api.access.accounts import UserRow, account
from api.access.secret import digest, same
from core import ledger
from core.database import Base, UtcDateTime
from core.errors import Conflict, NotFound, Refused
from core.ids import new_id
from core.sealed_secrets import SecretBox

STEP_SECONDS = 30
# Clocks of telephones differ: one step before and after is taken too.
DRIFT_STEPS = 1
RECOVERY_CODES = 10
SECRET_LENGTH, SECRET_LETTERS = 32, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


class RecoveryCode(Base):
    """One recovery code that is left."""

    __tablename__ = "recovery_codes"

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    user: Mapped[str] = mapped_column(ForeignKey("users.name"), index=True)
    code_sha256: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


def new_factor() -> str:
    """A fresh shared secret, base32."""
    return pyotp.random_base32()


def is_secret(text: str) -> bool:
    """Whether ``new_factor`` could have made it: a browser brings it back."""
    return len(text) == SECRET_LENGTH and all(each in SECRET_LETTERS for each in text)


def address(secret: str, name: str, issuer: str) -> str:
    """The ``otpauth:`` address that a telephone reads."""
    return pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name=issuer)


def picture(text: str) -> str:
    """A QR code as a ``data:`` address of an SVG image."""
    drawn = io.BytesIO()
    segno.make(text, error="m").save(drawn, kind="svg", scale=5, border=4, dark="#000", light="#fff")
    return "data:image/svg+xml;base64," + base64.b64encode(drawn.getvalue()).decode()


def matching_step(secret: str, code: str, now: datetime, *, after: int) -> int | None:
    """The time step that the code belongs to, if it is near now and later than ``after``."""
    plain = "".join(code.split())
    totp, step = pyotp.TOTP(secret), int(now.timestamp()) // STEP_SECONDS
    steps = range(step - DRIFT_STEPS, step + DRIFT_STEPS + 1)
    found = [each for each in steps if same(totp.generate_otp(each), plain)]
    return max((each for each in found if each > after), default=None)


async def enrol(
    session: AsyncSession, box: SecretBox, name: str, secret: str, code: str, *, now: datetime
) -> Sequence[str]:
    """Set the second factor, once a code shows that the telephone has it; returns the recovery codes, shown once."""
    row = await account(session, name)
    if row.totp_sealed:
        raise Conflict("已经设置了第二验证 / there is a second factor already", account=name)
    step = matching_step(secret, code, now, after=0)
    if step is None:
        raise Refused("验证码不对，请核对手机时间后输入下一个 / the code is wrong: check the clock, try the next one")
    row.totp_sealed, row.totp_last_step = box.seal(secret.encode(), _purpose(name)), step
    await ledger.append(session, ledger.Entry("second factor set", name, name, {}), now)
    return await renew_recovery_codes(session, name, now=now)


async def renew_recovery_codes(session: AsyncSession, name: str, *, now: datetime) -> Sequence[str]:
    """Replace all recovery codes."""
    await session.execute(delete(RecoveryCode).where(RecoveryCode.user == name))
    codes = [_recovery_code() for _ in range(RECOVERY_CODES)]
    session.add_all(
        [RecoveryCode(id=new_id(now), user=name, code_sha256=digest(_plain(code)), created_at=now) for code in codes]
    )
    return codes


async def passes(session: AsyncSession, box: SecretBox, name: str, code: str, *, now: datetime) -> bool:
    """Whether this is a code of now, or a recovery code; either is used up by it.  ``SettingsError`` or ``Damaged``
    where the stored secret cannot be unsealed."""
    row = await session.get(UserRow, name, with_for_update=True)
    if row is None or not row.totp_sealed:
        return False
    secret = box.unseal(row.totp_sealed, _purpose(name)).decode()
    step = matching_step(secret, code, now, after=row.totp_last_step)
    if step is not None:
        row.totp_last_step = step
        return True
    used = delete(RecoveryCode).where(RecoveryCode.user == name, RecoveryCode.code_sha256 == digest(_plain(code)))
    return bool((await session.execute(used)).rowcount)  # type: ignore[attr-defined]


def _purpose(name: str) -> str:
    return f"second factor of {name}"


async def remove(session: AsyncSession, name: str, *, by: str, now: datetime) -> None:
    """Take the second factor off an account; ``NotFound`` when it has none."""
    row = await account(session, name)
    if not row.totp_sealed:
        raise NotFound("没有设置第二验证 / there is no second factor", account=name)
    row.totp_sealed = ""
    await session.execute(delete(RecoveryCode).where(RecoveryCode.user == name))
    await ledger.append(session, ledger.Entry("second factor removed", by, name, {}), now)


async def recovery_codes_left(session: AsyncSession, name: str) -> int:
    """How many recovery codes are unused."""
    counted = select(func.count()).select_from(RecoveryCode).where(RecoveryCode.user == name)
    return int(await session.scalar(counted) or 0)


def _recovery_code() -> str:
    letters = base64.b32encode(secrets.token_bytes(10)).decode().lower()
    return "-".join(letters[place : place + 4] for place in range(0, 16, 4))


def _plain(code: str) -> str:
    return "".join(code.split()).replace("-", "").lower()
