"""What would be uploaded is told without a network, and what is uploaded is that."""

import pytest

from tuneoff.errors import StoreError
from tuneoff.exporting.push import plan_upload, upload


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "to" / "1_Pooling").mkdir(parents=True)
    (tmp_path / "to" / "README.md").write_text("four")
    (tmp_path / "to" / "1_Pooling" / "config.json").write_text("{}")
    return tmp_path / "to"


class Hub:
    """Stands in for huggingface_hub's HfApi, and keeps what it is asked."""

    asked = ()

    def create_repo(self, repo, **settings):
        Hub.asked = [(repo, settings)]
        return f"https://hub/{repo}"

    def upload_folder(self, **settings):
        Hub.asked.append(settings)


def test_a_plan_lists_the_files_and_asks_nobody(folder, monkeypatch):
    monkeypatch.setattr("huggingface_hub.HfApi", None)
    planned = plan_upload(folder, "me/it", private=True)
    assert planned.files == {"1_Pooling/config.json": 2, "README.md": 4} and planned.size == 6


def test_what_was_planned_is_uploaded(folder, monkeypatch):
    monkeypatch.setattr("huggingface_hub.HfApi", Hub)
    planned = plan_upload(folder, "me/it", private=True)
    (folder / "later.txt").write_text("later")
    assert upload(planned) == "https://hub/me/it"
    (repo, made), sent = Hub.asked
    assert repo == sent["repo_id"] == "me/it" and made == {"private": True, "exist_ok": True}
    assert sent["folder_path"] == folder and sorted(sent["allow_patterns"]) == sorted(planned.files)


def test_a_hub_that_cannot_be_reached_is_told_with_the_way_out(folder, monkeypatch):
    class Away(Hub):
        def create_repo(self, repo, **settings):
            raise ConnectionError("no route")

    monkeypatch.setattr("huggingface_hub.HfApi", Away)
    with pytest.raises(StoreError, match=r"not uploaded \(no route\).*hf auth login"):
        upload(plan_upload(folder, "me/it", private=False))


@pytest.mark.parametrize("name", ["it", "me/it/too", "me/", "../it", "me/it..", "me/--it", "me/a b"])
def test_a_name_that_is_none_is_refused(folder, name):
    with pytest.raises(StoreError, match="no name of a repository"):
        plan_upload(folder, name, private=False)
