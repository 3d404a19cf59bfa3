"""What was trained on a base in 4 bits is handed on as an adapter, with how the base is loaded; nothing else is."""

import numpy as np
import pytest

from tuneoff.exporting import export
from tuneoff.exporting.form import NotExportableError

bitsandbytes = pytest.importorskip("bitsandbytes")
# peft asks transformers for an attribute by a name that it had before.
pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")
MODEL = {"name": "tiny", "load": "4bit"}


@pytest.mark.parametrize("family", ["wide-bert", "wide-qwen3"])
def test_the_adapter_gives_the_logits_on_the_same_base(
    family, finished, tmp_path, run_snippet, test_rows, stored_logits, monkeypatch
):
    # Where the processor can, bitsandbytes computes in bf16 for others: less exact, which is told in the card.
    monkeypatch.setattr("bitsandbytes.nn.modules.has_avx512bf16", lambda: False)
    store = finished(["linear-probe", "linear-probe+lora"], family=family, model=MODEL)
    found = export(store.root, tmp_path / "to", technique="linear-probe+lora")
    assert found.loader.startswith("AutoPeftModelFor") and found.difference < 1e-5
    assert any("4 bits" in reason for reason in found.reasons)
    logits = stored_logits(store, "linear-probe+lora")
    assert np.allclose(run_snippet(found.path, test_rows())["logits"].numpy(), logits, atol=1e-4 * abs(logits).max())
    assert "model.safetensors" not in {path.name for path in found.files}
    with pytest.raises(NotExportableError, match="rounds it away; leave --merge out"):
        export(store.root, tmp_path / "merged", technique="linear-probe+lora", merge=True)
    with pytest.raises(NotExportableError, match="linear-probe leaves no adapter"):
        export(store.root, tmp_path / "whole", technique="linear-probe")
    assert not (tmp_path / "merged").exists() and not (tmp_path / "whole").exists()


@pytest.mark.parametrize("family", ["wide-bert", "wide-qwen3"])
def test_virtual_tokens_are_written_and_the_base_is_not(
    family, finished, tmp_path, run_snippet, test_rows, stored_logits, monkeypatch
):
    monkeypatch.setattr("bitsandbytes.nn.modules.has_avx512bf16", lambda: False)
    entries = [{"name": name, "learning_rate": 0.1, "virtual_tokens": 5} for name in ("prompt", "prefix")]
    store = finished([*entries, {"name": "knn"}], family=family, model=MODEL)
    for name in ("prompt", "prefix"):
        found = export(store.root, tmp_path / name, technique=name)
        assert found.loader.startswith("AutoPeftModelFor") and any("4 bits" in reason for reason in found.reasons)
        logits = stored_logits(store, name)
        again = run_snippet(found.path, test_rows())["logits"].numpy()
        assert np.allclose(again, logits, atol=1e-4 * abs(logits).max())
        assert "model.safetensors" not in {path.name for path in found.files}
    with pytest.raises(NotExportableError, match="knn leaves no adapter"):
        export(store.root, tmp_path / "knn", technique="knn")
