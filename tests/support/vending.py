"""Hands out credentials that a real server refuses after a few seconds; as callbacks, which pickle."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime

from azure.storage.blob import ContainerSasPermissions, generate_container_sas

from deltastream.storage.store import Credentials
from tests.support.faults.proxy import FaultProxy
from tests.support.servers.azurite import ACCOUNT, ACCOUNT_KEY, CONTAINER
from tests.support.servers.seaweedfs import VENDED

__all__ = ["AzureVending", "S3Vending"]


@dataclass(frozen=True, slots=True)
class S3Vending:
    """Another key in every second; the proxy in front of the server refuses it after `lifetime_s`."""

    proxy: FaultProxy
    lifetime_s: float
    said_s: float
    """What the client is told instead: a store may end a key early."""

    def __call__(self) -> Credentials:
        now_s = time.time()
        key, secret = list(VENDED.items())[int(now_s) % len(VENDED)]
        self.proxy.expire({key: now_s + self.lifetime_s})
        return Credentials(
            {"aws_access_key_id": key, "aws_secret_access_key": secret},
            datetime.fromtimestamp(now_s + self.said_s, UTC),
        )


@dataclass(frozen=True, slots=True)
class AzureVending:
    """A signature for the container that Azurite itself refuses after `lifetime_s`, to the second."""

    lifetime_s: float

    def __call__(self) -> Credentials:
        end = datetime.fromtimestamp(time.time() + self.lifetime_s, UTC).replace(microsecond=0)
        token = generate_container_sas(
            ACCOUNT,
            CONTAINER,
            ACCOUNT_KEY,
            permission=ContainerSasPermissions(read=True, list=True),
            expiry=end,
        )
        return Credentials({"azure_storage_sas_token": token}, end)
