"""Reading data sets of the Hugging Face hub into tables, with the class names in their own order."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tuneoff.errors import DataError, DataNotHereError
from tuneoff.tasks.table import Table, name_classes
from tuneoff.words import listed, near

PARQUET_BRANCH = "refs/convert/parquet"
"""Where the hub keeps a Parquet copy of a data set that is a script: a folder a configuration."""
COMMIT = re.compile(r"@([0-9a-f]{40})/")


@dataclass(frozen=True)
class HubId:
    """A data set of the hub: its id, configuration and revision, and what a message offers in its place."""

    id: str
    config: str | None = None
    revision: str | None = None
    instead: str = ""

    def __str__(self) -> str:
        return self.id if self.config is None else f"{self.id}/{self.config}"


@dataclass(frozen=True)
class HubSet:
    """A data set of the hub as it was loaded: its splits, and where exactly they came from."""

    hub_id: HubId
    splits: Mapping[str, Any]
    source: str

    def table(self, split: str, key: str) -> Table:
        """Return a split, or a slice of one such as `train[:80%]`; DataError if there is none of that name."""
        if split in self.splits:
            return _table(self.splits[split], f"{self.hub_id}, split {split}")
        name = split.partition("[")[0]
        if name == split or name not in self.splits:
            raise DataError(
                f"{key}: {self.hub_id} has no split '{split}'.{near(split, self.splits)} "
                f"Splits there: {listed(self.splits)}."
            )
        return _table(_slice(self.splits[name], split, key), f"{self.hub_id}, split {split}")


def load_hub(hub_id: HubId) -> HubSet:
    """Load all splits of a data set; a repository that is a script is taken from the hub's own Parquet copy of it.

    Raises DataError when the hub cannot be reached, and for an id, configuration or revision it does not have.
    """
    try:
        splits = _load(hub_id, revision=hub_id.revision, name=hub_id.config)
        copy = ""
    except RuntimeError as error:
        if "scripts are no longer supported" not in str(error):
            raise
        splits = _load_parquet_copy(hub_id)
        copy = f", from the hub's Parquet copy ({PARQUET_BRANCH})"
    return HubSet(hub_id, splits, f"{hub_id} on the hub{_revision(splits, hub_id)}{copy}")


def _load_parquet_copy(hub_id: HubId) -> Mapping[str, Any]:
    if hub_id.revision is not None:
        raise DataError(
            f"task.revision: at '{hub_id.revision}' {hub_id} is a script, which is not run. Leave the revision out, "
            f"and the hub's Parquet copy of the data set is used.{hub_id.instead}"
        )
    if hub_id.config is None:
        # Without one, the files of all configurations would be read as one data set.
        raise DataError(
            f"task.config: {hub_id} is a script, which is not run; to read the hub's Parquet copy, name the "
            f"configuration (the data set's page calls it subset).{hub_id.instead}"
        )
    return _load(hub_id, revision=PARQUET_BRANCH, data_dir=hub_id.config)


def _load(hub_id: HubId, **asked: str | None) -> Mapping[str, Any]:
    from datasets import load_dataset
    from datasets.exceptions import DatasetsError
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        splits: Mapping[str, Any] = load_dataset(hub_id.id, **asked)
    except (ConnectionError, HfHubHTTPError, LocalEntryNotFoundError) as error:
        raise DataNotHereError(
            f"task.hub: the hub cannot be reached for {hub_id} ({_first_line(error)}), and it is not in the cache. "
            f"Check the connection, or give files of your own (task.train, task.test).{hub_id.instead}"
        ) from error
    except (DatasetsError, FileNotFoundError) as error:
        raise DataNotHereError(
            f"task.hub: {hub_id} cannot be loaded ({_first_line(error)}). Check task.hub, task.config and "
            f"task.revision; for a private data set, log in to the hub first.{hub_id.instead}"
        ) from error
    except ValueError as error:
        raise DataError(f"task.config: {hub_id}: {' '.join(str(error).split())}{hub_id.instead}") from error
    return splits


def _slice(split: Any, asked: str, key: str) -> Any:
    """Return the rows that a slice in the notation of `datasets` means: `[a:b]`, in rows or in whole percents."""
    found = re.fullmatch(r"[^\[]+\[(-?\d+%?)?:(-?\d+%?)?\]", asked)
    if found is None:
        raise DataError(f"{key}: '{asked}' is not a slice. Write it as train[:80%] or train[100:500].")
    start, stop = (_bound(bound, len(split)) for bound in found.groups())
    return split.select(range(len(split))[start:stop])


def _bound(bound: str | None, rows: int) -> int | None:
    if bound is None:
        return None
    return round(rows * int(bound[:-1]) / 100) if bound.endswith("%") else int(bound)


def _table(split: Any, origin: str) -> Table:
    from datasets import ClassLabel, Value

    flat = [name for name, feature in split.features.items() if isinstance(feature, Value | ClassLabel)]
    rows = split.select_columns(flat).with_format(None).to_list()
    if not rows:
        raise DataError(f"{origin}: there are no rows. A split needs at least one.")
    classes = {name: split.features[name] for name in flat}
    names = {name: tuple(feature.names) for name, feature in classes.items() if isinstance(feature, ClassLabel)}
    return name_classes(Table(origin, tuple(flat), rows, range(len(rows)), "row"), names)


def _revision(splits: Mapping[str, Any], hub_id: HubId) -> str:
    """Return the commit that the files came from, where the library recorded it, else the revision asked for."""
    for split in splits.values():
        for address in split.info.download_checksums or {}:
            if found := COMMIT.search(address):
                return f", commit {found[1]}"
    return f", revision {hub_id.revision}" if hub_id.revision else ""


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
