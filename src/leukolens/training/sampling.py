"""Which rows of a dataset an epoch draws. One seed draws the same rows again."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Sampler


def pass_batch(batch: Any) -> Any:
    """The collate function of datasets whose batches come whole."""
    return batch


class BalancedSampler(Sampler[int]):
    """Rows of one epoch, drawn by weights or shuffled; the same ones for the same seed and epoch."""

    def __init__(
        self, weights: NDArray[np.float64] | None, rows: int, draws: int, seed: int, epoch: Callable[[], int]
    ) -> None:
        """Takes one weight per row, or None to shuffle all rows, and asks `epoch` which epoch it is."""
        self._weights = weights
        self._rows = rows
        self._draws = draws
        self._seed = seed
        self._epoch = epoch

    def __len__(self) -> int:
        """Draws of an epoch."""
        return self._draws

    def __iter__(self) -> Iterator[int]:
        """The epoch's rows."""
        generator = np.random.default_rng([self._seed, self._epoch()])
        if self._weights is not None:
            drawn = generator.choice(self._rows, self._draws, p=self._weights)
        else:
            repeats = -(-self._draws // self._rows)
            drawn = np.concatenate([generator.permutation(self._rows) for _ in range(repeats)])[: self._draws]
        return iter(drawn.tolist())
