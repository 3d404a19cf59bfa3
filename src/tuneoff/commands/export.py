"""`tuneoff export`: a trained classifier as a folder of transformers or peft, and on its way to the hub."""

from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from tuneoff.errors import StudyError
from tuneoff.exporting import Exported, export
from tuneoff.exporting.push import Upload, check_repo, plan_upload, upload
from tuneoff.report.formats import count, size
from tuneoff.words import visible


@dataclass(frozen=True)
class Push:
    """Where an exported folder is to be uploaded; with `dry_run` only what would be is told."""

    repo: str
    private: bool
    dry_run: bool


def push_of(repo: str | None, *, private: bool, dry_run: bool) -> Push | None:
    """Return what the options of the command say of an upload; raises TuneoffError for options that say nothing."""
    if repo is None:
        if private or dry_run:
            raise StudyError("--private and --dry-run are about an upload: name the repository with --push OWNER/NAME")
        return None
    check_repo(repo)
    return Push(repo, private, dry_run)


def export_command(
    directory: Path,
    to: Path,
    *,
    technique: str | None = None,
    model: str | None = None,
    task: str | None = None,
    seed: int | None = None,
    merge: bool = False,
    base: str | None = None,
    push: Push | None = None,
) -> None:
    """Export a run, say what was written and why, and upload it, or say what would be uploaded."""
    progress = Console(stderr=True, highlight=False)
    found = export(
        directory,
        to,
        technique=technique,
        model=model,
        task=task,
        seed=seed,
        merge=merge,
        base=base,
        announce=lambda what: _say(progress, what),
    )
    console = Console(highlight=False)
    _show(console, found)
    if push is None:
        return
    planned = plan_upload(to, push.repo, private=push.private)
    if push.dry_run:
        _show_upload(console, planned)
        return
    _say(progress, f"uploading {size(planned.size)} to {push.repo}")
    _say(console, f"uploaded: {upload(planned)}")


def _show(console: Console, found: Exported) -> None:
    address = found.address
    _say(console, f"{found.path}: {address.chain} of {address.model} on {address.task}, {address.title}")
    _say(console, f"load it with {found.loader}; README.md shows how")
    for reason in found.reasons:
        _say(console, f"- {reason}")
    _say(console, f"loaded again, its logits differ by {found.difference:.1g} of their size from those of the run")
    for file in found.files:
        _say(console, f"{size(file.stat().st_size):>8}  {file.relative_to(found.path).as_posix()}")


def _show_upload(console: Console, planned: Upload) -> None:
    kind = "private" if planned.private else "public"
    what = f"{count(len(planned.files))} files, {size(planned.size)}"
    _say(console, f"dry run: to {planned.repo} ({kind} if it has to be made) would go {what}:")
    for name, length in planned.files.items():
        _say(console, f"{size(length):>8}  {name}")


def _say(console: Console, text: str) -> None:
    console.print(visible(text), markup=False, soft_wrap=True)
