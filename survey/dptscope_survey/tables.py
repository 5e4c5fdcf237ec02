"""Rows to files and back: Parquet where pyarrow is installed, lines of JSON elsewhere."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from dptscope.errors import DptscopeError, one_line
from dptscope_survey.columns import Column, Kind, Row

Format = Literal["parquet", "jsonl"]

KEY = "dptscope.survey"
"""Of the entry in a Parquet file's metadata that says in JSON what the survey is of."""


def encode(rows: Sequence[Row], columns: Sequence[Column], how: Format, about: Mapping[str, Any]) -> bytes:
    """Rows as the bytes of a file.

    Args:
        rows: a value for each column.
        columns: of the table.
        how: kind of the file.
        about: what the survey is of; lines of JSON have no place for it.
    """
    if how == "jsonl":
        return "".join(json.dumps(row) + "\n" for row in rows).encode()
    import pyarrow
    import pyarrow.parquet

    metadata = {KEY: json.dumps(about)} | {f"dptscope.{name}": _text(value) for name, value in about.items()}
    schema = pyarrow.schema([(column.name, _types()[column.kind]) for column in columns], metadata)
    buffer = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(list(rows), schema), buffer, compression="zstd")
    return buffer.getvalue()


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _types() -> dict[Kind, Any]:
    import pyarrow

    return {
        "text": pyarrow.string(),
        "whole": pyarrow.int32(),
        "number": pyarrow.float64(),
        "wholes": pyarrow.list_(pyarrow.int32()),
        "numbers": pyarrow.list_(pyarrow.float64()),
    }


def read(paths: Iterable[Path], names: Sequence[str]) -> dict[str, list[Any]]:
    """Some columns of a table's files, one after the other.

    Raises:
        DptscopeError: a file that is damaged or is none of a survey.
    """
    found: dict[str, list[Any]] = {name: [] for name in names}
    for path in paths:
        try:
            for name, values in _read_one(path, names).items():
                found[name] += values
        except (OSError, ValueError, KeyError) as error:  # pyarrow's are these
            raise DptscopeError(f"{path}: expected a table of a survey ({one_line(error)})") from error
    return found


def _read_one(path: Path, names: Sequence[str]) -> dict[str, list[Any]]:
    if path.suffix == ".jsonl":
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        return {name: [row[name] for row in rows] for name in names}
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(path, columns=list(names))
    return {name: table.column(name).to_pylist() for name in names}
