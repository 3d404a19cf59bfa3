"""From a finished run to a folder that transformers or peft load without tuneoff, with tokenizer and model card."""

import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuneoff.errors import ModelError, StoreError, WriteError
from tuneoff.exporting.adapter import adapter_model, plain_base
from tuneoff.exporting.card import CARD, Folder, model_card
from tuneoff.exporting.facts import Facts, facts_of
from tuneoff.exporting.form import BASE, Form, NotExportableError, forms
from tuneoff.exporting.head import HEAD, head_tensors
from tuneoff.exporting.plain import head_weights, plain_model
from tuneoff.exporting.proof import check_written, expected, probe_columns
from tuneoff.exporting.snippet import loading_settings, snippet
from tuneoff.exporting.tokenizer import own_tokenizer
from tuneoff.exporting.virtual import virtual_model, within_window
from tuneoff.files import TEMPORARY, save_tensors
from tuneoff.in_use import put_in_place
from tuneoff.store import StageAddress, Store
from tuneoff.trained import TrainedClassifier, find_run, load_trained_classifier

Announce = Callable[[str], None]


@dataclass(frozen=True)
class Exported:
    """A folder that was written: of which run, for which class, why for this one, and how exactly it gives the logits.

    `difference` is that of the logits of some texts, loaded by that class, as a share of their norm; where a head lies
    beside a bare model, or of the vectors under it, whichever is greater.
    """

    path: Path
    address: StageAddress
    loader: str
    reasons: tuple[str, ...]
    difference: float

    @property
    def files(self) -> list[Path]:
        """The files of the folder, sorted by name."""
        return sorted(file for file in self.path.rglob("*") if file.is_file())


def export(
    path: str | Path,
    to: str | Path,
    *,
    technique: str | None = None,
    model: str | None = None,
    task: str | None = None,
    seed: int | None = None,
    merge: bool = False,
    base: str | None = None,
    announce: Announce = lambda _: None,
) -> Exported:
    """Write a trained classifier of a run directory as an ordinary folder of transformers or peft.

    `path` is the run directory, `to` the folder, which must be empty or not there. `technique`, `model` and `task`
    have to be named where the study has several. The seed is the first that is done; it is never chosen by test. With
    `merge` an adapter is folded into its base. `base` is where the pre-trained model is now (hub id or folder), if not
    where the study says. `announce` hears what is done. What was written is loaded again by the class that it is for,
    and compared. Raises TuneoffError for what cannot be exported.
    """
    store, target = Store.existing(Path(path)), Path(to)
    _check_target(target)
    address = find_run(store, technique=technique, model=model, task=task, seed=seed)
    announce(f"loading {address.chain}, {address.title}")
    trained = _load(store, address, base)
    facts = facts_of(store, trained.record)
    found = forms(trained, merge=merge)
    trained = within_window(trained, facts.task)
    columns = probe_columns(trained, facts.task)
    own = expected(trained, columns)
    reasons = list(found.reasons)
    for number, form in enumerate(found.possible):
        try:
            with _Part(target) as folder:
                announce(f"writing {form.loader}'s folder")
                settings = _write_weights(trained, form, base or trained.spec.id, folder)
                announce("loading it again, to compare")
                difference = check_written(folder, trained, form, settings, columns, own)
                card = _card(trained, form, facts, settings, tuple(reasons), base)
                (folder / CARD).write_text(card, encoding="utf-8", newline="\n")
                _put_in_place(folder, target)
        except NotExportableError as error:
            if number + 1 == len(found.possible):
                raise
            reasons.append(str(error))
            continue
        return Exported(target, address, form.loader, tuple(reasons), difference)
    raise NotExportableError(" ".join(reasons))


def _load(store: Store, address: StageAddress, base: str | None) -> TrainedClassifier:
    try:
        return load_trained_classifier(store, address, model_id=base)
    except ModelError as error:
        if base is not None:
            raise
        raise ModelError(f"{error} If the pre-trained model is elsewhere now, say where with --base.") from error


def _write_weights(trained: TrainedClassifier, form: Form, base: str, folder: Path) -> dict[str, Any]:
    """Write weights, head and tokenizer of a form; returns the arguments that its class is to be loaded with."""
    from tuneoff.models.backbones import quiet

    tokenizer = own_tokenizer(trained, padding_ends_texts=not (form.classifies and trained.model.is_decoder))
    settings = loading_settings(trained, form, tokenizer.pad_token_id)
    with quiet():
        if trained.classifier.virtual_tokens:
            plain = _base_of_virtual_tokens(trained, form, settings, tokenizer.pad_token_id, folder)
            virtual_model(trained, form, base, plain).save_pretrained(folder, save_embedding_layers=False)
        elif form.adapter:
            adapter_model(trained, form, base, settings).save_pretrained(folder, save_embedding_layers=False)
        else:
            plain_model(trained, form, tokenizer.pad_token_id).save_pretrained(folder)
    if not form.classifies:
        save_tensors(folder / HEAD, head_tensors(trained))
    tokenizer.save_pretrained(folder)
    return settings


def _base_of_virtual_tokens(
    trained: TrainedClassifier, form: Form, settings: dict[str, Any], pad_id: int, folder: Path
) -> Any:
    """Return the base of virtual tokens, with the head if its class has one; it is written if it goes with them."""
    if form.beside:
        plain = plain_model(trained, form.base, pad_id)
        plain.save_pretrained(folder / BASE)
        return plain
    plain = plain_base(trained, form, settings)
    if form.classifies:
        plain.load_state_dict(head_weights(trained, plain), strict=False)
    return plain


def _card(
    trained: TrainedClassifier,
    form: Form,
    facts: Facts,
    settings: dict[str, Any],
    reasons: tuple[str, ...],
    base: str | None,
) -> str:
    tokenizer = own_tokenizer(trained, padding_ends_texts=not (form.classifies and trained.model.is_decoder))
    lines = snippet(trained, form, settings, len(facts.task["text_fields"]))
    about = Folder(form, lines, reasons, trained, base or trained.spec.id, str(tokenizer.pad_token))
    return model_card(about, facts)


def _check_target(target: Path) -> None:
    if target.is_dir() and any(target.iterdir()):
        raise StoreError(f"{target}: not empty, and nothing is written over; give another --to, or empty it")
    if target.exists() and not target.is_dir():
        raise StoreError(f"{target}: a file; --to is the folder to write")


class _Part:
    """A folder beside the target that is filled, and then put in its place or removed."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __enter__(self) -> Path:
        parent = self.target.absolute().parent
        try:
            parent.mkdir(parents=True, exist_ok=True)
            self.folder = Path(tempfile.mkdtemp(prefix=TEMPORARY, dir=parent))
        except OSError as error:
            raise WriteError(self.target, error) from error
        return self.folder

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _trace: object) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        if isinstance(error, OSError):
            raise WriteError(self.target, error) from error


def _put_in_place(folder: Path, target: Path) -> None:
    if target.is_dir():
        target.rmdir()
    folder.chmod(0o777 & ~_umask())  # a temporary folder is its owner's alone
    put_in_place(folder, target)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
