"""Tables whose URIs have escapes or secrets: planned and read at one place."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deltastream import DeltaDataset, FieldSpec, read_arrow
from tests.support.loaders import row_ids
from tests.support.logs import LogFolder, add
from tests.support.servers.store import ObjectStore
from tests.support.tables import write_numbered


@pytest.mark.parametrize("transport", ["fsspec", "obstore"])
@pytest.mark.parametrize(
    ("folder", "encoded"), [("a%20b", "a%2520b"), ("a#b", "a%23b"), ("a?b", "a%3Fb")]
)
def test_a_folder_with_a_sign_of_uris_in_its_name_is_read(
    s3: ObjectStore, tmp_path: Path, transport: Any, folder: str, encoded: str
) -> None:
    root = write_numbered(tmp_path / "t", [30])
    other = write_numbered(tmp_path / "other", [5])
    place = f"odd/{tmp_path.name}"
    s3.upload(root, f"{place}/{folder}")
    # What a name decoded twice, or cut off, would find.
    s3.upload(other, f"{place}/a b")
    s3.upload(other, f"{place}/a")
    uri = f"{s3.uri(place)}/{encoded}"
    options = {"storage_options": s3.storage_options, "transport": transport}
    data = DeltaDataset(uri, [FieldSpec("id")], **options)
    assert row_ids(data) == list(range(30))
    # The URI of a state is one that can be opened.
    again = DeltaDataset(data.state_dict()["table_uri"], [FieldSpec("id")], **options)
    assert row_ids(again) == list(range(30))


@pytest.mark.parametrize("transport", ["fsspec", "obstore"])
def test_an_absolute_path_of_a_log_is_decoded_once(
    s3: ObjectStore, tmp_path: Path, transport: Any
) -> None:
    file = tmp_path / "data" / "p=c%3Ad" / "f.parquet"
    file.parent.mkdir(parents=True)
    pq.write_table(pa.table({"x": range(30)}), file)
    place = f"clone/{tmp_path.name}"
    s3.upload(tmp_path / "data", f"{place}/data")
    log = LogFolder(tmp_path / "clone")
    path = f"{s3.uri(place)}/data/p=c%253Ad/f.parquet"
    log.first_commit(add(path, size=file.stat().st_size, stats='{"numRecords":30}'))
    s3.upload(tmp_path / "clone", f"{place}/clone")
    found = read_arrow(
        f"{s3.uri(place)}/clone",
        storage_options=s3.storage_options,
        transport=transport,
    )
    assert found.num_rows == 30


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[str]:
    """A web server that asks for a user."""

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args, directory=str(tmp_path))

        def do_GET(self) -> None:
            if self.headers["Authorization"] != f"Basic {base64.b64encode(b'user:pw').decode()}":
                self.send_response(401)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            path = Path(self.translate_path(self.path))
            if not path.is_file() or "Range" not in self.headers:
                super().do_GET()
                return
            first, _, last = self.headers["Range"].removeprefix("bytes=").partition("-")
            data = path.read_bytes()
            body = data[int(first) : int(last) + 1]
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(data)}")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_the_user_of_a_uri_is_known_where_data_is_read(guarded: str, tmp_path: Path) -> None:
    write_numbered(tmp_path / "t", [30])
    data = DeltaDataset(f"http://user:pw@{guarded}/t", [FieldSpec("id")])
    assert row_ids(data) == list(range(30))
    assert "pw" not in repr(data) + repr(data.state_dict()) + repr(data.progress.plan)
