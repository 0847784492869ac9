"""Which image of a branch is current, and what undo and redo do to that. Nothing is read or written here."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Heads:
    """The images that were current, oldest first; the one before `position` is current now, 0 means none."""

    ids: tuple[str, ...] = ()
    position: int = 0

    @property
    def current(self) -> str | None:
        return self.ids[self.position - 1] if self.position else None

    def push(self, image: str) -> Heads:
        """Make a new image current; what had been undone can no longer be redone."""
        return Heads((*self.ids[: self.position], image), self.position + 1)

    def back(self) -> Heads:
        return Heads(self.ids, max(self.position - 1, 0))

    def forward(self) -> Heads:
        return Heads(self.ids, min(self.position + 1, len(self.ids)))
