"""Owns reading `storage_options`: deltalake's names, fsspec's, or both, made one set of options."""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from deltastream.errors import OptionError
from deltastream.storage.connection_string import split_connection_string
from deltastream.storage.meanings import IGNORED, MEANINGS, ONLY_FSSPEC, Meaning
from deltastream.storage.values import canonical_value

__all__ = ["Claim", "Options", "read_options"]


@dataclass(frozen=True, slots=True)
class Claim:
    """Somebody says what an option is."""

    key: str
    """As the user wrote it, for messages."""
    name: str
    value: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Options:
    """What `storage_options` say. No repr shows a value."""

    canonical: Mapping[str, str] = field(repr=False)
    only_fsspec: Mapping[str, Any] = field(repr=False)


def read_options(
    protocol: str, given: Mapping[str, Any], claims: tuple[Claim, ...] = ()
) -> Options:
    """Return the options that `given` and `claims`, which stand elsewhere (in the URI), say together.

    Raises:
        OptionError: A key nobody knows, a value that cannot be, or one option said twice and not the same. Names the
            keys, never a value.
    """
    table = MEANINGS[protocol]
    by_alias = {alias: meaning for meaning in table for alias in (meaning.name, *meaning.others)}
    found: dict[str, Claim] = {}
    only_fsspec: dict[str, Any] = {}

    def claim(new: Claim) -> None:
        old = found.setdefault(new.name, new)
        if old.value != new.value:
            raise OptionError(
                f"{old.key} and {new.key} are one option ({new.name}) and have different values; give one of them"
            )

    for new in claims:
        claim(new)
    for key, value in given.items():
        if not isinstance(key, str):
            raise OptionError(f"a key of storage_options is no text, but {type(key).__name__}")
        lower = key.lower()
        shown = f"storage_options[{key!r}]"
        # An empty text is what os.environ.get(name, "") gives.
        if value is None or value == "" or lower in IGNORED:
            continue
        if protocol == "az" and lower in ("connection_string", "azure_storage_connection_string"):
            for name, text in split_connection_string(shown, value).items():
                claim(Claim(shown, name, text))
        elif protocol == "az" and lower == "account_host":
            host = canonical_value(shown, value, by_alias["azure_storage_endpoint"].kind)
            claim(Claim(shown, "azure_storage_endpoint", f"https://{host}"))
        elif protocol == "gs" and lower == "token":
            for new in _google_token(shown, value):
                claim(new)
            if not isinstance(value, str) or value in _GOOGLE_METHODS:
                only_fsspec["token"] = value
        elif protocol == "s3" and lower in ("client_kwargs", "config_kwargs"):
            rest = dict(_mapping(shown, value))
            for new in _take_known(shown, rest, by_alias):
                claim(new)
            if rest:
                only_fsspec[lower] = rest
        elif lower in by_alias:
            meaning = by_alias[lower]
            claim(Claim(shown, meaning.name, canonical_value(shown, value, meaning.kind)))
        elif lower in ONLY_FSSPEC[protocol]:
            only_fsspec[lower] = value
        else:
            raise OptionError(_unknown(protocol, key, by_alias))
    return Options({name: found[name].value for name in found}, only_fsspec)


_GOOGLE_METHODS = frozenset({"google_default", "cache", "cloud", "browser"})


def _google_token(shown: str, value: object) -> Iterator[Claim]:
    """Split gcsfs' `token`: a way to log in, a file, what stands in it, or the token itself."""
    if isinstance(value, Mapping) and value.get("type") == "service_account":
        yield Claim(shown, "google_service_account_key", json.dumps(dict(value)))
    elif isinstance(value, str) and value == "anon":
        yield Claim(shown, "google_skip_signature", "true")
    elif isinstance(value, str) and value not in _GOOGLE_METHODS:
        is_file = value.endswith(".json") or os.path.exists(value)
        name = "google_application_credentials" if is_file else "google_bearer_token"
        yield Claim(shown, name, value)


def _take_known(
    shown: str, rest: dict[str, Any], by_alias: Mapping[str, Meaning]
) -> Iterator[Claim]:
    """Take out of s3fs' `client_kwargs` or `config_kwargs` what has a name of its own."""
    for key in list(rest):
        inner = f"{shown}[{key!r}]"
        if key in by_alias:
            meaning = by_alias[key]
            value = rest.pop(key)
            if value is not None and value != "":
                yield Claim(inner, meaning.name, canonical_value(inner, value, meaning.kind))
        elif key == "verify" and isinstance(rest[key], bool):
            yield Claim(inner, "allow_invalid_certificates", "false" if rest.pop(key) else "true")
        elif key == "retries":
            # Tries are counted here, once for all clients.
            del rest[key]
        elif key == "signature_version" and type(rest[key]).__name__ == "UNSIGNED":
            # botocore's own mark, the only member of its class.
            yield Claim(inner, "aws_skip_signature", "true")
            del rest[key]
        elif key == "s3":
            nested = dict(_mapping(inner, rest.pop(key)))
            style = nested.pop("addressing_style", "auto")
            if style in ("virtual", "path"):
                flag = "true" if style == "virtual" else "false"
                yield Claim(
                    f"{inner}['addressing_style']", "aws_virtual_hosted_style_request", flag
                )
            if nested:
                rest[key] = nested


def _mapping(shown: str, value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise OptionError(f"{shown} is no mapping, but {type(value).__name__}")
    return value


def _unknown(protocol: str, key: str, by_alias: Mapping[str, Meaning]) -> str:
    for other, table in MEANINGS.items():
        names = {alias for meaning in table for alias in (meaning.name, *meaning.others)}
        if other != protocol and key.lower() in names:
            return f"storage_options[{key!r}] is an option of {other}://, and the table is at {protocol}://"
    known = [*by_alias, *ONLY_FSSPEC[protocol]]
    near = difflib.get_close_matches(key.lower(), known, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"storage_options[{key!r}] is not an option of {protocol}://{hint}"
