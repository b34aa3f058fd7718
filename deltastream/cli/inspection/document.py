"""Owns the JSON document of an inspection: the fields of its dataclasses are its keys."""

from __future__ import annotations

import json
from dataclasses import asdict

from deltastream.cli.inspection.model import Inspection, Verification

__all__ = ["FORMAT", "write_document"]

FORMAT = 1
"""Raised when a key goes or changes its meaning; a new key does not raise it."""


def write_document(inspection: Inspection, verification: Verification | None) -> str:
    """Return the document, ASCII alone, so that it is read right whatever the encoding of the pipe."""
    document = {
        "format": FORMAT,
        **asdict(inspection),
        "verification": None if verification is None else asdict(verification),
    }
    return json.dumps(document, indent=2, allow_nan=False)
