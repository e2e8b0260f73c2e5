"""Calibration error over bins of equally many samples (Nguyen and O'Connor 2015, arXiv 1508.05154)."""

import numpy as np


def adaptive_ece(log_probabilities: np.ndarray, labels: np.ndarray, bins: int = 15) -> float:
    """Return the mean gap of confidence and accuracy, 0 to 1, of log-probabilities [N,K] and labels [N]."""
    confidence = np.exp(log_probabilities.max(axis=1))
    right = log_probabilities.argmax(axis=1) == labels
    parts = np.array_split(np.argsort(confidence, kind="stable"), min(bins, len(labels)))
    gaps = [len(part) * abs(confidence[part].mean() - right[part].mean()) for part in parts]
    return float(sum(gaps) / len(labels))
