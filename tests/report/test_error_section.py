"""Errors on the page: who gave which answer, and matrices that are read without colours, too."""

from tuneoff.evidence import build_results
from tuneoff.report.error_section import error_parts


def parts(made):
    return error_parts(build_results(made))


def test_each_example_names_its_answers_the_right_one_first(tmp_path, made_up):
    (part,) = parts(made_up(techniques=("lora", "full", "linear-probe"), seeds=3).write(tmp_path))
    assert part.title is None and len(part.examples) > 3
    for example in part.examples:
        rights = [answer.right for answer in example.answers]
        assert rights == sorted(rights, reverse=True) and any(rights)
        assert {name for answer in example.answers for name, _ in answer.techniques} == {"lora", "full", "linear-probe"}
    assert any("(3 of 3)" in text for one in part.examples for answer in one.answers for _, text in answer.techniques)
    assert "some have them right and some do not" in part.sentences[0] and len(part.sentences) == 2


def test_a_matrix_has_a_row_a_class_and_darker_cells_for_larger_shares(tmp_path, made_up):
    results = build_results(made_up(techniques=("lora",), seeds=2).write(tmp_path))
    counts = results["error_analysis"][0]["confusion"]["lora"]["counts"]
    (part,) = error_parts(results)
    (matrix,) = part.matrices
    assert [name for name, _ in matrix.rows] == ["yes", "no", "may be"] and matrix.title == "lora: seeds: 2"
    for row, (_, cells) in zip(counts, matrix.rows, strict=True):
        assert [text for text, _ in cells] == [str(n) for n in row] and sum(row) == 40
        assert [shade for _, shade in cells] == [round(9 * n / 40) for n in row]
    assert part.examples == [] and part.sentences == []  # one technique disagrees with nobody


def test_there_is_no_part_where_nothing_is_done(tmp_path, made_up):
    assert parts(made_up(techniques=("lora",), missing=(("lora", 0),)).write(tmp_path)) == []
