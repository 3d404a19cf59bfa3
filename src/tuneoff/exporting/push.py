"""An exported folder on its way to the hub: what would be uploaded, and the upload."""

import re
from dataclasses import dataclass
from pathlib import Path

from tuneoff.errors import StoreError

REPO = re.compile(r"[\w.-]+/[\w.-]+")


@dataclass(frozen=True)
class Upload:
    """A folder and the repository that it goes to; `files` are the paths inside it with their sizes in bytes."""

    folder: Path
    repo: str
    private: bool
    files: dict[str, int]

    @property
    def size(self) -> int:
        """The bytes to upload."""
        return sum(self.files.values())


def plan_upload(folder: Path, repo: str, *, private: bool) -> Upload:
    """Return what would be uploaded; nothing is asked of the hub. Raises StoreError for a name that is none."""
    check_repo(repo)
    found = sorted(file for file in folder.rglob("*") if file.is_file())
    return Upload(folder, repo, private, {file.relative_to(folder).as_posix(): file.stat().st_size for file in found})


def check_repo(repo: str) -> None:
    """Raise StoreError unless a text can be the name of a repository on the hub."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]  # it is documented there

    try:
        if not REPO.fullmatch(repo):
            raise HFValidationError("it reads owner/name")
        validate_repo_id(repo)
    except HFValidationError as error:
        raise StoreError(f"--push '{repo}': no name of a repository on the hub: {error}") from error


def upload(planned: Upload) -> str:
    """Make the repository if it is not there, upload the folder, and return its address on the hub.

    Raises StoreError where the hub refuses or cannot be reached; the folder stays as it is.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    api = HfApi()
    try:
        made = api.create_repo(planned.repo, private=planned.private, exist_ok=True)
        api.upload_folder(
            repo_id=planned.repo,
            folder_path=planned.folder,
            allow_patterns=list(planned.files),
            commit_message="A classifier trained and exported by tuneoff",
        )
    except (HfHubHTTPError, OfflineModeIsEnabled, OSError) as error:
        reason = " ".join(str(error).split())
        raise StoreError(
            f"--push {planned.repo}: not uploaded ({reason[:300]}); the folder is whole at {planned.folder}: log in "
            f"with `hf auth login`, then `hf upload {planned.repo} {planned.folder}`"
        ) from error
    return str(made)
