"""From the texts that a peer computed to its real tokens and useful operations."""

from collections.abc import Mapping, Sequence

from benchmarks.data import Texts
from benchmarks.flops import Work, count, shape_of
from benchmarks.measure import Measurement
from benchmarks.setting import Setting


def count_texts(
    found: Measurement, setting: Setting, texts: Texts, work: Work, lengths: Mapping[bool, Sequence[int]]
) -> None:
    """Write down tokens and operations of the texts trained on (True) and evaluated (False), given their lengths."""
    shape = shape_of(texts.model.config, texts.classes)
    trained = count(shape, lengths[True], work, setting.rank)
    evaluated = count(shape, lengths[False], work, setting.rank)
    found.tokens |= {"training": sum(lengths[True]), "evaluation": sum(lengths[False])}
    found.flops |= {"training": trained.step, "evaluation": evaluated.forward}
