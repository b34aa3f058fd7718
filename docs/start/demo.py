"""Train on a Delta table, from writing it to the accuracy on held-out rows: the deltatorch tutorial, streamed.

Without arguments it takes scikit-learn's digits, 8 x 8; with ``--mnist FOLDER`` the four IDX files of MNIST, and then
it is the tutorial: 50 files, its network, Adam, batches of 32, three epochs.
"""

from __future__ import annotations

import argparse
import gzip
import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from deltalake import write_deltalake
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from torch import Tensor, nn

from deltastream import FieldSpec, create_pytorch_dataloader

Images = tuple[np.ndarray, np.ndarray]
"""Pixels, uint8 of shape (rows, side, side), and labels."""


@dataclass(frozen=True)
class Job:
    """What to train on, and for how long."""

    train: Images
    test: Images
    num_files: int
    num_epochs: int


def read_digits() -> Job:
    """scikit-learn's digits: 1,797 images of 8 x 8, of which 297 are held out."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    pixels = (digits.images * (255 / 16)).astype(np.uint8)
    order = np.random.default_rng(0).permutation(len(pixels))
    train, test = order[:1_500], order[1_500:]
    return Job(
        (pixels[train], digits.target[train]),
        (pixels[test], digits.target[test]),
        10,
        num_epochs=10,
    )


def read_mnist(folder: Path) -> Job:
    """MNIST from its IDX files: 60,000 images of 28 x 28, and 10,000 to test."""

    def read(name: str, *shape: int, offset: int) -> np.ndarray:
        content = gzip.decompress((folder / f"{name}-ubyte.gz").read_bytes())
        return np.frombuffer(content, dtype=np.uint8, offset=offset).reshape(-1, *shape)

    def pair(prefix: str) -> Images:
        images = read(f"{prefix}-images-idx3", 28, 28, offset=16)
        return images, read(f"{prefix}-labels-idx1", offset=8)

    return Job(pair("train"), pair("t10k"), 50, num_epochs=3)


def write_table(path: Path, images: Images, num_files: int) -> None:
    """Write images as the tutorial does: an id, a label, the pixels as bytes."""
    pixels, labels = images
    for rows in np.array_split(np.arange(len(labels)), num_files):
        table = pa.table(
            {
                "id": pa.array(rows, pa.int32()),
                "label": pa.array(labels[rows], pa.float32()),
                "features": pa.array([pixels[row].tobytes() for row in rows], pa.binary()),
            }
        )
        write_deltalake(path, table, mode="append")


class SimpleCNN(nn.Module):
    """The tutorial's network, for images of any even side."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, kernel_size=3, stride=1, padding=1)
        self.relu = nn.ReLU()
        self.maxpool = nn.MaxPool2d(kernel_size=2, stride=2)
        self.fc = nn.Linear(32 * (side // 2) ** 2, 10)

    def forward(self, images: Tensor) -> Tensor:
        """Logits of shape (rows, 10) for uint8 images of shape (rows, side, side)."""
        scaled = images.unsqueeze(1).float() / 255
        return self.fc(self.maxpool(self.relu(self.conv1(scaled))).flatten(1))


def create_data_loader(path: Path, side: int, *, shuffle: bool):
    """A loader as in the tutorial; the pixels are decoded a whole batch at a time."""
    return create_pytorch_dataloader(
        path,
        id_field="id",
        fields=[
            FieldSpec("features", decode_numpy_and_apply_shape=(side, side)),
            FieldSpec("label"),
        ],
        batch_size=32,
        shuffle=shuffle,
        # One thread decodes many times faster than the network learns; the other cores are the trainer's.
        decode_threads=1,
    )


class Stopwatch:
    """Passes batches on, and adds up how long they were waited for."""

    def __init__(self) -> None:
        self.waited_s = 0.0

    def over(self, batches) -> Iterator[dict[str, Tensor]]:
        """The batches, timed."""
        iterator = iter(batches)
        while True:
            started = time.perf_counter()
            batch = next(iterator, None)
            self.waited_s += time.perf_counter() - started
            if batch is None:
                return
            yield batch


def train(model: SimpleCNN, loader, num_epochs: int, device: torch.device) -> None:
    """Train with Adam; shows loss, accuracy, and how long the trainer waited for data."""
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.001)
    console = Console()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[seen]}"),
    )
    num_rows, all_s, waited_s = 0, 0.0, 0.0
    with Progress(*columns, console=console) as progress:
        for epoch in range(num_epochs):
            task = progress.add_task(f"epoch {epoch + 1}", total=len(loader), seen="")
            stopwatch, started = Stopwatch(), time.perf_counter()
            correct = total = 0
            for step, batch in enumerate(stopwatch.over(loader), start=1):
                inputs, labels = batch["features"].to(device), batch["label"].to(device).long()
                optimizer.zero_grad()
                outputs = model(inputs)
                loss = criterion(outputs, labels)
                loss.backward()
                optimizer.step()
                total += len(labels)
                correct += int((outputs.argmax(1) == labels).sum())
                if step % 25 == 0 or step == len(loader):
                    seen = f"loss {loss.item():.4f}, accuracy {correct / total:.2%}"
                    progress.update(task, completed=step, seen=seen)
            elapsed_s = time.perf_counter() - started
            num_rows, all_s = num_rows + total, all_s + elapsed_s
            waited_s += stopwatch.waited_s
    console.print(
        f"{num_rows:,} rows in {all_s:.1f} s: {num_rows / all_s:,.0f} rows/s; the trainer waited for data "
        f"{waited_s / all_s:.2%} of the time"
    )


def test(model: SimpleCNN, loader, device: torch.device) -> float:
    """The average of the batches' accuracies, as the tutorial takes it."""
    model.eval()
    accuracies = []
    with torch.no_grad():
        for batch in loader:
            predicted = model(batch["features"].to(device)).argmax(1)
            right = predicted == batch["label"].to(device).long()
            accuracies.append(right.float().mean().item())
    return sum(accuracies) / len(accuracies)


def main() -> None:
    """Write the tables, train, test."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mnist", type=Path, help="folder of MNIST's four IDX .gz files")
    parser.add_argument("--folder", type=Path, help="where the tables go; else a temporary one")
    parser.add_argument("--epochs", type=int, help="instead of 3 (MNIST) or 10 (digits)")
    arguments = parser.parse_args()

    torch.manual_seed(0)
    # Leave a core to the decoding: where the trainer's threads have to wait for one, each small operation does.
    torch.set_num_threads(max(1, len(os.sched_getaffinity(0)) - 1))
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    job = read_digits() if arguments.mnist is None else read_mnist(arguments.mnist)
    side = job.train[0].shape[1]
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        for name, images in (("train", job.train), ("test", job.test)):
            # Twice into one folder would append.
            if not (folder / name / "_delta_log").exists():
                write_table(folder / name, images, job.num_files)
        loader = create_data_loader(folder / "train", side, shuffle=True)
        print(
            f"{len(job.train[1]):,} rows of {side} x {side} in {job.num_files} files: {len(loader):,} batches"
        )
        model = SimpleCNN(side).to(device)
        train(model, loader, arguments.epochs or job.num_epochs, device)
        accuracy = test(model, create_data_loader(folder / "test", side, shuffle=False), device)
        print(f"Average test accuracy: {accuracy:.2%}")


if __name__ == "__main__":
    main()
