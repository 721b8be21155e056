"""Writes the Parquet files of src/test/resources/parquet and the rows that they hold, with pyarrow.

    python tools/make_parquet_files.py src/test/resources/parquet
"""

import datetime
import decimal
import json
import pathlib
import sys

import pyarrow as pa
import pyarrow.parquet as pq

OUT = pathlib.Path(sys.argv[1])
ROWS = {}


def plain(value):
    """A value as our reader gives it, in JSON."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, datetime.datetime):
        text = value.isoformat()
        return text.replace("+00:00", "Z")
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, decimal.Decimal):
        return str(value)
    if isinstance(value, bytes):
        return f"{len(value)} bytes that are no text"
    return value


def write(name, table, **options):
    pq.write_table(table, OUT / f"{name}.parquet", **options)
    ROWS[name] = plain(table.to_pylist())


utc = datetime.timezone.utc
types = pa.table(
    {
        "text": ["a", "", None, "äöü 😀", "e"],
        "i8": pa.array([1, -2, None, 127, 0], pa.int8()),
        "u32": pa.array([1, 2**32 - 1, None, 0, 5], pa.uint32()),
        "i64": pa.array([1, -(2**62), None, 0, 5], pa.int64()),
        "u64": pa.array([1, 2**64 - 1, None, 0, 5], pa.uint64()),
        "f32": pa.array([0.5, -1.25, None, 0.0, 3.0], pa.float32()),
        "f64": pa.array([0.1, -1e300, None, 0.0, 3.5], pa.float64()),
        "f16": pa.array([0.5, -2.0, None, 0.0, 1.5], pa.float16()),
        "flag": [True, False, None, True, True],
        "day": pa.array([datetime.date(2024, 2, 29)] * 2 + [None, datetime.date(1969, 12, 31)] + [None]),
        "at": pa.array(
            [datetime.datetime(2024, 2, 29, 12, 30, 1, tzinfo=utc), None, None, None, None],
            pa.timestamp("ms", tz="UTC"),
        ),
        "local": pa.array(
            [datetime.datetime(1960, 2, 29, 12, 30, 1, 250001), None, None, None, None],
            pa.timestamp("us"),
        ),
        "price": pa.array([decimal.Decimal("1.50"), decimal.Decimal("-0.05"), None, None, None], pa.decimal128(20, 2)),
        "bytes": pa.array([b"\x00\xff", None, None, b"", None], pa.binary()),
        "fixed": pa.array([b"abcd", b"efgh", None, b"ijkl", None], pa.binary(4)),
        "nothing": pa.nulls(5),
    }
)
write("types_plain", types, compression="none", use_dictionary=False, store_schema=False, write_statistics=False)
write(
    "types_snappy_dictionary",
    types,
    compression="snappy",
    row_group_size=2,
    data_page_version="2.0",
    store_schema=False,
    write_statistics=False,
)

nested = pa.table(
    {
        "tokens": [["EU", "rejects"], [], None, ["x", None, "z"], ["one"]] * 3,
        "tags": pa.array([[3, 0], [], None, [1, 2, 3], [0]] * 3, pa.list_(pa.int32())),
        "deep": pa.array([[[1], []], [], None, [None, [2, 3]], [[4, 5, 6]]] * 3, pa.list_(pa.list_(pa.int64()))),
        "answers": [
            {"text": ["a", "b"], "answer_start": [1, 2]},
            {"text": [], "answer_start": []},
            None,
            {"text": None, "answer_start": [7]},
            {"text": ["c"], "answer_start": None},
        ]
        * 3,
        "messages": [
            [{"role": "user", "content": "hi"}, {"role": "assistant", "content": None}],
            [],
            None,
            [{"role": "user", "content": "bye"}],
            [None],
        ]
        * 3,
        "map": pa.array([[("k", 1), ("l", None)], [], None, [("m", 2)], []] * 3, pa.map_(pa.string(), pa.int64())),
    }
)
for codec, version in (("zstd", "1.0"), ("gzip", "2.0")):
    write(
        f"nested_{codec}",
        nested,
        compression=codec,
        data_page_version=version,
        row_group_size=4,
        store_schema=False,
        write_statistics=False,
    )
for name in ("nested_zstd", "nested_gzip"):
    for row in ROWS[name]:
        row["map"] = None if row["map"] is None else dict(row["map"])

count = 400
long = pa.table(
    {
        "delta": pa.array([i * i - 5000 for i in range(count)], pa.int64()),
        "delta32": pa.array([(-1) ** i * i for i in range(count)], pa.int32()),
        "length": [f"word {i % 7}" * (i % 3) for i in range(count)],
        "prefix": [f"common beginning {i:04d}" for i in range(count)],
        "split": pa.array([i / 8 for i in range(count)], pa.float32()),
        "split64": pa.array([i / 8 if i % 5 else None for i in range(count)], pa.float64()),
        "flags": [i % 3 == 0 if i % 11 else None for i in range(count)],
    }
)
encodings = {
    "delta": "DELTA_BINARY_PACKED",
    "delta32": "DELTA_BINARY_PACKED",
    "length": "DELTA_LENGTH_BYTE_ARRAY",
    "prefix": "DELTA_BYTE_ARRAY",
    "split": "BYTE_STREAM_SPLIT",
    "split64": "BYTE_STREAM_SPLIT",
    "flags": "RLE",
}
write(
    "encodings_lz4",
    long,
    compression="lz4",
    use_dictionary=False,
    column_encoding=encodings,
    data_page_size=256,
    store_schema=False,
    write_statistics=False,
)
del ROWS["encodings_lz4"]  # which the test counts up itself
write("brotli", pa.table({"text": ["a"]}), compression="brotli", store_schema=False)
del ROWS["brotli"]

features = {
    "info": {
        "features": {
            "text": {"dtype": "string", "_type": "Value"},
            "label": {"names": ["negative", "positive"], "_type": "ClassLabel"},
            "ner_tags": {"feature": {"names": ["O", "B-PER"], "_type": "ClassLabel"}, "_type": "List"},
        }
    }
}
labelled = pa.table(
    {
        "text": ["good", "bad", "unknown"],
        "label": pa.array([1, 0, -1], pa.int64()),
        "ner_tags": pa.array([[0, 1], [1], []], pa.list_(pa.int64())),
    }
).replace_schema_metadata({"huggingface": json.dumps(features)})
pq.write_table(labelled, OUT / "huggingface.parquet")

(OUT / "rows.json").write_text(json.dumps(ROWS, ensure_ascii=False, separators=(",", ":")) + "\n")
