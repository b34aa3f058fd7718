"""Owns per-row Python: image decoding and users' transforms."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from deltastream.batch.lengths import shape_of
from deltastream.batch.objects import python_values
from deltastream.errors import OptionError, SchemaError, TransformError
from deltastream.fields import FieldSpec
from deltastream.types import FileContext

__all__ = ["RowNumbers", "StoppedError", "row_values"]

RowNumbers: TypeAlias = Sequence[int] | npt.NDArray[np.int64]


class StoppedError(Exception):
    """The iterator was closed while rows were being transformed."""


def row_values(
    columns: Sequence[pa.Array],
    spec: FieldSpec,
    context: FileContext,
    row_numbers: RowNumbers,
    is_stopped: Callable[[], bool],
) -> npt.NDArray[np.object_]:
    """Return a per-row field's values, ``[n]`` of dtype object. Runs the user's code, once per row and in order.

    Several columns give the transform a tuple. Once `is_stopped()`, nobody wants the values any more. `row_numbers` are
    what errors call the rows.

    Raises:
        StoppedError: `is_stopped()` said so.
        TransformError: The transform, or the image decoder, raised; the row is named by its number in `row_numbers`.
    """
    values = _python_values(columns, spec, context)
    if spec.decoded_shape is not None:
        values = [_array(value, spec, context) for value in values]
    image = _image_opener() if spec.load_image_using_pil else None
    for i, value in enumerate(values):
        if is_stopped():
            raise StoppedError
        try:
            if image is not None and value is not None:
                value = image(value)
            if spec.transform is not None:
                value = spec.transform(value)
        except Exception as error:
            what = "its transform" if spec.transform is not None else "the image decoder"
            raise TransformError(
                f"{context}, row {row_numbers[i]}: field {spec.target!r}: {what} raised "
                f"{type(error).__name__}: {error}"
            ) from error
        values[i] = value
    return np.fromiter(values, np.object_, len(values))


def _python_values(columns: Sequence[pa.Array], spec: FieldSpec, context: FileContext) -> list[Any]:
    values = [
        list(python_values(column, context, name))
        for column, name in zip(columns, spec.names, strict=True)
    ]
    return values[0] if len(values) == 1 else list(zip(*values, strict=True))


def _array(
    value: bytes | None, spec: FieldSpec, context: FileContext
) -> npt.NDArray[np.uint8] | None:
    if value is None:
        return None
    shape = spec.decoded_shape
    assert shape is not None
    if shape_of(shape, len(value)) is None:
        raise SchemaError(
            f"{context}: column {spec.names[0]!r} has a value of {len(value)} bytes, which is no array of shape {shape}"
        )
    # A transform may write to its argument, and bytes are read-only.
    return np.frombuffer(value, np.uint8).reshape(shape).copy()


def _image_opener() -> Any:
    try:
        from PIL import Image
    except ImportError as error:
        raise OptionError(
            "load_image_using_pil=True needs Pillow: pip install 'deltastream[images]'"
        ) from error

    def open_image(value: bytes) -> Any:
        image = Image.open(io.BytesIO(value))
        image.load()
        return image

    return open_image
