import subprocess
import sys

from tuneoff.training.seeds import derive


def test_each_part_changes_the_seed():
    seeds = {derive(seed, purpose, index) for seed in range(20) for purpose in ("init", "order") for index in range(3)}
    assert len(seeds) == 20 * 2 * 3
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_numbers_and_their_texts_differ():
    assert derive(1, "a") != derive("1", "a")


def test_the_same_parts_give_the_same_seed_in_another_process():
    code = "from tuneoff.training.seeds import derive; print(derive(3, 'dropout', 1, 'step', 7))"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(other.stdout) == derive(3, "dropout", 1, "step", 7)
