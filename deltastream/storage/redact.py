"""Owns what is never said of a failed request: the query of its URL, where signatures stand, and who asked."""

from __future__ import annotations

import re

__all__ = ["cause_of", "without_secrets", "without_user"]

_USER = re.compile(r"(?<=://)[^/?#\s'\"]*@")
_QUERY = re.compile(r"(?<!<)\?[^\s'\"<>)]+")
_HEADER = re.compile(r"(?i)\b(authorization|x-amz-security-token|cookie)(['\"]?\s*[:=]\s*).*")


def without_secrets(text: str) -> str:
    """Return `text` without the user part and the query of the URLs in it, and without headers that let one in."""
    text = _QUERY.sub("?***", without_user(text, instead="***@"))
    return _HEADER.sub(r"\1\2***", text)


def without_user(text: str, *, instead: str = "") -> str:
    """Return `text` without the user part of the URLs in it."""
    return _USER.sub(instead, text)


def cause_of(error: BaseException) -> BaseException | None:
    """Return `error` to be raised from, or None where it, or what it came from, tells a secret in a traceback."""
    seen: BaseException | None = error
    while seen is not None:
        if str(seen) != without_secrets(str(seen)):
            return None
        seen = seen.__cause__ or seen.__context__
    return error
