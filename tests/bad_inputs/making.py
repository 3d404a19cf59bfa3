"""Files that a case cannot hold as text: Parquet and safetensors, whole and broken."""

import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors.numpy import load_file, save


def parquet(columns, classes=None, metadata=None):
    """A Parquet file of these columns, with class names or whatever stands in the place that `datasets` writes to."""
    if classes:
        features = {name: {"_type": "ClassLabel", "names": names} for name, names in classes.items()}
        metadata = json.dumps({"info": {"features": features}})
    table = pa.table(columns)
    return _written(table.replace_schema_metadata({"huggingface": metadata}) if metadata else table)


def _written(table):
    file = io.BytesIO()
    pq.write_table(table, file)
    return file.getvalue()


def torn_parquet():
    whole = parquet({"text": ["a", "b"], "label": ["x", "y"]})
    return whole[: len(whole) // 2]


def scrambled_parquet():
    """The footer is whole, the pages before it are not."""
    rows = [f"text {number}" for number in range(500)]
    whole = bytearray(parquet({"text": rows, "label": ["x", "y"] * 250}))
    whole[4:200] = b"\xff" * 196
    return bytes(whole)


def doubled_parquet():
    column = pa.array(["a", "b"])
    return _written(pa.Table.from_arrays([column, column, pa.array(["x", "y"])], ["text", "text", "label"]))


def latin_parquet():
    """A text column whose bytes are not UTF-8, as some writers leave them."""
    texts = pa.Array.from_buffers(
        pa.string(), 2, [None, pa.py_buffer(np.array([0, 1, 2], np.int32)), pa.py_buffer(b"\xe4b")]
    )
    return _written(pa.table({"text": texts, "label": ["x", "y"]}))


def deep_json():
    return b'{"text": ' + b"[" * 100_000 + b"]" * 100_000 + b"}\n"


def long_number():
    return b'{"text": "a", "label": ' + b"1" * 5000 + b"}\n"


def latin_json():
    return b'{"model_type": "bert", "name": "caf\xe9"}'


def weights(names):
    return save({name: np.zeros((2, 2), np.float32) for name in names})


def torn_weights():
    """The header is whole, the numbers after it are not all there."""
    whole = save({"embeddings.word_embeddings.weight": np.zeros((28, 32), np.float32)})
    return whole[:-100]


def header(header):
    return len(header).to_bytes(8, "little") + header.encode()


def endless_header():
    return (2**60).to_bytes(8, "little") + b"{}"


def fewer_rows(of, rows):
    """The weights of a file with only the first rows of the table of words."""
    found = load_file(of)
    name = next(name for name in found if name.endswith("word_embeddings.weight"))
    return save(found | {name: found[name][:rows].copy()})


def megabyte():
    return b"It was a dark and stormy night. " * 40_000


def long_count():
    return b"technique,accuracy,n\na,0.5," + b"9" * 5000 + b"\nb,0.5,10\n"


def long_seed():
    return b"seed,label,prediction\n" + b"1" * 5000 + b",x,x\n"
