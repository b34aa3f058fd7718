"""The servers that other tests lean on do what those lean on, and leave nothing behind."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import deltalake
import obstore
import obstore.store
import pytest

from tests.support.servers.process import HOST, ServerProcess, answers_http, free_ports
from tests.support.servers.store import ObjectStore
from tests.support.servers.tables import write_table
from tests.support.tables import numbered

_PARENT = """
import sys
from pathlib import Path
from tests.support.servers.process import ServerProcess
server = ServerProcess([sys.executable, "-c", "import time; time.sleep(600)"], Path(sys.argv[1]))
print(server.pid, flush=True)
sys.stdin.read()
"""


def test_a_table_is_written_and_read_by_fsspec_obstore_and_deltalake(
    object_store: ObjectStore, tmp_path: Path
) -> None:
    uri = write_table(object_store, "servers/numbered", [numbered(0, 100), numbered(100, 150)])
    table = deltalake.DeltaTable(uri, storage_options=dict(object_store.storage_options))
    assert table.to_pyarrow_table().num_rows == 150
    key = "servers/numbered/_delta_log/00000000000000000001.json"
    filesystem = object_store.filesystem()
    content = filesystem.cat_file(f"{object_store.bucket}/{key}")
    config = {k: v for k, v in object_store.storage_options.items() if "allow_http" not in k}
    client = obstore.store.from_url(
        object_store.uri(""), config=config, client_options={"allow_http": True}
    )
    assert bytes(obstore.get(client, key).bytes()) == content
    assert bytes(obstore.get_range(client, key, start=3, end=9)) == content[3:9]
    found = filesystem.cat_file(f"{object_store.bucket}/{key}", start=3, end=9)
    assert found == content[3:9]


def test_keys_of_any_characters_are_kept_apart(object_store: ObjectStore, tmp_path: Path) -> None:
    names = ["a b", "a%20b", "ü+&=", "x=1/part"]
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    object_store.upload(tmp_path, "servers/names")
    filesystem = object_store.filesystem()
    root = f"{object_store.bucket}/servers/names"
    assert {name: filesystem.cat_file(f"{root}/{name}").decode() for name in names} == {
        name: name for name in names
    }


def test_a_server_ends_with_the_process_that_started_it_even_when_that_is_killed(
    tmp_path: Path,
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _PARENT, tmp_path / "log"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as parent:
        assert parent.stdout is not None
        server = os.pidfd_open(int(parent.stdout.readline()))
        try:
            parent.send_signal(signal.SIGKILL)
            parent.wait()
            # Readable once it has ended.
            assert select.select([server], [], [], 10.0)[0]
        finally:
            os.close(server)


def test_a_server_that_ends_at_once_says_what_it_wrote(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import sys; sys.exit('no such folder')"]
    with (
        ServerProcess(command, tmp_path / "log") as server,
        pytest.raises(RuntimeError, match="ended with 1 before it was ready: no such folder"),
    ):
        server.wait_ready(lambda: False)


def test_a_port_that_nobody_listens_on_does_not_answer() -> None:
    (port,) = free_ports(1)
    assert not answers_http(port), f"{HOST}:{port}"
