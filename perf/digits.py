"""Owns images of digits: drawn ones that compress like MNIST's, or MNIST's own from IDX files."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import numpy.typing as npt

__all__ = ["SIDE", "draw_digits", "read_idx", "read_mnist_train"]

SIDE = 28
Pixels = npt.NDArray[np.uint8]

# The corners of a digit's strokes, x to the right and y downwards, in a box of 1 x 2.
_A, _B, _C, _D, _E, _F = (0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0), (0.0, 2.0), (1.0, 2.0)
_STROKES = (
    (_A, _B, _F, _E, _A),
    (_C, _B, _F),
    (_A, _B, _D, _C, _E, _F),
    (_A, _B, _C, _D, _F, _E),
    (_A, _C, _D, _B, _F),
    (_B, _A, _C, _D, _F, _E),
    (_B, _A, _E, _F, _D, _C),
    (_A, _B, _E),
    (_A, _B, _D, _C, _A, _E, _F, _D),
    (_D, _C, _A, _B, _D, _F),
)


def draw_digits(labels: npt.NDArray[np.int64], *, seed: int) -> Pixels:
    """Draw one image per label: uint8 of shape ``(len(labels), 784)``, the same for a seed.

    Strokes of a random slant, size, place and width, with soft noisy edges: as many grey pixels as MNIST has,
    and within a few per cent its size under Snappy.
    """
    generator = np.random.default_rng(seed)
    images = np.zeros((len(labels), SIDE * SIDE), dtype=np.uint8)
    for digit, strokes in enumerate(_STROKES):
        rows = np.flatnonzero(labels == digit)
        for start in range(0, len(rows), 1_000):
            chosen = rows[start : start + 1_000]
            images[chosen] = _draw(np.array(strokes, dtype=np.float32), len(chosen), generator)
    return images


def _draw(
    corners: npt.NDArray[np.float32], num_images: int, generator: np.random.Generator
) -> Pixels:
    """Draw `num_images` variations of one line of strokes."""

    def vary(low: float, high: float) -> npt.NDArray[np.float32]:
        return generator.uniform(low, high, (num_images, 1)).astype(np.float32)

    width, height, slant = vary(5.0, 11.0), vary(7.5, 10.0), vary(-0.1, 0.35)
    moved = corners[None] + generator.normal(0.0, 0.07, (num_images, *corners.shape))
    x = vary(12.5, 15.0) + (moved[..., 0] - 0.5) * width + (1.0 - moved[..., 1]) * slant * height
    y = vary(13.0, 15.0) + (moved[..., 1] - 1.0) * height
    points = np.stack([x, y], axis=-1).astype(np.float32)

    down, across = np.divmod(np.arange(SIDE * SIDE, dtype=np.float32), SIDE)
    pixels = np.stack([across, down], axis=-1)
    nearest = np.full((num_images, SIDE * SIDE), np.inf, dtype=np.float32)
    for stroke in range(len(corners) - 1):
        begin, end = points[:, stroke, None], points[:, stroke + 1, None]
        along = end - begin
        away = pixels[None] - begin
        share = (away * along).sum(-1) / np.maximum((along * along).sum(-1), 1e-6)
        off = away - np.clip(share, 0.0, 1.0)[..., None] * along
        np.minimum(nearest, np.sqrt((off * off).sum(-1)), out=nearest)
    ink = (vary(1.3, 2.3) - nearest) * 255.0
    inked = ink > 0
    noise = generator.normal(0.0, 12.0, ink.shape).astype(np.float32) * (ink < 300.0)
    return np.where(inked, np.clip(ink + noise, 1.0, 255.0), 0.0).astype(np.uint8)


def read_idx(path: Path) -> Pixels:
    """Read an IDX file of unsigned bytes, gzipped or not: dimensions as the file gives them."""
    raw = path.read_bytes()
    data = gzip.decompress(raw) if path.suffix == ".gz" else raw
    if data[:3] != b"\x00\x00\x08":
        raise ValueError(f"{path.name} is no IDX file of unsigned bytes")
    num_dimensions = data[3]
    shape = np.frombuffer(data, dtype=">u4", count=num_dimensions, offset=4)
    values = np.frombuffer(data, dtype=np.uint8, offset=4 + 4 * num_dimensions)
    return values.reshape(tuple(int(size) for size in shape))


def read_mnist_train(folder: Path) -> tuple[Pixels, Pixels]:
    """Read MNIST's training images ``(60000, 784)`` and labels ``(60000,)`` from `folder`."""
    images = read_idx(folder / "train-images-idx3-ubyte.gz")
    return images.reshape(len(images), -1), read_idx(folder / "train-labels-idx1-ubyte.gz")
