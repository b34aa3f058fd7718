"""Owns whether this process is a fork of one that had obstore: in such a one every request waits for ever."""

from __future__ import annotations

import os
import sys

__all__ = ["has_inherited_obstore"]

_has_inherited = False


def has_inherited_obstore() -> bool:
    """Say whether obstore came into this process by ``fork``: its threads did not, and it waits for them."""
    return _has_inherited


def _note_fork() -> None:
    global _has_inherited
    _has_inherited = _has_inherited or "obstore" in sys.modules


os.register_at_fork(after_in_child=_note_fork)
