"""What comes with a finished recording: the call's facts, as JSON beside the file."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal, Self
from uuid import UUID, uuid5

from pydantic import AwareDatetime, Field, ValidationError, field_validator

from api.models import Model

# A name space of our own (RFC 9562, section 5.5): one call identifier always means one recording.
_CALLS = UUID("5b1f3a0e-6f3e-4b6f-9d64-3a7a1c0f8e21")
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
# Clocks of gateways run ahead by minutes, not by days.
AHEAD = timedelta(hours=24)

# One line of text without control characters.
_LINE = r"^[^\x00-\x1f\x7f]*$"
Number = Annotated[str, Field(default="", max_length=64, pattern=_LINE)]
Name = Annotated[str, Field(default="", max_length=120, pattern=_LINE)]


class FinishedCall(Model):
    """``call_id`` is the gateway's: with the same bytes it may come again.  ``started_at`` needs a time zone."""

    call_id: str = Field(min_length=1, max_length=255, pattern=r"^[\x21-\x7e]+$")
    started_at: AwareDatetime
    direction: Literal["inbound", "outbound"] = "outbound"
    agent_number: Number = ""
    agent_name: Name = ""
    citizen_number: Number = ""
    citizen_name: Name = ""
    work_order: Number = ""

    @field_validator("started_at")
    @classmethod
    def _in_utc(cls, value: datetime) -> datetime:
        if not EARLIEST <= value < datetime(9000, 1, 1, tzinfo=UTC):
            raise ValueError("no call was recorded then")
        return value.astimezone(UTC)

    @classmethod
    def read(cls, content: bytes) -> Self:
        """From JSON; ``ValueError`` names what is wrong first and quotes nothing."""
        try:
            return cls.model_validate_json(content)
        except ValidationError as error:
            raise ValueError(first_fault(error)) from None

    @property
    def recording_id(self) -> UUID:
        """The identifier of its recording, whoever asks and in whichever process."""
        return uuid5(_CALLS, self.call_id)


def first_fault(error: ValidationError) -> str:
    """Where the first fault is and what it is; what stands there may be a name or a number, and is not quoted."""
    first = error.errors(include_input=False, include_url=False)[0]
    return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
