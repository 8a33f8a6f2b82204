"""All dialogs of one recorder, with what is awaited in each."""

from telephony.sip.acknowledgements import Acknowledgements
from telephony.sip.dialog import Dialog, DialogKey
from telephony.sip.sessions import Sessions


class Dialogs:
    """Dialogs by key, the ACKs that they owe us and the session timers that they agreed to."""

    def __init__(self) -> None:
        self._dialogs: dict[DialogKey, Dialog] = {}
        self.acknowledgements, self.sessions = Acknowledgements(), Sessions()

    def __len__(self) -> int:
        return len(self._dialogs)

    def __contains__(self, key: DialogKey) -> bool:
        return key in self._dialogs

    def get(self, key: DialogKey) -> Dialog | None:
        return self._dialogs.get(key)

    def keep(self, dialog: Dialog) -> None:
        """Begin a dialog, or replace it by what it has become."""
        self._dialogs[dialog.key] = dialog

    def forget(self, key: DialogKey) -> Dialog | None:
        """End a dialog; nothing of it is left."""
        self.acknowledgements.forget(key)
        self.sessions.forget(key)
        return self._dialogs.pop(key, None)
