"""Owns tables of Unity Catalog: where they are, and credentials that last for an hour or so, asked for over REST.

Unity Catalog, "Tables" and "Temporary Table Credentials" of its REST API, version 2.1.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from deltastream.errors import OptionError, StorageError, TableError, TableNotFoundError
from deltastream.storage.redact import without_secrets
from deltastream.storage.store import Credentials

if TYPE_CHECKING:
    from requests import PreparedRequest

__all__ = ["UnityTable", "find_unity_table", "is_unity"]

_SCHEME = "uc://"
_API = "api/2.1/unity-catalog"
_TIMEOUT_S = (3.0, 6.0)
"""To connect, and between two bytes; with `_MAX_RETRIES` a catalog that never answers is given up in 27 s."""
_MAX_RETRIES = 3

# Names of delta-rs, then of the environment, the stronger ones first.
_HOST_NAMES = (
    "unity_workspace_url",
    "databricks_workspace_url",
    "databricks_host",
    "workspace_url",
)
_TOKEN_NAMES = (
    "unity_access_token",
    "databricks_access_token",
    "databricks_token",
    "access_token",
)
_HOST_VARIABLES = ("UNITY_WORKSPACE_URL", "DATABRICKS_HOST")
_TOKEN_VARIABLES = ("UNITY_ACCESS_TOKEN", "DATABRICKS_TOKEN")
_IGNORED = ("unity_allow_http_url",)

# By the part of the answer that is filled: the names of its values, and ours.
_VENDED = {
    "aws_temp_credentials": {
        "access_key_id": "aws_access_key_id",
        "secret_access_key": "aws_secret_access_key",
        "session_token": "aws_session_token",
    },
    "azure_user_delegation_sas": {"sas_token": "azure_storage_sas_token"},
    "gcp_oauth_token": {"oauth_token": "google_bearer_token"},
}


def is_unity(uri: str) -> bool:
    """Return whether `uri` names a table of a catalog."""
    return uri.lower().startswith(_SCHEME)


@dataclass(frozen=True, slots=True)
class UnityTable:
    """One table of a catalog. Called, it vends `Credentials` to read it. Pickles, with the catalog's token."""

    uri: str
    """``uc://catalog.schema.table``"""
    location: str
    """The URI of its folder."""
    table_id: str
    catalog: _Catalog
    storage_options: Mapping[str, Any] = field(repr=False)
    """Those that are not the catalog's."""

    def __call__(self) -> Credentials:
        """Ask for credentials that read this table. Blocks."""
        answer = self.catalog.ask(
            "POST",
            "temporary-table-credentials",
            self.uri,
            json={"table_id": self.table_id, "operation": "READ"},
        )
        for part, names in _VENDED.items():
            values = answer.get(part)
            if values:
                options = {
                    ours: values[theirs] for theirs, ours in names.items() if values.get(theirs)
                }
                return Credentials(options, _time(answer.get("expiration_time")))
        raise StorageError(
            f"{self.uri}: the catalog vended no credentials of S3, Azure or Google Cloud Storage for {self.location}"
        )


def find_unity_table(uri: str, storage_options: Mapping[str, Any] | None) -> UnityTable:
    """Ask the catalog for the table that ``uc://catalog.schema.table`` names. Blocks.

    Raises:
        OptionError: The URI or the catalog's options cannot be.
        TableNotFoundError: The catalog has no such table.
        TableError: It is no Delta table, or has no folder.
        StorageError: The catalog did not answer, or refused.
    """
    name = uri[len(_SCHEME) :].strip("/")
    if "?" in name or ("@" in name and ":" in name):
        raise OptionError(
            "a URI of uc:// has no user information and no query: give storage_options={'databricks_token': ...}"
        )
    if len(name.split(".")) != 3 or not all(name.split(".")):
        raise OptionError(f"{uri}: a table of Unity Catalog is uc://catalog.schema.table")
    options = {key.lower(): value for key, value in (storage_options or {}).items()}
    host = _first(options, _HOST_NAMES, _HOST_VARIABLES)
    if not host:
        raise OptionError(
            f"{uri}: no address of the catalog; give storage_options={{'databricks_host': ...}} or set DATABRICKS_HOST"
        )
    if "://" not in host:
        host = f"https://{host}"
    catalog = _Catalog(host.rstrip("/"), _first(options, _TOKEN_NAMES, _TOKEN_VARIABLES))
    found = catalog.ask("GET", f"tables/{quote(name, safe='.')}", uri)
    if found.get("data_source_format", "DELTA").upper() != "DELTA":
        raise TableError(f"{uri} is no Delta table: the catalog says {found['data_source_format']}")
    if not found.get("storage_location") or not found.get("table_id"):
        raise TableError(f"{uri}: the catalog names no folder or no id of it; views have none")
    rest = {key: value for key, value in options.items() if key not in _OWN_NAMES}
    return UnityTable(uri, found["storage_location"], found["table_id"], catalog, rest)


@dataclass(frozen=True, slots=True)
class _Catalog:
    """The server of a catalog."""

    host: str
    token: str | None = field(repr=False)

    def ask(self, method: str, what: str, uri: str, **arguments: Any) -> dict[str, Any]:
        """Return the document that the server answers; what may pass is asked for again."""
        import requests
        from requests.adapters import HTTPAdapter
        from urllib3 import Retry

        retry = Retry(
            total=_MAX_RETRIES,
            backoff_factor=0.4,
            backoff_jitter=0.2,
            respect_retry_after_header=False,
            status_forcelist=(429, 500, 502, 503, 504),
            allowed_methods=None,
            raise_on_status=False,
        )
        try:
            with requests.Session() as session:
                session.mount(self.host, HTTPAdapter(max_retries=retry))
                url = f"{self.host}/{_API}/{what}"
                answer = session.request(
                    method, url, auth=self._sign, timeout=_TIMEOUT_S, **arguments
                )
        except requests.RequestException as error:
            text = without_secrets(str(error))
            raise StorageError(
                f"{uri}: the catalog at {self.host} gave no answer: {text}"
            ) from None
        try:
            document = answer.json()
        except ValueError:
            document = None
        if answer.ok and isinstance(document, dict):
            return document
        if not isinstance(document, dict):
            document = {"message": "and with no JSON object"}
        said = without_secrets(str(document.get("message") or answer.reason))
        if answer.status_code == 404:
            raise TableNotFoundError(
                f"{uri}: the catalog at {self.host} has no such table, or vends nothing for it: {said}"
            )
        raise StorageError(
            f"{uri}: the catalog at {self.host} answered with HTTP status {answer.status_code}: {said}"
            + (_HINT if answer.status_code in (401, 403) else "")
        )

    def _sign(self, request: PreparedRequest) -> PreparedRequest:
        # Not as a header of the request: the password of a .netrc file would take its place.
        if self.token:
            request.headers["Authorization"] = f"Bearer {self.token}"
        return request


_OWN_NAMES = {*_HOST_NAMES, *_TOKEN_NAMES, *_IGNORED}
_HINT = "; the token has to have SELECT and EXTERNAL USE SCHEMA there"


def _first(
    options: Mapping[str, Any], names: tuple[str, ...], variables: tuple[str, ...]
) -> str | None:
    found = [options[name] for name in names if options.get(name)]
    found += [os.environ[name] for name in variables if os.environ.get(name)]
    return str(found[0]) if found else None


def _time(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else datetime.fromtimestamp(milliseconds / 1000, UTC)
