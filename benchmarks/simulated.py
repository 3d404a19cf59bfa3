"""Studies whose truth is known: answers, right or wrong, of techniques on the same examples under the same seeds."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Truth:
    """How a simulated study comes about; a threshold model, so that the expected accuracy is exactly `accuracy`.

    An answer is right where a normal number is below a threshold. Of that number's variance of 1, the share
    `difficulty` belongs to the example alone (hard for every technique), `taste` to example and technique, and the
    rest to example, technique and seed. The threshold moves with technique and seed, so that accuracies vary between
    seeds with a standard deviation of about `seed_sd`.
    """

    seeds: int
    examples: int
    accuracies: tuple[float, ...]
    seed_sd: float = 0.0
    difficulty: float = 0.4
    taste: float = 0.2

    def draw(self, studies: int, rng: np.random.Generator) -> NDArray[np.bool_]:
        """Return answers (studies, techniques, seeds, examples)."""
        from scipy.stats import norm

        techniques = len(self.accuracies)
        usual = norm.ppf(np.array(self.accuracies))
        spread = self.seed_sd / norm.pdf(usual)
        thresholds = usual * np.sqrt(1 + spread**2)
        moved = thresholds[:, None] + spread[:, None] * rng.standard_normal((studies, techniques, self.seeds))
        number = np.sqrt(1 - self.difficulty - self.taste) * rng.standard_normal(
            (studies, techniques, self.seeds, self.examples), dtype=np.float32
        )
        number += np.sqrt(self.taste) * rng.standard_normal((studies, techniques, 1, self.examples), dtype=np.float32)
        number += np.sqrt(self.difficulty) * rng.standard_normal((studies, 1, 1, self.examples), dtype=np.float32)
        return np.asarray(number < moved[..., None])
