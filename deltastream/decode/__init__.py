"""From Parquet bytes to Arrow columns of the table's schema. Everything here blocks: it runs in the decode pool."""

from deltastream.decode.footer import Footer, read_footer
from deltastream.decode.projection import Projection
from deltastream.decode.row_group import RowGroupDecoder

__all__ = ["Footer", "Projection", "RowGroupDecoder", "read_footer"]
