from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from tests.support.children import run_script

SCRIPT = """
import sys
import pyarrow as pa
from deltastream import FieldSpec, create_pytorch_dataloader

if __name__ == "__main__":
    pool = pa.jemalloc_memory_pool()
    for column in ("number", "bytes"):
        before = pool.total_bytes_allocated()
        for batch in create_pytorch_dataloader(sys.argv[1], fields=[FieldSpec(column)], batch_size=100):
            pass
        del batch
        print(column, pool.total_bytes_allocated() - before >= 1 << 20, pool.bytes_allocated())
"""


@pytest.mark.skipif(
    "jemalloc" not in pa.supported_memory_backends() or "ARROW_DEFAULT_MEMORY_POOL" in os.environ,
    reason="needs an Arrow with jemalloc, and no other pool chosen for it",
)
@pytest.mark.parametrize(("chosen", "is_used"), [(None, True), ("system", False)])
def test_values_of_varying_width_come_from_jemalloc_unless_another_pool_was_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chosen: str | None, is_used: bool
) -> None:
    table = pa.table(
        {"number": list(range(200)), "bytes": [os.urandom(10_000) for _ in range(200)]}
    )
    write_deltalake(tmp_path / "t", table)
    if chosen is not None:
        monkeypatch.setenv("ARROW_DEFAULT_MEMORY_POOL", chosen)
    ended = run_script(tmp_path / "script.py", SCRIPT, tmp_path / "t")
    assert (ended.returncode, ended.err) == (0, "")
    assert ended.out.splitlines() == ["number False 0", f"bytes {is_used} 0"]
