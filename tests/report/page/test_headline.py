"""The answer at the top says what the differences say."""

import pytest

from augdistill.report.page.headline import DEPENDS, HELPS, HURTS, OPEN, headline
from augdistill.results.cells import Cells
from augdistill.results.effects import Effect
from augdistill.results.study import SavedStudy


@pytest.mark.parametrize(
    ("differences", "tone", "answer"),
    [
        ([(-2, 0.001), (-3, 0.001)], HURTS, "Yes, on Digits: it hurts in every pairing of strategy and student."),
        ([(-2, 0.001), (1, 0.4)], HURTS, "Yes, on Digits: it hurts in 1 of 2 pairings of strategy and student."),
        ([(2, 0.001), (-1, 0.4)], HELPS, "No, on Digits: it helps in 1 of 2 pairings of strategy and student, and"),
        ([(2, 0.001), (-1, 0.01)], DEPENDS, "It depends on Digits: of 2 differences 1 are clear losses and 1 clear"),
        ([(2, 0.06), (-1, 0.4)], OPEN, "Not shown on Digits: none of 2 differences stands out"),
        ([(2, 0.06)], OPEN, "Not shown on Digits: the one difference does not stand out"),
        ([(2, float("nan"))], OPEN, "Not known yet: a test needs at least two blocks."),
        ([], OPEN, "Not known yet: no two strategies have students in good health"),
    ],
)
def test_the_headline_says_what_the_differences_say(tiny, monkeypatch, differences, tone, answer):
    found = [Effect("lenet", "cutmix", value, value - 1, value + 1, p, p, 3) for value, p in differences]
    monkeypatch.setattr("augdistill.report.page.headline.effects", lambda saved, cells: found)
    saved = SavedStudy.load("tiny", tiny)
    said = headline(saved, Cells(saved), [])
    assert said.tone == tone
    assert said.answer.startswith(answer)
    losses, gains = [v for v, _ in differences if v < 0], [v for v, _ in differences if v > 0]
    assert any("Largest loss: LeNet of CutMix −" in sentence for sentence in said.sentences) == bool(losses)
    assert any("argest gain: LeNet of CutMix +" in sentence for sentence in said.sentences) == bool(gains)
    assert len(said.sentences) <= 2
