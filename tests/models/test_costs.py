"""What a network costs: multiply-accumulates counted by hand, times of what was run."""

import pytest
import torch

from augdistill import models
from augdistill.models import costs


def test_the_multiply_accumulates_of_lenet_are_those_counted_by_hand():
    model = models.build("lenet", (3, 32, 32), 10, seed=0).eval()
    by_hand = 28 * 28 * 6 * 75 + 10 * 10 * 16 * 150 + 400 * 120 + 120 * 84 + 84 * 10
    assert costs.multiply_accumulates(model, torch.zeros(1, 3, 32, 32)) == by_hand


def test_what_is_timed_ran_before_and_as_often_as_there_is_room_for(monkeypatch):
    seen = []
    assert len(costs.seconds_of(seen.append, "images", 0.0)) == costs.WARM
    assert seen == 2 * costs.WARM * ["images"]
    monkeypatch.setattr(costs, "MOST_TIMES", 7)
    found = costs.seconds_of(seen.append, "images", 60.0)
    assert len(found) == 7
    assert all(seconds >= 0 for seconds in found)


def test_speed_is_the_median_of_one_image_its_99th_percentile_and_a_batch_over_its_median(monkeypatch):
    taken = {"one": [0.001] * 98 + [0.003, 0.009], "many": [0.5, 0.25, 4.0]}
    monkeypatch.setattr(costs, "seconds_of", lambda predict, images, seconds: taken[images])
    speed = costs.speed_of(print, "one", "many", 1.0)
    assert speed.latency_p50 == pytest.approx(1.0)
    assert speed.latency_p99 == pytest.approx(3.06)  # a hundredth of the way from 3 to 9 ms
    assert speed.images_per_second == 256
