"""Filters: parsed once, bound to a table's schema, evaluated exactly over rows, and over bounds to prune."""

from deltastream.predicate.bind import bind
from deltastream.predicate.bound import Predicate, paths_of
from deltastream.predicate.bounds import Bounds
from deltastream.predicate.columns import (
    Path,
    parse_column,
    project_columns,
    readings,
    resolve_column,
    take_path,
)
from deltastream.predicate.dnf import parse_term
from deltastream.predicate.evaluate import evaluate, kept_rows
from deltastream.predicate.expression import Column, Expression, columns_of
from deltastream.predicate.outcomes import Outcomes, outcomes
from deltastream.predicate.parse import Filter, parse_filter
from deltastream.predicate.text import text_of

__all__ = [
    "Bounds",
    "Column",
    "Expression",
    "Filter",
    "Outcomes",
    "Path",
    "Predicate",
    "bind",
    "columns_of",
    "evaluate",
    "kept_rows",
    "outcomes",
    "parse_column",
    "parse_filter",
    "parse_term",
    "paths_of",
    "project_columns",
    "readings",
    "resolve_column",
    "take_path",
    "text_of",
]
