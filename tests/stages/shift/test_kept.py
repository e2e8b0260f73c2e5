"""What is kept for the next model: the latest, up to so many bytes."""

import numpy as np

from augdistill.stages.shift.kept import Kept


def test_the_latest_are_kept_up_to_their_bytes():
    made: list[str] = []

    def get(key: str) -> np.ndarray:
        def make() -> np.ndarray:
            made.append(key)
            return np.zeros(4, dtype=np.uint8)

        return kept.get(key, make)

    kept: Kept[np.ndarray] = Kept(8)
    for key in "abacab":
        get(key)
    assert made == ["a", "b", "c", "b"]
    assert kept.held == 8
    large = kept.get("large", lambda: np.zeros(9, dtype=np.uint8))
    assert large.nbytes == 9
    assert (kept.held, len(kept.values)) == (0, 0)
