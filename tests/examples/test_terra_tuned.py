"""The example whose table stands in the README."""

from pathlib import Path

from tuneoff.reading import read_study

ROOT = Path(__file__).parents[2]


def test_it_is_read_and_tunes_all_techniques_alike():
    study = read_study(str(ROOT / "examples" / "terra-tuned.yaml")).study
    assert [technique.name for technique in study.techniques][3:] == ["linear-probe+full", "linear-probe+lora"]
    assert study.protocol.tune.trials == 3 and study.protocol.seed_list == [0, 1, 2, 3, 4]
    assert study.protocol.eval_on == "dev"
