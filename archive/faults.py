"""What verification finds: each fault names the thing, what was expected and what was found."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """One thing that is not as it should be.  ``subject`` is a key of the store, a ledger row or a recording."""

    subject: str
    kind: str
    expected: str
    found: str

    @property
    def what(self) -> str:
        """The thing and what is wrong with it."""
        return f"{self.subject}: {self.kind}"

    def __str__(self) -> str:
        return f"{self.what}: expected {self.expected}, found {self.found}"


MISSING, EXTRA, ALTERED, UNREADABLE = "missing", "extra version", "altered", "unreadable"
UNLOCKED, TOO_SHORT, NOT_HELD = "unlocked", "lock too short", "not held"
HIDDEN, LEFT_OVER = "hidden by a delete marker", "left over after disposal"
NOT_IN_CATALOGUE, NOT_IN_LEDGER = "not in the catalogue", "not in the ledger"
DISAGREE, SHORTENED = "catalogue and ledger disagree", "kept for less than the ledger says"
OTHERS = "belongs to another recording"
OTHER_AUDIO = "names another audio"
OTHER_FACTS = "the catalogue says something else"
OTHER_TEXT = "the catalogue's text is another"
