"""Seeds in rounds: trained until it is clear, by whom and how far, and the same on the second run."""

import pytest

from tuneoff.evidence.results import build_results
from tuneoff.running import compute_study


@pytest.fixture
def run(study, tmp_path, listener):
    def run(**protocol):
        read = study(("linear-probe", {"name": "twin", "use": "linear-probe"}), steps=2, eval_every=2, **protocol)
        quiet, said = listener(), []
        quiet.announce = said.append
        return compute_study(read, tmp_path / "out", quiet), said

    return run


def seeds(store):
    return {(record.address.chain, record.address.seed) for record in store.records()}


def test_seeds_are_added_until_the_most_where_it_stays_unclear(run):
    store, heard = run(seeds=1, until_clear={"seeds": 3})
    assert seeds(store) == {(chain, seed) for chain in ("linear-probe", "twin") for seed in range(3)}
    assert any(text.startswith("Still in the race after 3 seeds: linear-probe, twin") for text in heard)
    before = {record.address: record.ended for record in store.records()}
    again, _ = run(seeds=1, until_clear={"seeds": 3})
    assert {record.address: record.ended for record in again.records()} == before


def test_hours_end_it_before_a_round_that_would_not_fit(run):
    store, heard = run(seeds=2, until_clear={"seeds": 4, "hours": 1e-9})
    assert {seed for _, seed in seeds(store)} == {0, 1}
    assert any("until_clear allows 1e-09" in text for text in heard)


def test_one_technique_under_two_names_is_not_told_apart_however_many_seeds(run):
    store, _ = run(seeds=1, until_clear={"seeds": 2})
    (pair,) = build_results(store)["comparisons"][0]["pairs"]
    assert pair["verdict"]["id"] == "verdict.identical"
