import pytest

from tuneoff.cli import main
from tuneoff.commands.export import push_of
from tuneoff.errors import StudyError
from tuneoff.running import compute_study


@pytest.fixture
def run(capsys, monkeypatch):
    """Return a function that runs a command and returns its exit status, output and errors."""
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments):
        with pytest.raises(SystemExit) as left:
            main([str(argument) for argument in arguments])
        return left.value.code, *capsys.readouterr()

    return run


def test_export_from_the_command_line(study, listener, tmp_path, run, monkeypatch):
    monkeypatch.setattr("huggingface_hub.HfApi", None)  # a dry run asks nobody
    techniques = ["linear-probe", "lora"]
    store = compute_study(study(techniques, steps=1, model={"name": "tiny"}), tmp_path / "out", listener())
    status, out, err = run("export", store.root, "--to", tmp_path / "to")
    assert (status, out) == (2, "") and "several techniques, name one by --technique: linear-probe, lora" in err
    status, out, err = run("export", store.root, "--to", tmp_path / "to", "--technique", "lorra")
    assert status == 2 and "Did you mean 'lora'?" in err
    pushed = ("--push", "me/it", "--private", "--dry-run")
    status, out, err = run("export", store.root, "--to", tmp_path / "to", "--technique", "lora", *pushed)
    assert status == 0 and "AutoPeftModelForFeatureExtraction" in out and "lora of tiny on" in out
    assert "No class of transformers computes these logits" in out
    told = out[out.index("dry run: to me/it (private if it has to be made) would go") :]
    files = sorted(path.name for path in (tmp_path / "to").iterdir())
    assert sorted(line.split()[-1] for line in told.splitlines()[1:]) == files
    assert {"README.md", "adapter_config.json", "adapter_model.safetensors", "head.safetensors"} <= set(files)


def test_a_seed_that_is_not_there_and_a_base_that_moved(study, listener, tmp_path, run, model_folder):
    store = compute_study(study(steps=1, model={"name": "tiny"}), tmp_path / "out", listener())
    status, _, err = run("export", store.root, "--to", tmp_path / "to", "--seed", 7)
    assert status == 2 and "no run of seed 7 is done; seeds that are: 0" in err
    status, _, err = run("export", store.root, "--to", tmp_path / "to", "--base", model_folder("roberta"))
    assert status == 2 and "was trained from another model" in err
    assert not (tmp_path / "to").exists()
    model_folder("bert").rename(tmp_path / "moved")
    try:
        status, _, err = run("export", store.root, "--to", tmp_path / "to")
        assert status == 2 and "Tiny_bert" in err and "say where with --base" in err
        status, out, _ = run("export", store.root, "--to", tmp_path / "to", "--base", tmp_path / "moved")
        assert status == 0 and "load it with AutoModel;" in out
    finally:
        (tmp_path / "moved").rename(model_folder("bert"))


def test_merging_where_nothing_can_be_merged_is_told(study, listener, tmp_path, run):
    techniques = ["knn", {"name": "prompt", "virtual_tokens": 3}]
    store = compute_study(study(techniques, steps=1, model={"name": "tiny"}), tmp_path / "out", listener())
    for technique, told in (("knn", "knn leaves no adapter"), ("prompt", "prompt cannot be merged into its base")):
        status, out, err = run("export", store.root, "--to", tmp_path / "to", "--technique", technique, "--merge")
        assert (status, out) == (2, "") and told in err and "leave --merge out" in err and "Traceback" not in err
    assert not (tmp_path / "to").exists()


def test_options_of_an_upload_without_one_are_refused():
    with pytest.raises(StudyError, match="name the repository with --push"):
        push_of(None, private=False, dry_run=True)
    assert push_of(None, private=False, dry_run=False) is None
