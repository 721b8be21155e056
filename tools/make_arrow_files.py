"""Writes the Arrow files of src/test/resources/arrow and the rows that they hold, with pyarrow and datasets.

    python tools/make_arrow_files.py src/test/resources/arrow
"""

import datetime
import json
import pathlib
import shutil
import sys
import tempfile

import datasets
import pyarrow as pa
import pyarrow.feather

OUT = pathlib.Path(sys.argv[1])
OUT.mkdir(parents=True, exist_ok=True)
TIME = datetime.datetime(2021, 3, 4, 5, 6, 7, 8000)
COLUMNS = {
    "text": pa.array(["good", None, "", "schön 😀", "bad"]),
    "large": pa.array(["a", "b", None, "d", "e"], pa.large_string()),
    "i8": pa.array([1, -2, None, 127, -128], pa.int8()),
    "u16": pa.array([1, 65535, None, 0, 3], pa.uint16()),
    "i64": pa.array([1, -(2**40), None, 2**62, 0], pa.int64()),
    "u64": pa.array([1, 2**64 - 1, None, 2**40, 0], pa.uint64()),
    "f32": pa.array([0.5, -1.25, None, 3e38, 0.0], pa.float32()),
    "f64": pa.array([0.1, -1e300, None, 1.0, 0.0], pa.float64()),
    "flag": pa.array([True, False, None, True, False]),
    "nothing": pa.array([None] * 5, pa.null()),
    "words": pa.array([["a", "b"], [], None, ["c", None], ["d"]]),
    "wide": pa.array([[1], [2, 3], None, [], [4]], pa.large_list(pa.int32())),
    "pair": pa.array([[1, 2], [3, 4], None, [5, 6], [7, 8]], pa.list_(pa.int16(), 2)),
    "turn": pa.array(
        [{"role": "user", "parts": ["x"]}, None, {"role": None, "parts": None}, {"role": "a", "parts": []}, {"role": "b", "parts": ["y", "z"]}],
        pa.struct([("role", pa.string()), ("parts", pa.list_(pa.string()))]),
    ),
    "kind": pa.array(["x", "y", None, "x", "y"]).dictionary_encode(),
    "day": pa.array([TIME.date(), None, datetime.date(1969, 12, 31), TIME.date(), TIME.date()]),
    "when": pa.array([TIME, None, TIME, TIME, TIME], pa.timestamp("us")),
    "instant": pa.array([TIME, None, TIME, TIME, TIME], pa.timestamp("ms", "UTC")),
}


def plain(value):
    """A value as our reader gives it, in JSON."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [plain(v) for v in value]
    if isinstance(value, datetime.datetime):
        return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, datetime.date):
        return value.isoformat()
    return value


table = pa.table(COLUMNS)
rows = [plain(row) for row in table.to_pylist()]
(OUT / "types.json").write_text(json.dumps(rows, ensure_ascii=False) + "\n")
with pa.ipc.new_stream(OUT / "types_stream.arrow", table.schema) as out:
    out.write_table(table, max_chunksize=3)
some = table.select(["text", "i64", "f32", "words", "turn", "kind"])
with pa.ipc.new_file(OUT / "types_file.arrow", some.schema) as out:
    out.write_table(some, max_chunksize=3)
pa.feather.write_feather(pa.table({"text": ["a"] * 40}), OUT / "compressed.feather", compression="zstd")
with pa.ipc.new_stream(OUT / "decimal.arrow", pa.schema([("text", pa.string()), ("price", pa.decimal128(5, 2))])) as out:
    pass

# As save_to_disk writes it, with the names of classes.
features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["no", "yes"])})
saved = datasets.Dataset.from_dict({"text": ["good", "bad", "so so"], "label": [1, 0, -1]}, features=features)
with tempfile.TemporaryDirectory() as folder:
    saved.save_to_disk(folder)
    shutil.copy(pathlib.Path(folder) / "data-00000-of-00001.arrow", OUT / "huggingface.arrow")
