"""Where a model's files are: a folder, or the hub's copy of them in the cache."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from tuneoff.errors import ModelError
from tuneoff.models.weights import TOKENIZER_PATTERNS
from tuneoff.study import ModelSpec
from tuneoff.words import shortened

_HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")
_SMALL = ("config.json", "1_Pooling/config.json", "tokenizer_config.json", "README.md", "adapter_config.json")
_ALL = (
    *_SMALL,
    *TOKENIZER_PATTERNS,
    "model*.safetensors",
    "model.safetensors.index.json",
    "adapter_model.safetensors",
    "merges.txt",
    "special_tokens_map.json",
    "added_tokens.json",
)


@dataclass(frozen=True)
class Location:
    """A folder with a model's files; `source` is shown to readers, `revision` the commit (None for a folder)."""

    source: str
    folder: Path
    revision: str | None


def locate(spec: ModelSpec, *, need_weights: bool) -> Location:
    """Return where the model's files are, downloading what is missing of them from the hub.

    An existing folder is meant as such; all else is a hub id. Without `need_weights` only the small files are asked of
    the hub (config, model card, pooling and tokenizer settings). Raises ModelError if there is nothing to be found.
    """
    try:
        folder = Path(spec.id).expanduser()
        folder.exists()  # raises for a name that no folder can have
    except (OSError, RuntimeError) as error:
        # The home of nobody, or a name that is too long.
        reason = (error.strerror if isinstance(error, OSError) else None) or error
        raise ModelError(
            f"model '{shortened(spec.id)}': there is no such folder ({reason}), and a hub id would read like "
            "'owner/name'."
        ) from error
    if folder.is_dir():
        if spec.revision is not None:
            raise ModelError(f"model '{spec.id}' is a folder, and `revision` is for hub ids: leave it out.")
        # A link keeps the name that the user gave it; '.' and '..' have the names of what they stand for.
        return Location(os.path.normpath(folder.absolute()).rsplit(os.sep, 1)[-1], folder.resolve(), None)
    if folder.exists():
        raise ModelError(f"model '{spec.id}' is a file: give the folder that holds config.json.")
    if not _HUB_ID.fullmatch(spec.id) or spec.id.startswith("."):
        raise ModelError(f"model '{spec.id}': there is no such folder, and a hub id would read like 'owner/name'.")
    snapshot = _snapshot(spec, need_weights=need_weights)
    return Location(spec.id, snapshot, snapshot.name)


def _snapshot(spec: ModelSpec, *, need_weights: bool) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    patterns = list(_ALL if need_weights else _SMALL)
    if spec.trust_remote_code:
        patterns.append("*.py")
    try:
        return Path(snapshot_download(spec.id, revision=spec.revision, allow_patterns=patterns))
    except GatedRepoError as error:
        raise ModelError(
            f"model '{spec.id}': its owner gives access on request; ask there, then `hf auth login`."
        ) from error
    except (RepositoryNotFoundError, HFValidationError) as error:
        raise ModelError(f"model '{spec.id}' is neither a folder here nor a model on the hub.") from error
    except RevisionNotFoundError as error:
        raise ModelError(f"model '{spec.id}' has no revision '{spec.revision}' on the hub.") from error
    except (LocalEntryNotFoundError, OfflineModeIsEnabled, HfHubHTTPError) as error:
        raise ModelError(
            f"model '{spec.id}' is no folder here, and the hub cannot be reached for it: download it where there is a "
            f"network (`hf download {spec.id} --local-dir FOLDER`) and give that folder as the model."
        ) from error
