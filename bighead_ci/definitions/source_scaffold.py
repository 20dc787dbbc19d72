"""New sources: a definition, and for a file that somebody brings the stage that makes its data. Pure: paths → bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import StringIO

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from bighead_ci.definitions.check_sources import SOURCES
from bighead_ci.definitions.data_pipeline import PIPELINE
from bighead_ci.definitions.files import Files, Place
from bighead_ci.definitions.scaffold import check_name
from bighead_ci.errors import InputError
from bighead_ci.features.data_file import DataFile
from bighead_ci.ports.tree import Tree

RAW = f"{SOURCES}/raw"
"""Where files lie that somebody brought; git ignores them, as it does all data."""
_SOURCE = """\
owner: {owner}
description: What is one row, and where does it come from?
path: {name}.parquet
event_id: {event_id}
{times}columns:
{columns}"""
_SCRIPT = '''\
"""Turn {raw} into {name}.parquet: these columns, {how}."""

from __future__ import annotations

from pathlib import Path

{imports}

ROOT = Path(__file__).resolve().parents[2]
COLUMNS = {columns}

if __name__ == "__main__":
{read}
    pq.write_table(rows, ROOT / "features/sources/{name}.parquet", compression="zstd")
'''
_READ_PARQUET = """\
    with (ROOT / "{raw}").open("rb") as file:
        rows = pq.ParquetFile(file).read(COLUMNS)"""
_READ_CSV = """\
    options = csv.ConvertOptions(
        column_types=COLUMNS, include_columns=[*COLUMNS], null_values=[""], strings_can_be_null=True
    )
    rows = csv.read_csv(ROOT / "{raw}", convert_options=options)"""
_IN_CODE = {
    "bool": "pa.bool_()",
    "int64": "pa.int64()",
    "double": "pa.float64()",
    "string": "pa.string()",
    "timestamp[us]": 'pa.timestamp("us")',
    "timestamp[us, tz=UTC]": 'pa.timestamp("us", "UTC")',
}


@dataclass(frozen=True)
class NewSource:
    """What a source's definition says."""

    columns: Mapping[str, str]
    """Column → type."""
    event_id: str
    """The column that is unique per row."""
    times: Mapping[str, str | None]
    """`timestamp` and `known_at` → column, None for neither."""
    owner: str
    sizes: Mapping[str, int] = field(default_factory=dict)
    """List column → length of every list."""


def new_source(tree: Tree, name: str, wanted: NewSource) -> dict[str, bytes]:
    """A source's definition.

    Raises:
        InputError: the name is taken.
    """
    check_name("source", name)
    place = Place("source", name)
    if place in Files(tree).places:
        raise InputError(f"{place.file} exists already; edit it, or choose another name")
    text = _SOURCE.format(
        owner=json.dumps(wanted.owner),
        name=name,
        event_id=wanted.event_id,
        times="".join(f"{one}: {column}\n" for one, column in wanted.times.items() if column),
        columns="".join(f"  {column}: {kind}\n" for column, kind in wanted.columns.items()),
    )
    if wanted.sizes:
        text += "sizes:\n" + "".join(f"  {column}: {size}\n" for column, size in wanted.sizes.items())
    return {place.file: text.encode()}


def data_import(tree: Tree, name: str, data: DataFile, raw: str) -> dict[str, bytes]:
    """The script that makes a source's data from a file of the repository, and `dvc.yaml` with the stage that runs it.

    Args:
        tree: The files.
        name: The source.
        data: What the file holds.
        raw: Where it lies, relative to the repository.

    Raises:
        InputError: there is such a script or stage already.
    """
    script = f"features/sources/import_{name}.py"
    if script in tree.files():
        raise InputError(f"{script} exists already; delete it, or choose another name")
    stage = {
        "desc": f"{raw} as Parquet.",
        "cmd": f"python {script}",
        "deps": [script, raw],
        "outs": [f"features/sources/{name}.parquet"],
    }
    before = tree.read(PIPELINE).decode() if PIPELINE in tree.files() else ""
    return {script: _script(name, data, raw).encode(), PIPELINE: _with_stage(before, f"import_{name}", stage).encode()}


def _script(name: str, data: DataFile, raw: str) -> str:
    if data.is_csv:
        columns = "{\n" + "".join(f'    "{one.name}": {_IN_CODE[str(one.stored)]},\n' for one in data.columns) + "}"
        imports = "import pyarrow as pa\nimport pyarrow.csv as csv\nimport pyarrow.parquet as pq"
        how = "their texts as values of these types"
    else:
        columns = "[\n" + "".join(f'    "{one.name}",\n' for one in data.columns) + "]"
        imports, how = "import pyarrow.parquet as pq", "as they are"
    read = (_READ_CSV if data.is_csv else _READ_PARQUET).format(raw=raw)
    return _SCRIPT.format(raw=raw, name=name, how=how, imports=imports, columns=columns, read=read)


def _with_stage(text: str, name: str, stage: Mapping[str, str | Sequence[str]]) -> str:
    """A `dvc.yaml` with one stage more; what else stands there stays, with its comments."""
    yaml = YAML()
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.width = 120
    try:
        whole = yaml.load(text) or {}
    except YAMLError as error:
        raise InputError(f"{PIPELINE} is no YAML: {error}") from error
    stages = whole.get("stages") if isinstance(whole, dict) else None
    if not isinstance(whole, dict) or not isinstance(stages, dict | None):
        raise InputError(f"{PIPELINE} has no mapping of stages; mend it first")
    if stages and name in stages:
        raise InputError(f"{PIPELINE} has a stage {name} already; delete it, or choose another name")
    if stages:
        stages[name] = dict(stage)
    else:
        whole["stages"] = {name: dict(stage)}
    written = StringIO()
    yaml.dump(whole, written)
    return written.getvalue()
