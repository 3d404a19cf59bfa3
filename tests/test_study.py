"""The parts of a study as models."""

import pytest
from pydantic import ValidationError

from tuneoff.study import ModelSpec, Protocol, TaskSpec, TechniqueSpec
from tuneoff.values import MOST_SEEDS


def test_a_count_of_seeds_is_written_out_so_that_a_larger_one_keeps_what_is_done() -> None:
    assert Protocol(seeds=3).seed_list == [0, 1, 2]
    assert Protocol(seeds=5).seed_list[:3] == Protocol(seeds=3).seed_list
    assert Protocol(seeds=[7, 3]).seed_list == [7, 3]
    assert Protocol(seeds=3) == Protocol(seeds=[0, 1, 2])
    assert Protocol() == Protocol(seeds=3)


@pytest.mark.parametrize("seeds", [0, -1, MOST_SEEDS + 1, [], [1, 1], [-1], "three", 1.5])
def test_other_seeds_are_refused(seeds: object) -> None:
    with pytest.raises(ValidationError):
        Protocol(seeds=seeds)


def test_steps_and_epochs_exclude_each_other() -> None:
    with pytest.raises(ValidationError, match="not both"):
        Protocol(steps=3, epochs=1)


@pytest.mark.parametrize(("norm", "fits"), [("off", True), (0.5, True), (0, False), (-1, False), ("on", False)])
def test_the_norm_of_gradients_is_positive_or_off(norm: object, fits: bool) -> None:
    if fits:
        assert Protocol(max_grad_norm=norm).max_grad_norm == norm
    else:
        with pytest.raises(ValidationError):
            Protocol(max_grad_norm=norm)


@pytest.mark.parametrize(
    ("text", "size"),
    [("12 GB", 12 * 10**9), ("512MB", 512 * 10**6), ("1.5 GiB", 3 * 2**29), ("300 MiB", 300 * 2**20), (None, None)],
)
def test_a_limit_on_memory_is_a_number_and_a_unit(text: str | None, size: int | None) -> None:
    assert Protocol(memory_limit=text).memory_limit_bytes == size


@pytest.mark.parametrize("text", ["12", "GB", "12 Gb", "-1 GB", "0 GB", "1e3 GB", "12 GB or so", "", "٣ GB"])
def test_another_limit_on_memory_is_refused(text: str) -> None:
    with pytest.raises(ValidationError, match="give a number and a unit"):
        Protocol(memory_limit=text)


def test_one_text_column_may_be_given_without_a_list() -> None:
    assert TaskSpec(text="review").text == ["review"]  # type: ignore[arg-type]  # as a study file has it
    with pytest.raises(ValidationError):
        TaskSpec(text=["a", "b", "c"])


def test_an_entry_of_techniques_is_a_name_or_a_mapping_with_settings_beside_it() -> None:
    plain = TechniqueSpec.model_validate("lora")
    assert (plain.name, plain.use, plain.settings) == ("lora", "lora", {})
    own = TechniqueSpec.model_validate({"name": "wide", "use": "lora", "rank": 32})
    assert (own.name, own.use, own.settings) == ("wide", "lora", {"rank": 32})
    assert TechniqueSpec.model_validate(own.model_dump()) == own


@pytest.mark.parametrize("name", ["Lora", "a_b", "a--b", "-a", "a-", "", "a+", "ло"])
def test_names_are_small_letters_digits_and_single_hyphens(name: str) -> None:
    with pytest.raises(ValidationError):
        TechniqueSpec(name=name, use="lora")
    with pytest.raises(ValidationError):
        ModelSpec(id="m", name=name)


@pytest.mark.parametrize("name", ["con", "prn", "aux", "nul", "com1", "com9", "lpt3"])
def test_names_of_devices_are_refused_since_windows_has_no_such_folders(name: str) -> None:
    """So that a run directory can be moved there."""
    for make in (
        lambda: TechniqueSpec(name=name, use="lora"),
        lambda: TechniqueSpec(name=f"{name}+lora", use=f"{name}+lora"),
        lambda: ModelSpec(id="m", name=name),
        lambda: TaskSpec(name="terra", called=name),
    ):
        with pytest.raises(ValidationError, match=f"'{name}' is a device on Windows"):
            make()
    assert ModelSpec(id="m", name=f"{name}-model").name == f"{name}-model"


@pytest.mark.parametrize("choice", [{"checkpoint": "best"}, {"tune": {"trials": 2}}])
def test_nothing_is_chosen_on_test(choice: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="nothing is chosen on test"):
        Protocol(eval_on="test", **choice)
    assert Protocol(eval_on="dev", **choice) != Protocol()
