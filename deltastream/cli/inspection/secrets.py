"""Owns what is never shown: values that let somebody in."""

from __future__ import annotations

import re
from collections.abc import Mapping

__all__ = ["HIDDEN", "hide_in_uri", "hide_secrets"]

HIDDEN = "***"

# By key, since a secret has no form: Hadoop's, Spark's and the stores' names of them.
_SECRET_KEY = re.compile(
    r"secret|password|passwd|passphrase|credential|token|private|signature"
    r"|(?:access|account|api|encryption|shared)[._-]?key|\bsas\b",
    re.IGNORECASE,
)
_USER = re.compile(r"(?<=://)[^/?#\s]*@")
_QUERY = re.compile(r"\?\S*")


def hide_in_uri(uri: str) -> str:
    """Hide the user part and the query of a URI, where passwords and signatures stand; a plain path is left alone."""
    if "://" not in uri:
        return uri
    return _QUERY.sub(f"?{HIDDEN}", _USER.sub(f"{HIDDEN}@", uri))


def hide_secrets(configuration: Mapping[str, str]) -> dict[str, str]:
    """Return `configuration`, sorted by key, with every value that may be a secret hidden."""
    return {
        key: HIDDEN if _SECRET_KEY.search(key) else hide_in_uri(value)
        for key, value in sorted(configuration.items())
    }
