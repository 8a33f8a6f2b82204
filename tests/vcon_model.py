"""What draft-ietf-vcon-vcon-core-04 says of an unsigned vCon, as strict models: names that it does not define, wrong
types and missing parameters are refused, and so are references that lead nowhere.  Written from its section 4; the
parts that we never make (redacted, amended, transfers, text, inline content) are left out and therefore refused.
"""

from typing import Annotated, Literal

from pydantic import UUID7 as Uuid
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, model_validator

Index = Annotated[int, Field(ge=0, strict=True)]
# Section 2.4.2: the algorithm, a hyphen and the hash in base64url, here of SHA-512, which must be supported.
ContentHash = Annotated[str, StringConstraints(pattern=r"^sha512-[A-Za-z0-9_-]{86}$")]
MediaType = Annotated[str, StringConstraints(pattern=r"^[a-z]+/[a-z0-9.+-]+(; charset=utf-8)?$")]
# Our one deviation: a relative reference (RFC 3986, section 4.2) of a file beside the vCon instead of an HTTPS URL.
Reference = Annotated[str, StringConstraints(pattern=r"^\w[\w.~-]*(/\w[\w.~-]*)*$")]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class External(Strict):
    """Section 2.4: a file beside the vCon."""

    mediatype: MediaType
    filename: Annotated[str, Field(min_length=1)]
    url: Reference
    content_hash: ContentHash


class Party(Strict):
    """Section 4.2: ``validation`` should be there where a name is."""

    type: Annotated[str, Field(min_length=1)]
    tel: Annotated[str, StringConstraints(pattern=r"^tel:[0-9+*#-]+$")] | None = None
    name: Annotated[str, Field(min_length=1)] | None = None
    validation: str | None = None

    @model_validator(mode="after")
    def named_and_validated(self) -> "Party":
        if (self.name is None) != (self.validation is None):
            raise ValueError("a name comes with how it was validated")
        return self


class RecordingDialog(External):
    """Section 4.3: a recording with two channels names the party of each."""

    type: Literal["recording"]
    start: AwareDatetime
    duration: Annotated[float, Field(ge=0)]
    parties: Annotated[list[Index], Field(min_length=2, max_length=2)]


class IncompleteDialog(Strict):
    """Section 4.3: no content, and the reason."""

    type: Literal["incomplete"]
    start: AwareDatetime
    duration: Annotated[float, Field(ge=0)]
    parties: list[Index]
    disposition: Literal["no-answer", "congestion", "failed", "busy", "hung-up", "voicemail-no-message"]


class Attachment(External):
    """Section 4.4."""

    purpose: str
    start: AwareDatetime
    party: Index
    dialog: Index


class Analysis(External):
    """Section 4.5: who made it is required."""

    type: Annotated[str, Field(min_length=1)]
    dialog: Index
    vendor: Annotated[str, Field(min_length=1)]
    product: str
    schema_: Annotated[str, Field(alias="schema")]


class VCon(Strict):
    """Section 4.1: ``vcon`` is deprecated, and must be this where it is there."""

    vcon: Literal["0.4.0"]
    uuid: Uuid
    created_at: AwareDatetime
    subject: str
    parties: list[Party]
    dialog: list[Annotated[RecordingDialog | IncompleteDialog, Field(discriminator="type")]]
    analysis: list[Analysis]
    attachments: list[Attachment]

    @model_validator(mode="after")
    def indices_lead_somewhere(self) -> "VCon":
        parties = [index for one in self.dialog for index in one.parties] + [one.party for one in self.attachments]
        dialogs = [one.dialog for one in self.analysis] + [one.dialog for one in self.attachments]
        if max(parties, default=0) >= len(self.parties) or max(dialogs, default=0) >= len(self.dialog):
            raise ValueError("an index leads nowhere")
        return self
