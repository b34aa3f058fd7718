"""From Parquet bytes to Arrow columns of the table's schema. Everything here blocks: it runs in the decode pool."""

from deltastream.decode.deletion_vector import parse_deletion_vector
from deltastream.decode.filter import FileFilter
from deltastream.decode.first_rows import decode_first_rows
from deltastream.decode.footer import Footer, read_footer
from deltastream.decode.projection import Projection
from deltastream.decode.row_group import RowGroupDecoder
from deltastream.decode.statistics import row_group_statistics

__all__ = [
    "FileFilter",
    "Footer",
    "Projection",
    "RowGroupDecoder",
    "decode_first_rows",
    "parse_deletion_vector",
    "read_footer",
    "row_group_statistics",
]
