"""Owns Azure's connection strings: split into the options that every client knows."""

from __future__ import annotations

import re

from deltastream.errors import OptionError

__all__ = ["split_connection_string"]

_OPTIONS = {
    "accountname": "azure_storage_account_name",
    "accountkey": "azure_storage_account_key",
    "sharedaccesssignature": "azure_storage_sas_token",
    "blobendpoint": "azure_storage_endpoint",
}


def split_connection_string(shown: str, text: object) -> dict[str, str]:
    """Return the options, by canonical name, that the connection string called `shown` stands for."""
    if not isinstance(text, str):
        raise OptionError(f"{shown} is no text, but {type(text).__name__}")
    parts: dict[str, str] = {}
    for part in filter(None, text.strip().split(";")):
        name, separator, value = part.partition("=")
        if not separator:
            raise OptionError(f"{shown} is no connection string: NAME=VALUE;...")
        parts[name.strip().lower()] = value.strip()
    if parts.get("usedevelopmentstorage", "").lower() == "true":
        return {"azure_storage_use_emulator": "true"}
    found = {option: parts[name] for name, option in _OPTIONS.items() if parts.get(name)}
    protocol = parts.get("defaultendpointsprotocol", "https")
    suffix = parts.get("endpointsuffix", "core.windows.net")
    account = found.get("azure_storage_account_name")
    is_usual = (protocol, suffix) == ("https", "core.windows.net")
    if account and not is_usual and "azure_storage_endpoint" not in found:
        found["azure_storage_endpoint"] = f"{protocol}://{account}.blob.{suffix}"
    if not found:
        raise OptionError(f"{shown} names neither an account nor an endpoint")
    if "azure_storage_endpoint" in found:
        found["azure_storage_endpoint"] = found["azure_storage_endpoint"].rstrip("/")
        if not account and (theirs := _account_of(found["azure_storage_endpoint"])):
            found["azure_storage_account_name"] = theirs
    return found


def _account_of(endpoint: str) -> str | None:
    """Return the account of ``https://account.blob.domain`` or of an emulator's ``http://host:port/account``."""
    place = r"https?://([a-z0-9-]+)\.(?:[^/]+\.)?blob\.[^/]+|https?://[^/]+/([^/]+)"
    match = re.fullmatch(place, endpoint, re.IGNORECASE)
    return match and (match[1] or match[2])
