"""Whatever comes in, either it can be used or a TuneoffError says why not: random studies, changes and data files.

Each test draws the same examples every time, so that what passes here passes everywhere. To look for more:
TUNEOFF_FUZZ_EXAMPLES=5000 draws that many, others each time.
"""

import io
import json
import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tuneoff.changes import OPTIONS
from tuneoff.errors import TuneoffError
from tuneoff.evidence.prediction_files import read_prediction_files
from tuneoff.evidence.published import read_published
from tuneoff.models.weights import weight_headers
from tuneoff.reading import read_study, resolved_yaml, study_from_mapping
from tuneoff.study import ModelSpec, Protocol, Study, TaskSpec, TechniqueSpec, Tune, UntilClear
from tuneoff.tasks.files import READERS, read_table
from tuneoff.tasks.raw import RawTask
from tuneoff.techniques import names, settings_of

bounded = settings(
    derandomize="TUNEOFF_FUZZ_EXAMPLES" not in os.environ,
    deadline=None,
    database=None,
    max_examples=int(os.environ.get("TUNEOFF_FUZZ_EXAMPLES", "80")),
    # The folder of a test serves all its examples: each writes its files anew.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)

SECTIONS = (Study, ModelSpec, TaskSpec, TechniqueSpec, Protocol, Tune, UntilClear, *map(settings_of, names()))
KEYS = sorted({"model", *(field for section in SECTIONS for field in section.model_fields)})
WORDS = ["terra", "mini_rte", "demo", "dev", "test", "best", "off", "auto", "12 GB", "a/b", "train.csv", "..", "=1+1"]
words = st.sampled_from([*names(), "linear-probe+lora", *WORDS]) | st.text(max_size=6)
scalars = st.none() | st.booleans() | st.integers(-3, 40) | st.integers() | st.floats() | words
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS) | words, inner, max_size=4),
    max_leaves=12,
)


def fields_of(section):
    """Mappings with the keys of a section, most of them, and values that are mostly wrong."""
    return st.dictionaries(st.sampled_from(sorted(section.model_fields)) | words, values, max_size=5)


studies = st.fixed_dictionaries(
    {"model": words | fields_of(ModelSpec), "task": st.just("mini_rte") | fields_of(TaskSpec)},
    optional={
        "techniques": st.lists(words | fields_of(TechniqueSpec) | st.builds(dict, use=words, rank=scalars), max_size=4),
        "protocol": fields_of(Protocol) | st.builds(dict, tune=fields_of(Tune), until_clear=fields_of(UntilClear)),
        "name": scalars,
        "title": scalars,
        "models": values,
    },
)


def or_told(call, *arguments):
    """Return what a call gives; None where it says in words why it cannot."""
    try:
        return call(*arguments)
    except TuneoffError as error:
        str(error).encode()  # a message that can be printed
        assert str(error).strip()
        return None


@bounded
@given(studies | st.dictionaries(st.sampled_from(KEYS), values, max_size=4))
def test_any_mapping_is_a_study_or_is_told_why_not(mapping):
    study = or_told(study_from_mapping, mapping)
    if study is not None:  # and it can be written down and read again
        assert isinstance(resolved_yaml(study), str)


@bounded
@given(studies, st.data())
def test_any_study_file_is_read_or_told_why_not(tmp_path, study, data):
    """YAML of a random study, with random bytes put into it and others taken out."""
    text = bytearray(json.dumps(study, indent=1, allow_nan=True).encode())
    for _ in range(data.draw(st.integers(0, 3))):
        place = data.draw(st.integers(0, len(text)))
        length = data.draw(st.integers(0, 5))
        text[place : place + length] = data.draw(
            st.binary(max_size=4) | st.sampled_from([b"\n- ", b": ", b"&a ", b"!!"])
        )
    path = tmp_path / "study.yaml"
    path.write_bytes(bytes(text))
    or_told(read_study, str(path))


GOOD_STUDY = """\
model: a/b
task: {name: mini_rte, also_test: {far: {name: mini_rte, language: en}}}
techniques: [full, linear-probe+lora, {name: mine, use: lora, rank: 8}]
protocol:
  epochs: 2
  tune: {trials: 2, space: {lora: {rank: [4, 8]}}}
"""


@bounded
@given(st.data())
def test_any_slip_in_a_good_study_file_is_told_or_harmless(tmp_path, data):
    """One to three characters of a good file doubled, taken out or replaced, as a slip of the hand is."""
    text = GOOD_STUDY
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(text) - 1))
        put = data.draw(
            st.sampled_from(["", text[place] * 2, "\t", ":", "\n", "-", "'", '"', "{", "]", "#", "*", "&", "\x00"])
        )
        text = text[:place] + put + text[place + 1 :]
    path = tmp_path / "study.yaml"
    path.write_text(text, encoding="utf-8")
    or_told(read_study, str(path))


paths = st.lists(st.sampled_from([*KEYS, *names(), "0", "1", "7", ""]) | words, max_size=4).map(".".join)


@bounded
@given(
    st.lists(st.builds("{}={}".format, paths, st.text(max_size=12) | values.map(str)) | st.text(max_size=9), max_size=3)
)
def test_any_changes_to_a_shipped_study_are_made_or_told(changes):
    or_told(lambda: read_study("demo", settings=changes))


