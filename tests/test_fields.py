from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
import torch

from deltastream import FieldSpec, OptionError


@pytest.mark.parametrize("dtype", [torch.float16, "float16", "torch.float16", np.dtype("float16")])
def test_a_dtype_is_kept_by_its_name_whatever_it_is_given_as(dtype: Any) -> None:
    spec = FieldSpec("x", dtype=dtype)
    assert spec.dtype == "float16"
    assert pickle.loads(pickle.dumps(spec)) == spec


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"dtype": torch.complex64},
            "dtype must be one of bfloat16, bool, .*, got torch.complex64",
        ),
        ({"dtype": "half"}, "dtype must be one of"),
        ({"ragged": "csr"}, "ragged must be True, False, None or one of 'list', 'offsets'"),
        ({"pad_value": 1}, 'pad_value is for ragged="padded"'),
        ({"pad_value": 1, "ragged": "nested"}, 'pad_value is for ragged="padded"'),
        ({"decimal": "exact"}, 'decimal must be "float" or None'),
        ({"dtype": "float16", "transform": len}, "dtype is for tensors made of the column itself"),
        ({"decimal": "float", "transform": len}, "decimal is for tensors made of the column"),
        ({"ragged": "padded", "transform": len}, "ragged='padded' is for tensors made of"),
        ({"dtype": "int8", "load_image_using_pil": True}, "an image decoder decides its own"),
    ],
)
def test_options_that_cannot_be_are_refused_where_they_are_given(
    options: dict[str, Any], message: str
) -> None:
    with pytest.raises(OptionError, match=f"FieldSpec 'x': .*{message}"):
        FieldSpec("x", **options)
