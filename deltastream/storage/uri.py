"""Owns reading a table's URI: which store, which bucket, which folder."""

from __future__ import annotations

import base64
import os
import re
from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote, unquote_to_bytes, urlsplit

from deltastream.errors import OptionError
from deltastream.storage.aliases import Claim
from deltastream.storage.redact import without_secrets, without_user

__all__ = ["Location", "is_uri", "parse_uri", "quoted"]

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*(?=://)|file(?=:)", re.IGNORECASE)
_PROTOCOLS = {
    **dict.fromkeys(("s3", "s3a", "s3n"), "s3"),
    **dict.fromkeys(("az", "azure", "abfs", "abfss", "adl", "wasb", "wasbs"), "az"),
    **dict.fromkeys(("gs", "gcs"), "gs"),
    **dict.fromkeys(("http", "https"), "http"),
}
_STORES = "|".join(_PROTOCOLS)
_CHAINED = re.compile(
    rf"(?!(?:{_STORES}|file|local)://)"
    r"([A-Za-z][A-Za-z0-9+.-]*)(?:://[^?#]*?)?::(?:[A-Za-z][A-Za-z0-9+.-]*)(?:::|://)",
    re.IGNORECASE,
)
"""Elsewhere two colons may be of a name."""
_ONE_SLASH = re.compile(rf"({_STORES}|memory|uc):/(?!/)", re.IGNORECASE)
"""A folder of such a name is more likely a URI that lacks a slash; what follows may be a password."""
# Host names of Azure's accounts, in all of its clouds and in Fabric: account.service.domain
_AZURE_HOST = re.compile(
    r"(?P<account>[a-z0-9-]+)\.(?:blob|dfs)\.(?P<domain>(?:[a-z0-9-]+\.)+[a-z]+)(?::443)?",
    re.IGNORECASE,
)
_AZURE_HTTPS_DOMAIN = re.compile(
    r"core\.(windows\.net|usgovcloudapi\.net|chinacloudapi\.cn|cloudapi\.de)"
    r"|fabric\.microsoft\.com|storage\.azure\.net",
    re.IGNORECASE,
)
_HOME_DOMAIN = "core.windows.net"
_IN_THE_URI = "the table's URI"


@dataclass(frozen=True, slots=True)
class Location:
    """Where a table is, by its URI alone."""

    protocol: str
    """fsspec's: "s3", "az", "gs", "http", "https", "memory", or another."""
    bucket: str
    root: str
    uri: str
    """For messages: no user information, no query. Where there are none, it is read as the same place."""
    claims: tuple[Claim, ...] = ()
    """Options that the URI says."""
    authorization: str | None = field(default=None, repr=False)
    """The header that the user information of an http URI stands for."""


def is_uri(path: str) -> bool:
    """Return whether `path` has a scheme, so that it is no path on a local disk."""
    return _SCHEME.match(path) is not None


def parse_uri(uri: str) -> Location | str:
    """Return where the table is: a path, if it is on a local disk.

    Raises:
        OptionError: The URI names no bucket, or has what no table's URI has. Never shows user information or a query.
    """
    if "\0" in uri:
        raise OptionError("the table's path has a null character in it, which no store knows")
    if chained := _CHAINED.match(uri):
        raise OptionError(
            f"{chained[1]} begins a chain of fsspec's, which is not read: give the URI of the store alone, "
            "and cache_dir= to keep what it gave"
        )
    scheme = _SCHEME.match(uri)
    if scheme is None:
        if one_slash := _ONE_SLASH.match(uri):
            raise OptionError(
                f"the table's URI begins with {one_slash[0]}, and a store's with two slashes: {one_slash[0]}/; for a "
                f"local folder of that name write ./{one_slash[0]}"
            )
        if not uri:
            raise OptionError("the table's path is empty (got ''); give a local path or a URI")
        return uri
    name = scheme[0].lower()
    parts = _split(uri)
    if name in ("file", "local"):
        path = unquote(parts.path)
        if parts.netloc not in ("", "localhost") or parts.query or parts.fragment:
            raise OptionError(
                f"{without_secrets(uri)}: a file URI is file:///path/of/the/table, without host, query and fragment; "
                "write ? as %3F and # as %23"
            )
        if not path:
            raise OptionError(
                f"the table's path is empty (got {uri!r}); give a local path or a URI"
            )
        return path
    protocol = _PROTOCOLS.get(name, name)
    if protocol == "http" and not _is_azure(parts):
        return _http(name, parts)
    if protocol == "http" or (protocol == "az" and "@" in parts.netloc):
        return _azure(name, parts)
    if protocol == "memory" and parts.password is None:
        root = _key(f"{name}://…", f"{parts.netloc}/{parts.path}")
        return Location(protocol, "", root, f"memory://{quoted(root)}")
    if protocol not in ("s3", "az", "gs", "memory"):
        shown = f"{name}://{_host(parts)}{parts.path}".rstrip("/")
        return Location(protocol, "", uri, without_user(shown))
    if "@" in parts.netloc:
        raise OptionError(
            f"a URI of {name}:// has no user information: give secrets as storage_options"
        )
    return _bucket(protocol, name, unquote(parts.netloc), parts)


def quoted(path: str) -> str:
    """Return a decoded path as a URI has it, as far as it would be read as something else."""
    return path.replace("%", "%25").replace("#", "%23").replace("?", "%3F")


def _split(uri: str) -> SplitResult:
    try:
        return urlsplit(uri)
    except ValueError:
        # urlsplit's message repeats the network location, with the password in it.
        raise OptionError("the table's URI cannot be split into scheme, host and path") from None


def _bucket(
    protocol: str, scheme: str, bucket: str, parts: SplitResult, claims: tuple[Claim, ...] = ()
) -> Location:
    if not bucket or "/" in bucket:
        what = "container" if protocol == "az" else "bucket"
        raise OptionError(f"{scheme}:// needs a {what}: {scheme}://{what}/folder/of/the/table")
    shown = f"{scheme}://{bucket}"
    if not any(claim.name == "azure_storage_sas_token" for claim in claims):
        _refuse_query(shown, parts)
    root = _key(shown, parts.path)
    return Location(protocol, bucket, root, f"{shown}/{quoted(root)}".rstrip("/"), claims)


def _is_azure(parts: SplitResult) -> bool:
    host = _AZURE_HOST.fullmatch(_host(parts))
    return host is not None and _AZURE_HTTPS_DOMAIN.fullmatch(host["domain"]) is not None


def _azure(scheme: str, parts: SplitResult) -> Location:
    """Read container@account.dfs.core.windows.net/path or account.blob.core.windows.net/container/path."""
    host = _AZURE_HOST.fullmatch(_host(parts))
    if host is None or parts.password is not None:
        raise OptionError(
            f"{scheme}:// takes container@account.dfs.core.windows.net/folder or container/folder"
        )
    account, domain = host["account"].lower(), host["domain"].lower()
    claims = [Claim(_IN_THE_URI, "azure_storage_account_name", account)]
    if domain != _HOME_DOMAIN:
        claims.append(
            Claim(_IN_THE_URI, "azure_storage_endpoint", f"https://{account}.blob.{domain}")
        )
    if scheme in ("http", "https"):
        if parts.username is not None:
            raise OptionError("a URI of Azure has no user information but the container")
        container, _, path = parts.path.lstrip("/").partition("/")
        if parts.query:
            claims.append(Claim(_IN_THE_URI, "azure_storage_sas_token", parts.query))
        shown = f"{scheme}://{host[0]}/{container}"
        parts = parts._replace(path=path, fragment="")
    else:
        container = parts.username or ""
        shown = f"{scheme}://{container}@{host[0]}"
    location = _bucket("az", scheme, unquote(container), parts, tuple(claims))
    uri = f"{shown}/{quoted(location.root)}".rstrip("/")
    return Location("az", location.bucket, location.root, uri, location.claims)


def _http(scheme: str, parts: SplitResult) -> Location:
    host = _host(parts)
    if not host:
        raise OptionError(f"{scheme}:// needs a host: {scheme}://host/folder/of/the/table")
    shown = f"{scheme}://{host}"
    _refuse_query(shown, parts)
    authorization = None
    if parts.username is not None:
        pair = unquote_to_bytes(parts.username) + b":" + unquote_to_bytes(parts.password or "")
        authorization = f"Basic {base64.b64encode(pair).decode()}"
    root = _key(shown, parts.path)
    return Location(
        scheme, host, root, f"{shown}/{quoted(root)}".rstrip("/"), authorization=authorization
    )


def _host(parts: SplitResult) -> str:
    return parts.netloc.rpartition("@")[2]


def _refuse_query(shown: str, parts: SplitResult) -> None:
    if parts.query or parts.fragment:
        raise OptionError(
            f"{shown}: a table's URI has no query and no fragment; write ? as %3F and # as %23"
        )


def _key(shown: str, path: str) -> str:
    """Return the decoded key of a folder, as object_store reads the path of a URL."""
    try:
        decoded = unquote(path, errors="strict")
    except UnicodeDecodeError:
        raise OptionError(f"{shown}: the path's percent-encoding is no UTF-8") from None
    # Hadoop writes doubled slashes as one, and object_store knows no empty names.
    names = [name for name in decoded.split("/") if name]
    if any(name in (os.curdir, os.pardir) for name in names):
        raise OptionError(f"{shown}: a store's keys know no '.' and '..'; write the path out")
    return "/".join(names)
