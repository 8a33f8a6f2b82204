"""The main navigation: a page is offered where its route exists and the role may open it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from api.permissions import allows


@dataclass(frozen=True)
class Entry:
    """One line of the navigation: the first of its paths that may be opened; it is marked below all of them."""

    name: str
    paths: tuple[str, ...]

    def holds(self, here: str) -> bool:
        """Whether ``here`` is one of these pages or below one."""
        return any(here == path or here.startswith(f"{path}/") for path in self.paths)


@dataclass(frozen=True)
class Link:
    """An entry as one person is offered it."""

    name: str
    path: str
    present: bool


# In groups: the day's work; evidence; how the place runs.
GROUPS: tuple[tuple[Entry, ...], ...] = (
    (
        Entry("我的工作", ("/work",)),
        Entry("录音", ("/recordings",)),
        Entry("检索", ("/search",)),
        Entry("工单", ("/orders",)),
        Entry("待关联", ("/links",)),
    ),
    (
        Entry("保全与处置", ("/keeping", "/keeping/disposals", "/keeping/policies")),
        Entry("移交", ("/handover",)),
        Entry("审计日志", ("/ledger",)),
    ),
    (
        Entry("报表", ("/reports",)),
        Entry("运行状态", ("/status", "/nightly", "/quarantine")),
        Entry("系统管理", ("/admin", "/admin/accounts", "/admin/dictionaries")),
    ),
)


def navigation(permission_of: Mapping[tuple[str, str], str], role: str | None, here: str) -> Sequence[Sequence[Link]]:
    """The groups that hold anything for the role."""
    groups = [[_link(permission_of, entry, role, here) for entry in group] for group in GROUPS]
    return [links for group in groups if (links := [link for link in group if link])]


def _link(permission_of: Mapping[tuple[str, str], str], entry: Entry, role: str | None, here: str) -> Link | None:
    for path in entry.paths:
        permission = permission_of.get(("GET", path))
        if permission is not None and allows(permission, role):
            return Link(entry.name, path, entry.holds(here))
    return None
