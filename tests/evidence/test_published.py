"""Published tables: the ways in which numbers are written, and one clear message for what cannot be right."""

import pytest

from tuneoff.errors import DataError
from tuneoff.evidence.published import read_published


@pytest.fixture
def read(tmp_path):
    def read(*lines):
        path = tmp_path / "t.csv"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return read_published(path)

    return read


@pytest.mark.parametrize("written", ["0.629", "62.9%", "62.9", " 62.9 % ", '"62,9"', '"0,629"'])
def test_an_accuracy_is_the_same_however_it_is_written(read, written):
    one = read("technique,accuracy,n", f"a,{written},307", "b,0.557,307").techniques[0]
    assert (one.accuracy, one.fewest, one.right, one.most, one.seeds) == (0.629, 193, 193, 193, None)


@pytest.mark.parametrize("mark", [";", "\t"])
def test_fields_are_set_apart_as_the_header_sets_them_apart(read, mark):
    table = read(mark.join(["technique", "accuracy", "n", "loss"]), *(mark.join([x, "62,9", "307", "1"]) for x in "ab"))
    assert [one.right for one in table.techniques] == [193, 193] and table.unused == ["loss"]


@pytest.mark.parametrize(
    ("written", "n", "counts"),
    [
        ("0.68", 1000, (675, 680, 685)),  # 0.675 to 0.685, both ends allowed
        ("68", 1000, (675, 680, 685)),
        ("0.7", 10, (7, 7, 7)),
        ("1", 30, (30, 30, 30)),
        ("0", 30, (0, 0, 0)),
        ("1.00", 300, (299, 300, 300)),
        ("0.6286644951140065", 307, (193, 193, 193)),  # 193 / 307 with a double's digits
    ],
)
def test_counts_are_those_that_the_digits_allow(read, written, n, counts):
    one = read("technique,accuracy,n", f"a,{written},{n}", "b,0.5,10").techniques[0]
    assert (one.fewest, one.right, one.most) == counts


def test_a_mean_over_seeds_is_a_share_of_all_their_answers(read):
    one = read("technique,accuracy,n,seeds", "a,0.6167,10,6", "b,0.5,10,").techniques[0]  # 37 of 60
    assert (one.seeds, one.fewest, one.right, one.most) == (6, 6, 6, 6)


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (["a,0.617,307"], r"t\.csv, line 2, field 'accuracy': 0\.617 is no share of 307 answers: 189 right ones give "),
        (["a,0.5,10", "b,good,10"], "line 3, field 'accuracy': 'good' is no accuracy"),
        (["a,-0.5,10"], "'-0.5' is no accuracy"),
        (["a,101%,10"], "'101%' is more than 100%"),
        (["a,nan,10"], "'nan' is no accuracy"),
        (["a,0.5,0"], "line 2, field 'n': '0' is no whole number above 0"),
        (["a,0.5,1e3"], "field 'n': '1e3'"),
        (["a,0.5,²"], "field 'n': '²'"),
        (["a,0.5,10", "a,0.6,10"], "line 3, field 'technique': 'a' stands there twice"),
        ([" ,0.5,10"], "line 2, field 'technique': the value is empty"),
        (["a,0,5,10"], "line 2: 4 fields, but the header has 3"),
        (["a,0.5,10"], "1 techniques, but comparing takes at least two"),
    ],
)
def test_what_cannot_be_right_is_refused_with_its_place(read, rows, told):
    with pytest.raises(DataError, match=told):
        read("technique,accuracy,n", *rows)


def test_seeds_are_checked_and_a_column_that_is_missing_is_named(read):
    with pytest.raises(DataError, match="field 'seeds': 'five' is no whole number"):
        read("technique,accuracy,n,seeds", "a,0.5,10,five")
    with pytest.raises(DataError, match=r"no column 'accuracy' .* Did you mean 'acuracy'"):
        read("technique,acuracy,n", "a,0.5,10")


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DataError, match="there is no such file"):
        read_published(tmp_path / "none.csv")
