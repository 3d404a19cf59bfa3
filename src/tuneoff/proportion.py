"""Settings out of all proportion to a model: what they add to it fits into no memory."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import psutil

from tuneoff.errors import ModelError, StudyError
from tuneoff.estimate import BYTES
from tuneoff.models.classifier import TextClassifier, build_meta
from tuneoff.models.resolve import ResolvedModel
from tuneoff.plan import Plan, PlannedStage, Question
from tuneoff.report.formats import size
from tuneoff.study import PEFT
from tuneoff.techniques import get
from tuneoff.techniques.base import StageSettings
from tuneoff.training.build import sketch
from tuneoff.training.shortage import is_shortage
from tuneoff.yaml_source import KeyPath, shown

if TYPE_CHECKING:
    from tuneoff.reading import ReadStudy

OVERFLOW = "overflow"  # what torch says, in several sentences, of a shape that 64 bits do not count
BUDGETS = ("steps", "epochs")
SOME_CLASSES = ("a", "b")  # where they are not known; they are of little weight


def check_sizes(read: "ReadStudy", plan: Plan, questions: Sequence[Question]) -> None:
    """Raise StudyError, with file, line and key, where a technique adds more to a model than there is a use for.

    That is more numbers than the model has itself, and more than this machine has memory for: a plan for a larger
    machine may ask for more memory than there is here, but hardly to adapt a smaller model. `questions` are those that
    the plan answers.
    """
    asked_of = {question.place: question for question in questions}
    problems: dict[str, None] = {}
    seen: set[tuple[str, str, str]] = set()
    for stage in [*plan.to_run, *plan.tuning_to_run]:
        spec, question = stage.spec, asked_of[stage.address.place]
        model, classes = question.model, question.data.classes if question.data else SOME_CLASSES
        kind = model.name, spec.technique, repr(spec.settings)
        if kind in seen or not (asked := list(_sizes(spec.settings))):
            continue
        seen.add(kind)
        if complaint := _complaint(_Sketched(spec.technique, model, len(classes)), spec.settings, asked):
            path, sentence = complaint
            where = _written_at(read, stage, path)
            problems[f"{read.place(where)}: {shown(where)}: {sentence}"] = None
    if problems:
        raise StudyError(list(problems))


def _complaint(sketched: "_Sketched", settings: StageSettings, asked: Sequence[KeyPath]) -> tuple[KeyPath, str] | None:
    """Return which setting asks for too much, and a sentence; None where none does."""
    try:
        added = sketched.adds(settings)
        if not sketched.is_too_much(added):
            return None
        # Where one of several settings is to blame, the usual value of that one alone is enough.
        to_blame = (path for path in asked if not sketched.is_too_much(sketched.adds(_usual(settings, path))))
        path = next(to_blame, ())
    except ModelError:
        return None  # it does not fit the model, which is told as of settings of any size (see `ReadStudy.placing`)
    return path, f"{sketched.said(added)} {_advice(settings, path)}"


@dataclass(frozen=True)
class _Sketched:
    """A technique on a model without numbers."""

    technique: str
    model: ResolvedModel
    n_classes: int

    @cached_property
    def own(self) -> int:
        """The numbers of the model itself."""
        return _numbers(build_meta(self.model, self.n_classes))

    def adds(self, settings: StageSettings) -> float:
        """Return how many numbers the technique adds with some settings; infinity where they cannot be counted."""
        try:
            return _numbers(sketch(get(self.technique)(settings), self.model, self.n_classes)) - self.own
        except (RuntimeError, MemoryError) as error:
            if not is_shortage(error) and OVERFLOW not in str(error).lower():
                raise
            return math.inf

    def is_too_much(self, added: float) -> bool:
        """Return whether so many numbers are more than there is a use for."""
        return added > self.own and BYTES * added > psutil.virtual_memory().total

    def said(self, added: float) -> str:
        """Return the sentence on so many numbers."""
        count = (
            f"{added:,} numbers ({size(BYTES * int(added))})" if added < math.inf else "more numbers than can be made"
        )
        return (
            f"{self.technique} would add {count} to {self.model.name}, which has {self.own:,} itself, and this machine "
            f"has {size(psutil.virtual_memory().total)} of memory."
        )


def _numbers(classifier: TextClassifier) -> int:
    """Return how many numbers a classifier holds, those that are no parameters (shared random matrices) among them."""
    return sum(value.numel() for value in [*classifier.parameters(), *classifier.buffers()])


def _sizes(settings: StageSettings) -> Iterator[KeyPath]:
    """Yield the whole numbers that are larger than usual, each as its path in the settings; budgets aside."""
    for name, field in type(settings).model_fields.items():
        value, usual = getattr(settings, name), field.get_default()
        if name == PEFT and isinstance(value, dict):
            yield from ((name, inner) for inner, one in value.items() if _is_whole(one))
        elif name not in BUDGETS and _is_whole(value) and (usual is None or value > usual):
            yield (name,)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _usual(settings: StageSettings, path: KeyPath) -> StageSettings:
    """Return the settings with one of them as it is if nobody says."""
    name = str(path[0])
    usual = type(settings).model_fields[name].get_default()
    if len(path) > 1:
        usual = {key: value for key, value in getattr(settings, name).items() if key != path[1]}
    return settings.model_copy(update={name: usual})


def _advice(settings: StageSettings, path: KeyPath) -> str:
    if not path:
        return "Give smaller numbers."
    usual = type(settings).model_fields[str(path[0])].get_default() if len(path) == 1 else None
    return "Give a smaller number." if usual is None else f"Give a smaller number; if left out it is {usual}."


def _written_at(read: "ReadStudy", stage: PlannedStage, path: KeyPath) -> KeyPath:
    """Return the path in the study of a stage's setting, or of its technique where there is no one setting."""
    tune = read.study.protocol.tune
    parts = stage.spec.technique, stage.spec.chain, stage.spec.chain.rpartition("+")[2]
    if stage.address.is_trial and tune is not None and path:
        spaces = [name for name in parts if path[0] in tune.space.get(name, {})]
        if spaces and getattr(stage.spec.settings, str(path[0])) in tune.space[spaces[-1]][str(path[0])]:
            return ("protocol", "tune", "space", spaces[-1], path[0])
    numbers = {spec.name: number for number, spec in enumerate(read.study.techniques)}
    name, at = stage.spec.chain, None
    while name in numbers:
        number = numbers.pop(name)  # each is looked at once
        entry = read.study.techniques[number]
        at = at or ("techniques", number)
        if path and path[0] in entry.settings:
            inside = ("techniques", number, "settings")
            return (*(inside if read.has(inside) else inside[:2]), *path)
        name = entry.use if entry.use in numbers else entry.use.rpartition("+")[2]
    return at or ("techniques",)
