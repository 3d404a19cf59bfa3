"""Every setting says whether it is in the content key."""

import pytest
from pydantic import Field, ValidationError

from tuneoff.section import Section, in_key, keyed, unkeyed
from tuneoff.study import ModelSpec, Protocol, Study, TaskSpec, TechniqueSpec, Tune
from tuneoff.techniques import names, settings_of


@pytest.mark.parametrize(
    "kind", [Study, ModelSpec, TaskSpec, TechniqueSpec, Protocol, Tune, *(settings_of(name) for name in names())]
)
def test_each_field_is_declared_in_or_out_of_the_key_and_says_what_it_is(kind: type[Section]) -> None:
    for name, field in kind.model_fields.items():
        assert in_key(field) in (True, False), name
        assert field.description and field.description.endswith("."), name


def test_a_field_declared_as_neither_is_found() -> None:
    class Careless(Section):
        rate: float = Field(1.0)

    with pytest.raises(KeyError):
        in_key(Careless.model_fields["rate"])


def test_keyed_values_are_the_keyed_fields_in_their_order() -> None:
    class Both(Section):
        b: int = keyed(2, doc="B.")
        place: str = unkeyed("here", doc="Place.")
        a: float = keyed(1.0, doc="A.")

    assert list(Both(place="there").keyed_values().items()) == [("b", 2), ("a", 1.0)]


def test_a_section_takes_no_unknown_field_and_does_not_change() -> None:
    with pytest.raises(ValidationError):
        Protocol(stepz=3)  # type: ignore[call-arg]  # the mistake under test
    with pytest.raises(ValidationError):
        Protocol().steps = 3  # type: ignore[misc]  # the mistake under test
