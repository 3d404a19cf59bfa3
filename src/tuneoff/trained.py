"""A finished run of a run directory: which one is meant, and its classifier as training left it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from tuneoff.errors import StoreError
from tuneoff.evidence.results import asked_task_names
from tuneoff.files import digest
from tuneoff.store import WEIGHTS, StageAddress, StageRecord, Store
from tuneoff.study import ModelSpec
from tuneoff.techniques import settings_of
from tuneoff.techniques.base import StageSettings, Technique
from tuneoff.techniques.composition import StageSpec
from tuneoff.words import listed, near

if TYPE_CHECKING:
    import torch

    from tuneoff.models.classifier import TextClassifier
    from tuneoff.models.resolve import ResolvedModel
    from tuneoff.training.build import Ancestor


@dataclass(frozen=True)
class TrainedClassifier:
    """The classifier of a finished run, in evaluation mode, and what it is made of.

    `spec` is the model as the study names it, `model` the same with every default filled in; its `max_length` leaves
    room for virtual tokens, which the texts of the study left, too. `classes` are the labels' names by number. `stages`
    are the run's stages, first to last; those before the last are merged into the backbone, and what the last one added
    to it (an adapter) stands in `classifier.backbone` as it was trained.
    """

    record: StageRecord
    spec: ModelSpec
    model: "ResolvedModel"
    classes: tuple[str, ...]
    stages: "tuple[Ancestor, ...]"
    technique: Technique
    classifier: "TextClassifier"


def find_run(
    store: Store,
    *,
    technique: str | None = None,
    model: str | None = None,
    task: str | None = None,
    seed: int | None = None,
    fold: int | None = None,
) -> StageAddress:
    """Return the address of the run that is meant: what is left out must leave no choice, but for seed and fold.

    The seed is the first, in the study's order, whose run is done and has its weights; how well a run did on test
    plays no part. So is the fold. Raises StoreError where there is no such run, or a name has to be given.
    """
    asked = store.study()
    names = [str(entry["name"]) for entry in asked["techniques"]]
    tasks = asked_task_names(asked)  # the folder may have runs of others, which the study had before
    done = [record.address for record in store.records() if record.status == "done"]
    done = [address for address in done if address.chain in names and address.task in tasks]
    if not done:
        raise StoreError(f"{store.root}: no run is done yet; go on with: tuneoff run {store.root / 'study.yaml'}")
    done = _of(done, "technique", "chain", technique, store)
    done = _of(done, "model", "model", model, store)
    done = _of(done, "task", "task", task, store)
    done = _numbered(done, "seed", seed, store)
    done = _numbered(done, "fold", fold, store)
    kept = [address for address in done if _has_weights(store, address)]
    if not kept:
        raise StoreError(
            f"{store.folder(done[0])}: its weights were not kept; run the study again with "
            "`--set protocol.keep_weights=all`"
        )
    seeds = asked.get("protocol", {}).get("seeds") or []
    order = {number: place for place, number in enumerate(seeds)} if isinstance(seeds, list) else {}
    return min(kept, key=lambda one: (order.get(one.seed, len(order)), one.seed, -1 if one.fold is None else one.fold))


def load_trained_classifier(
    store: Store, address: StageAddress, *, device: "torch.device | str" = "cpu", model_id: str | None = None
) -> TrainedClassifier:
    """Return the classifier of a finished run; nothing of it is trainable, its parameters are float32.

    The pre-trained model is looked for where the study says, or at `model_id` (hub id or folder). Raises StoreError
    where the run is not done or its weights were not kept, ModelError where the model is not there, and StoreError
    where it is not the one that the run started from.
    """
    import torch

    from tuneoff.models.resolve import resolve_model
    from tuneoff.models.virtual_tokens import longest_text
    from tuneoff.training.build import build_classifier, put_back

    record = _record(store, address)
    spec = model_spec(store, address.model)
    found = spec if model_id is None else spec.model_copy(update={"id": model_id, "revision": None})
    model = resolve_model(found, need_weights=True)
    _check_same(model, record, store)
    stages = stages_of(store, address)
    classes = tuple(store.task(address.model, address.task)["classes"])
    seed = int(record.key_parts["seeds"]["init"])
    classifier = build_classifier(model, classes, stages[:-1], torch.device(device), seed)
    technique = put_back(classifier, stages[-1])
    classifier.eval().requires_grad_(False)
    if count := classifier.virtual_tokens:
        model = replace(model, max_length=longest_text(model.config, model.max_length, count))
    return TrainedClassifier(record, spec, model, classes, tuple(stages), technique, classifier)


def model_spec(store: Store, name: str) -> ModelSpec:
    """Return a model of a run directory as its study names it; raises StoreError where there is none of this name."""
    models: list[Mapping[str, Any]] = store.study()["models"]
    for entry in models:
        if entry.get("name") == name:
            try:
                return ModelSpec.model_validate(entry)
            except ValidationError as error:
                problem = error.errors()[0]
                where = ".".join(map(str, problem["loc"]))
                raise StoreError(f"{store.root / 'study.yaml'}: model '{name}', {where}: {problem['msg']}") from None
    raise StoreError(f"{store.root / 'study.yaml'}: there is no model '{name}'")


def stages_of(store: Store, address: StageAddress) -> "list[Ancestor]":
    """Return the stages of a finished run, first to last; raises StoreError where one is not done or has no weights."""
    from tuneoff.training.build import Ancestor

    records: list[StageRecord] = []
    at: StageAddress | None = address
    while at is not None:
        record = _record(store, at)
        if any(record.address == one.address for one in records):
            raise StoreError(f"{store.folder(at)}: the stage comes before itself; delete its folder to redo it")
        records.insert(0, record)
        at = replace(at, chain=record.parent) if record.parent is not None else None
    _check_parents(records, store)
    return [
        Ancestor(_spec(record, index), record.key, store.checked(record.address, WEIGHTS))
        for index, record in enumerate(records)
    ]


def _check_parents(records: Sequence[StageRecord], store: Store) -> None:
    """Raise StoreError unless each stage started from the one before it as that is now."""
    from tuneoff.planned import training_parts

    for before, after in pairwise(records):
        if after.key_parts["parent"] != digest(training_parts(before.key_parts)):
            raise StoreError(
                f"{store.folder(after.address)}: it started from {before.address.chain}, which was computed anew "
                "since; run the study again, which computes this stage anew, too"
            )


def _of(found: list[StageAddress], what: str, part: str, wanted: str | None, store: Store) -> list[StageAddress]:
    """Return the addresses with a part as wanted; raises StoreError where there is none, or a choice is left."""
    there = list(dict.fromkeys(str(getattr(address, part)) for address in found))
    if wanted is None:
        if len(there) > 1:
            raise StoreError(f"{store.root}: there are several {what}s, name one by --{what}: {listed(there)}")
        return found
    if wanted not in there:
        hint = near(wanted, there)
        raise StoreError(f"{store.root}: no run of {what} '{wanted}' is done.{hint} Done are: {listed(there)}")
    return [address for address in found if getattr(address, part) == wanted]


def _numbered(found: list[StageAddress], part: str, wanted: int | None, store: Store) -> list[StageAddress]:
    """Return the addresses of a seed or fold, all of them if none is wanted; raises StoreError where there is none."""
    if wanted is None:
        return found
    there = sorted({getattr(address, part) for address in found} - {None})
    if wanted not in there:
        done = listed(map(str, there)) or "none"
        raise StoreError(f"{store.root}: no run of {part} {wanted} is done; {part}s that are: {done}")
    return [address for address in found if getattr(address, part) == wanted]


def _has_weights(store: Store, address: StageAddress) -> bool:
    return store.weights(address) is not None


def _record(store: Store, address: StageAddress) -> StageRecord:
    """Return the record of a stage that is done, with its weights there."""
    record, folder = store.record(address), store.folder(address)
    if record is None or record.status != "done":
        raise StoreError(f"{folder}: this run is not done; run the study again, which goes on with what is missing")
    if not _has_weights(store, address):
        raise StoreError(
            f"{folder}: its weights were not kept; run the study again with `--set protocol.keep_weights=all`"
        )
    return record


def _spec(record: StageRecord, index: int) -> StageSpec:
    """Return what a stage was asked, as far as it determines its result."""
    try:
        settings = settings_of(record.technique).model_validate(record.key_parts["settings"])
    except ValidationError as error:
        raise StoreError(
            f"{record.address.folder}: the settings of its record are none of {record.technique}'s "
            f"({error.errors()[0]['msg']}): read it with the version of tuneoff that wrote it"
        ) from None
    assert isinstance(settings, StageSettings)
    return StageSpec(record.address.chain, record.technique, settings, record.parent, index)


def _check_same(model: "ResolvedModel", record: StageRecord, store: Store) -> None:
    """Raise StoreError unless the model is the one that a run started from."""
    then, now = record.key_parts["model"], model.keyed()
    if differ := [name for name in {**now, **then} if then.get(name) != now.get(name)]:
        raise StoreError(
            f"{store.folder(record.address)}: it was trained from another model than '{model.source}' is now "
            f"({', '.join(differ)} differ): give the folder or hub id of the one that it was trained from"
        )
