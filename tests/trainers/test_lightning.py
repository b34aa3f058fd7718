"""Lightning takes a loader as it is, and a loader made before its processes know their ranks is refused."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.loaders import merge_ranks
from tests.support.tables import write_numbered
from tests.support.torchrun import run_ranks

SIZES = (310, 250, 80)
NUM_ROWS = sum(SIZES)

START = """
import logging
import lightning.pytorch as pl, torch
from deltastream import FieldSpec, create_pytorch_dataloader
logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
table = sys.argv[2]

def make(**more):
    fields = [FieldSpec("id"), FieldSpec("x")]
    options = {"batch_size": 16, "shuffle": True, "lanes": 4, "pad": False}
    return create_pytorch_dataloader(table, fields=fields, **options | more)

class Model(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(1, 1)
        self.epochs, self.predicted = [], []
    def on_train_epoch_start(self):
        self.epochs.append([])
    def training_step(self, batch, index):
        self.epochs[-1].append(batch["id"].tolist())
        return self.linear(batch["x"][:, None]).mean()
    def predict_step(self, batch, index):
        self.predicted.append(batch["id"].tolist())
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=1e-9)

def trainer(**options):
    for shown in ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"):
        options[shown] = False
    return pl.Trainer(accelerator="cpu", max_epochs=2, **options)

"""


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_numbered(tmp_path_factory.mktemp("lightning") / "table", SIZES)


@pytest.mark.parametrize("num_ranks", [1, 2])
def test_fit_and_predict_read_every_row_once_an_epoch(
    table: Path, tmp_path: Path, num_ranks: int
) -> None:
    source = """
model = Model()
if world_size == 1:
    one = trainer()
    one.fit(model, make(num_workers=1))
else:
    one = trainer(devices=world_size, strategy="ddp")
    class Data(pl.LightningDataModule):
        def train_dataloader(self):
            return make(num_workers=1)
    one.fit(model, datamodule=Data())
one.predict(model, make(num_workers=1))
leave([*model.epochs, model.predicted])
"""
    ended = run_ranks(tmp_path, START + source, num_ranks, table, strict=False)
    assert ended.returncode == 0, ended.err
    first, second, predicted = (merge_ranks(shares) for shares in zip(*ended.left, strict=True))
    for merged in (first, second, predicted):
        assert sorted(row for batch in merged for row in batch) == list(range(NUM_ROWS))
    assert predicted == first != second


def test_a_loader_made_before_lightning_starts_its_processes_is_refused(
    table: Path, tmp_path: Path
) -> None:
    source = """
loader = make()
try:
    trainer(devices=2, strategy="ddp").fit(Model(), loader)
except Exception as error:
    # Lightning's own handler stumbles over the epoch that did not begin.
    error = error.__context__ or error
    (folder / os.environ.get("LOCAL_RANK", "0")).write_text(str(error))
os._exit(0)
"""
    script = tmp_path / "script.py"
    preamble = "import os, sys\nfrom pathlib import Path\nfolder = Path(sys.argv[1])\n"
    script.write_text(preamble + START + source)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    subprocess.run(
        [sys.executable, script, tmp_path, table],
        env=environment,
        capture_output=True,
        timeout=100,
        check=True,
    )
    for rank in range(2):
        message = (tmp_path / str(rank)).read_text()
        assert message.startswith(
            "this loader was made as rank 0 of 1, before torch.distributed was initialised as rank "
            f"{rank} of 2: make it afterwards (with Lightning in train_dataloader())"
        )