@bounded
@given(st.fixed_dictionaries({}, optional=dict.fromkeys(OPTIONS, values)))
def test_any_options_are_taken_or_told(options):
    or_told(lambda: read_study("demo", overrides=options))


# Data

cells = st.sampled_from(["a", "b", "0", "1", "x,y", '"', "=cmd|' /C'!A0", "\u202eabc", " ", "", "\x00", "\r", "a\nb"])
cells |= st.text(max_size=8)
tables = st.lists(st.lists(cells, max_size=4), max_size=6)
columns = st.sampled_from(["text", "label", "id", "group", "by"])


def use(table):
    """Make a task of a table as both of its splits, as far as it goes."""
    task = RawTask("t", "T", "here", {"train": table, "test": table}, ("text",), "label")
    or_told(lambda: task.finish(need_dev=True, drop_overlaps=False, limit=None))
    or_told(lambda: task.in_folds(2, need_dev=False, limit=None))


def read_and_use(path, content):
    path.write_bytes(content)
    table = or_told(read_table, path, path.name)
    if table is not None:
        use(table)


@bounded
@given(tables, st.sampled_from([".csv", ".tsv"]), st.binary(max_size=3), st.booleans())
def test_any_separated_file_is_read_or_told_why_not(tmp_path, rows, suffix, tail, headed):
    lines = [",".join(row) if suffix == ".csv" else "\t".join(row) for row in rows]
    head = ["text,label" if suffix == ".csv" else "text\tlabel"] if headed else []
    read_and_use(tmp_path / f"rows{suffix}", "\n".join([*head, *lines]).encode("utf-8", "surrogatepass") + tail)


json_values = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | cells, st.lists, max_leaves=4)


@bounded
@given(st.lists(st.dictionaries(columns | cells, json_values | cells, max_size=4), max_size=6), st.binary(max_size=3))
def test_any_json_lines_are_read_or_told_why_not(tmp_path, rows, tail):
    read_and_use(tmp_path / "rows.jsonl", "".join(json.dumps(row) + "\n" for row in rows).encode() + tail)


@bounded
@given(st.sampled_from(sorted(READERS)), st.binary(max_size=200))
def test_any_bytes_are_no_reason_for_a_traceback(tmp_path, suffix, content):
    read_and_use(tmp_path / f"rows{suffix}", content)


def parquet(columns):
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file)
    return file.getvalue()


PARQUET = parquet({"text": [f"text {number}" for number in range(40)], "label": ["x", "y"] * 20})


@bounded
@given(st.lists(st.tuples(st.integers(0, len(PARQUET) - 1), st.binary(min_size=1, max_size=4)), min_size=1, max_size=4))
def test_a_parquet_file_with_altered_bytes_is_read_or_told(tmp_path, changes):
    content = bytearray(PARQUET)
    for place, put in changes:
        content[place : place + len(put)] = put
    read_and_use(tmp_path / "rows.parquet", bytes(content))


predictions = st.fixed_dictionaries(
    {},
    optional={name: json_values | st.sampled_from(["x", "y"]) for name in ("id", "label", "prediction", "seed", "by")},
)


@bounded
@given(st.lists(st.lists(predictions, max_size=5), min_size=2, max_size=3), st.binary(max_size=3))
def test_any_predictions_are_read_or_told_why_not(tmp_path, files, tail):
    paths = [tmp_path / f"{number}.jsonl" for number in range(len(files))]
    for path, rows in zip(paths, files, strict=True):
        path.write_bytes("".join(json.dumps(row) + "\n" for row in rows).encode() + tail)
    or_told(read_prediction_files, paths)


@bounded
@given(
    st.lists(
        st.lists(
            st.sampled_from(["a", "b", "0.5", "50%", "10", "1", "0", "²", "٣", "-1", "1e3"]) | cells,
            min_size=3,
            max_size=4,
        ),
        max_size=5,
    )
)
def test_any_published_table_is_read_or_told_why_not(tmp_path, rows):
    path = tmp_path / "table.csv"
    path.write_text(
        "\n".join(["technique,accuracy,n,seeds", *(",".join(row) for row in rows)]), "utf-8", "surrogatepass"
    )
    or_told(read_published, path)


headers = st.dictionaries(
    st.text(max_size=5),
    st.fixed_dictionaries({}, optional={"dtype": values, "shape": values, "data_offsets": values}) | values,
    max_size=3,
)


@bounded
@given(
    st.binary(max_size=40)
    | st.builds(
        lambda header, tail: len(json.dumps(header)).to_bytes(8, "little") + json.dumps(header).encode() + tail,
        headers,
        st.binary(max_size=16),
    )
)
def test_any_file_of_weights_is_read_or_told_why_not(tmp_path, content):
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    or_told(weight_headers, [path], "folder")


@pytest.mark.parametrize("call", [study_from_mapping, lambda _: read_study("no-such-study")])
def test_what_is_told_is_caught_and_nothing_else_is(call):
    """The helper itself: a TuneoffError is an answer, a mistake of ours is not swallowed."""
    assert or_told(call, {}) is None
    with pytest.raises(ZeroDivisionError):
        or_told(lambda: 1 / 0)
