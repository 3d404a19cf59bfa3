"""What the page can be filtered by, and what rows and columns say they are about."""

from tuneoff.evidence import build_results
from tuneoff.report.filters import filters
from tuneoff.report.pair_tables import pair_tables
from tuneoff.report.tables import results_table


def test_only_what_there_are_several_of_is_a_filter(tmp_path, made_up):
    results = build_results(made_up(techniques=("lora", "full")).write(tmp_path / "one"))
    assert [(one.kind, one.values) for one in filters(results)] == [("technique", [("lora", "lora"), ("full", "full")])]
    made = made_up(techniques=("lora",), models=("small-e5", "large-e5"))
    (model,) = filters(build_results(made.write(tmp_path / "two")))
    assert model.kind == "model" and [name for name, _ in model.values] == ["small-e5", "large-e5"]


def test_rows_say_which_techniques_and_models_they_are_about(tmp_path, made_up):
    made = made_up(techniques=("lora", "full"), models=("small-e5", "large-e5"))
    results = build_results(made.write(tmp_path))
    table = results_table(results)
    assert [table.row_about(row) for row in table.rows] == [
        {"model": model, "technique": technique} for model in ("small-e5", "large-e5") for technique in ("lora", "full")
    ]
    pairs = pair_tables(results)
    assert [one.about["model"] for one in pairs] == ["small-e5", "large-e5"]
    assert all(set(one.row_about(row)["technique"].split()) == {"lora", "full"} for one in pairs for row in one.rows)
