"""Speed, as ratios to the loop that research code of this field uses; see docs/performance.md."""
