"""transformers' Trainer reads what `get_train_dataloader` returns, and a dataset given to it is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.loaders import merge_ranks
from tests.support.tables import write_numbered
from tests.support.torchrun import run_ranks

SIZES = (310, 250, 80)
NUM_ROWS = sum(SIZES)

START = """
import torch
from transformers import Trainer, TrainingArguments
from deltastream import DeltaDataset, FieldSpec, create_pytorch_dataloader
table = sys.argv[2]
options = {"batch_size": 16, "shuffle": True, "lanes": 4}

class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(1, 1)
        self.seen = []
    def forward(self, id, x):
        self.seen.append(id.tolist())
        return {"loss": self.linear(x[:, None]).mean()}

def arguments(**more):
    return TrainingArguments(output_dir=str(folder / f"out-{rank}"), use_cpu=True, num_train_epochs=2, report_to="none",
        save_strategy="no", logging_strategy="no", disable_tqdm=True, **more)

"""


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_numbered(tmp_path_factory.mktemp("transformers") / "table", SIZES)


@pytest.mark.parametrize("num_ranks", [1, 2])
def test_the_trainer_reads_every_row_once_an_epoch(
    table: Path, tmp_path: Path, num_ranks: int
) -> None:
    source = """
class OurTrainer(Trainer):
    def get_train_dataloader(self):
        fields = [FieldSpec("id"), FieldSpec("x")]
        return create_pytorch_dataloader(table, fields=fields, num_workers=1, **options)

model = Model()
done = OurTrainer(model, arguments()).train()
leave([model.seen, done.global_step])
torch.distributed.is_initialized() and torch.distributed.destroy_process_group()
"""
    ended = run_ranks(tmp_path, START + source, num_ranks, table, strict=False)
    assert ended.returncode == 0, ended.err
    merged = merge_ranks([seen for seen, _ in ended.left])
    assert {steps for _, steps in ended.left} == {2 * NUM_ROWS // 16 // num_ranks}
    epochs = merged[: len(merged) // 2], merged[len(merged) // 2 :]
    for epoch in epochs:
        assert sorted(row for batch in epoch for row in batch) == list(range(NUM_ROWS))
    assert epochs[0] != epochs[1]


@pytest.mark.parametrize("num_ranks", [1, 2])
def test_a_dataset_given_to_the_trainer_is_refused(
    table: Path, tmp_path: Path, num_ranks: int
) -> None:
    source = """
dataset = DeltaDataset(table, [FieldSpec("id"), FieldSpec("x")], **options)
try:
    Trainer(Model(), arguments(accelerator_config={"dispatch_batches": False}), train_dataset=dataset).train()
except Exception as error:
    leave(str(error))
os._exit(0)
"""
    ended = run_ranks(tmp_path, START + source, num_ranks, table, strict=False)
    for message in ended.left:
        assert message is not None, ended.err
        assert "get_train_dataloader()" in message


def test_the_trainer_goes_on_from_a_checkpoint_in_the_middle_of_an_epoch(
    table: Path, tmp_path: Path
) -> None:
    source = """
from transformers import TrainerCallback

class KeepState(TrainerCallback):
    def on_save(self, args, state, control, train_dataloader=None, **more):
        file = Path(args.output_dir) / f"checkpoint-{state.global_step}" / "loader.json"
        file.write_text(json.dumps(train_dataloader.state_dict()))

    def on_train_begin(self, args, state, control, train_dataloader=None, **more):
        if checkpoint is not None:
            train_dataloader.load_state_dict(json.loads((checkpoint / "loader.json").read_text()))

class OurTrainer(Trainer):
    def get_train_dataloader(self):
        fields = [FieldSpec("id"), FieldSpec("x")]
        return create_pytorch_dataloader(table, fields=fields, num_workers=1, **options)

def train(max_steps):
    model = Model()
    chosen = arguments(max_steps=max_steps, save_steps=55, ignore_data_skip=True)
    chosen.save_strategy = "steps"
    OurTrainer(model, chosen, callbacks=[KeepState()]).train(resume_from_checkpoint=checkpoint)
    return model.seen

checkpoint = None
alone = train(80)
checkpoint = folder / "out-0" / "checkpoint-55"
leave([alone, train(80)])
"""
    ended = run_ranks(tmp_path, START + source, 1, table, strict=False)
    assert ended.returncode == 0, ended.err
    alone, after = ended.left[0]
    assert after == alone[55:]
