"""Owns the JSON document of a plan: the fields of its dataclasses are its keys."""

from __future__ import annotations

import json
from dataclasses import asdict

from deltastream.cli.planning.model import RunPlan

__all__ = ["FORMAT", "write_plan"]

FORMAT = 1
"""Raised when a key goes or changes its meaning; a new key does not raise it."""


def write_plan(plan: RunPlan) -> str:
    """Return the document, ASCII alone, so that it is read right whatever the encoding of the pipe."""
    return json.dumps({"format": FORMAT, **asdict(plan)}, indent=2, allow_nan=False)
