"""Owns how one gets into an Azure account, for both kinds of client."""

from __future__ import annotations

import time
from typing import Any

from deltastream.storage.store import Store
from deltastream.storage.values import is_true

__all__ = [
    "azure_account_url",
    "azure_connection_string",
    "azure_credential",
    "azure_identity",
]

_TOKEN_LIFE_S = 3600


def azure_account_url(store: Store) -> str:
    """Return the URL of the account's blob service."""
    account = store.options["azure_storage_account_name"]
    return store.options.get("azure_storage_endpoint", f"https://{account}.blob.core.windows.net")


def azure_connection_string(store: Store) -> str | None:
    """Return the connection string of an account key, a signature or nobody; None where a token is needed."""
    options = store.options
    head = f"BlobEndpoint={azure_account_url(store)}"
    account = options["azure_storage_account_name"]
    if is_true(options.get("azure_skip_signature")):
        return f"{head};AccountName={account}"
    if "azure_storage_token" in options or "credential" in store.fsspec_options:
        return None
    if "azure_storage_account_key" in options:
        return f"{head};AccountName={account};AccountKey={options['azure_storage_account_key']}"
    if "azure_storage_sas_token" in options:
        return f"{head};SharedAccessSignature={options['azure_storage_sas_token'].lstrip('?')}"
    return None


def azure_credential(store: Store) -> object:
    """Return what gives tokens on an asyncio loop: a given token, a service principal, or Azure's default chain."""
    token = store.options.get("azure_storage_token")
    if token is not None:
        return _GivenToken(token)
    import azure.identity.aio

    return _identity(azure.identity.aio, store)


def azure_identity(store: Store) -> object:
    """Return the same for threads; a given token is none of it."""
    import azure.identity

    return _identity(azure.identity, store)


def _identity(library: Any, store: Store) -> object:
    options = store.options
    host = {}
    if "azure_storage_authority_host" in options:
        host["authority"] = options["azure_storage_authority_host"]
    tenant = options.get("azure_storage_tenant_id")
    client = options.get("azure_storage_client_id")
    if "azure_storage_client_secret" in options:
        secret = options["azure_storage_client_secret"]
        return library.ClientSecretCredential(tenant, client, secret, **host)
    if "azure_federated_token_file" in options:
        return library.WorkloadIdentityCredential(
            tenant_id=tenant,
            client_id=client,
            token_file_path=options["azure_federated_token_file"],
            **host,
        )
    if is_true(options.get("azure_use_azure_cli")):
        return library.AzureCliCredential(tenant_id=tenant or "")
    chosen = {"managed_identity_client_id": client} if client else {}
    return library.DefaultAzureCredential(**host, **chosen)


class _GivenToken:
    """A bearer token as azure-core asks for one."""

    def __init__(self, token: str) -> None:
        self._token = token

    async def get_token(self, *scopes: str, **options: object) -> object:
        from azure.core.credentials import AccessToken

        # When it ends is its giver's matter: another client is made for the next one.
        return AccessToken(self._token, int(time.time()) + _TOKEN_LIFE_S)

    async def close(self) -> None:
        """Nothing is open."""

    async def __aenter__(self) -> _GivenToken:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()
