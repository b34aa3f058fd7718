"""Owns LIKE patterns: % is any text, _ any character, a backslash makes either plain."""

from __future__ import annotations

import re

__all__ = ["exact_pattern", "regex_of", "split_pattern", "with_backslash"]


def exact_pattern(text: str) -> str:
    """Return the pattern that matches just this text."""
    for special in ("\\", "%", "_"):
        text = text.replace(special, "\\" + special)
    return text


def with_backslash(pattern: str, escape: str) -> str:
    """Return the pattern with a backslash for the escape character."""
    if escape == "\\":
        return pattern
    parts = []
    characters = iter(pattern)
    for character in characters:
        if character == escape:
            parts.append(exact_pattern(next(characters, escape)))
        else:
            parts.append("\\\\" if character == "\\" else character)
    return "".join(parts)


def split_pattern(pattern: str) -> tuple[str, str]:
    """Return the plain text that every match begins with, and the pattern of what follows."""
    plain = []
    i = 0
    while i < len(pattern) and pattern[i] not in "%_":
        if pattern[i] == "\\":
            if i + 1 == len(pattern):
                break
            i += 1
        plain.append(pattern[i])
        i += 1
    return "".join(plain), pattern[i:]


def regex_of(pattern: str) -> str:
    """Return the regular expression of RE2 that is found where the whole text matches the pattern.

    Arrow 26 itself takes a backslash wrongly that makes another plain, if all before or behind it is %.
    """
    parts = []
    characters = iter(pattern)
    for character in characters:
        if character == "\\":
            parts.append(re.escape(next(characters, character)))
        else:
            parts.append({"%": ".*", "_": "."}.get(character) or re.escape(character))
    return rf"(?s)\A{''.join(parts)}\z"
