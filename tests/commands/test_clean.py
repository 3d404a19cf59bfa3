from tuneoff.commands.clean import clean_command
from tuneoff.running import compute_study


def test_caches_are_emptied_and_nothing_else(tmp_path, monkeypatch, capsys):
    cache = tmp_path / "cache"
    (cache / "features").mkdir(parents=True)
    (cache / "features" / "a.safetensors").write_bytes(b"x" * 3 * 2**19)
    (cache / "mine").write_text("mine")
    monkeypatch.setenv("TUNEOFF_CACHE", str(cache))
    clean_command()
    assert [path.name for path in cache.rglob("*")] == ["mine"]
    assert capsys.readouterr().out == f"1.5 MiB freed in {cache}\n"
    clean_command()
    assert capsys.readouterr().out == f"0.0 MiB freed in {cache}\n"


def test_without_a_cache_there_is_nothing_to_free(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TUNEOFF_CACHE", str(tmp_path / "none"))
    clean_command()
    assert capsys.readouterr().out.startswith("0.0 MiB freed") and not (tmp_path / "none").exists()


def test_what_a_study_cached_is_found_and_its_run_directory_stays(study, listener, tmp_path, capsys):
    store = compute_study(study(steps=1, eval_every=1), tmp_path / "out", listener())
    cached = list((tmp_path / "cache").rglob("*.safetensors"))
    before = sorted(store.root.rglob("*"))
    clean_command()
    assert len(cached) == 1 and not cached[0].exists() and sorted(store.root.rglob("*")) == before
    assert len(store.records()) == 1
