"""What a written model costs: its size, and times of what was run."""

import numpy as np
import torch

from augdistill.export import costs


def test_a_model_is_measured_on_one_thread_and_on_all(monkeypatch, tmp_path):
    monkeypatch.setattr(costs, "SECONDS", 0.0)
    monkeypatch.setattr(costs, "usable_cores", lambda: 2)
    path, seen = tmp_path / "model", []
    path.write_bytes(b"12345")

    def opened(threads):
        return lambda images: seen.append((threads, len(images))) or np.zeros(1)

    found = costs.measured("net", torch.nn.Linear(4, 2), path, torch.zeros(1, 4), opened)
    assert [(row.threads, row.parameters, row.macs, row.bytes) for row in found] == [(1, 10, 8, 5), (2, 10, 8, 5)]
    assert set(seen) == {(1, 1), (1, 128), (2, 1), (2, 128)}
    assert all(0 < row.latency_p50 <= row.latency_p99 and row.images_per_second > 0 for row in found)
