"""The DataLoader and the functions that make one as deltatorch did."""

from deltastream.loader.create import create_pytorch_dataloader
from deltastream.loader.loader import DeltaDataLoader

__all__ = ["DeltaDataLoader", "create_pytorch_dataloader"]
