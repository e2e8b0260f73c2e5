"""Results under shift as rows of the table of results: by corruption, by radius, and relative to the base arm."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from augdistill.shift import CORRUPTIONS

RELATIVE = "mean_corruption_error"  # relative to the base arm's, as mCE is to AlexNet's in the field
UNDER, AT = "_under", "_at"  # how the names of arrays end that have a value for each corruption, each radius
SAME = ["compared", "model", "student_aug", "variant", "block", "test_set"]  # of an arm and of what it is relative to


def shift_values(arrays: Mapping[str, Any]) -> dict[str, float]:
    """Return the values under shift in the arrays of a metrics.json: accuracy[fog] over severities, accuracy[4], ..."""
    found: dict[str, float] = {}
    for name, values in arrays.items():
        if name.endswith(UNDER):
            rows = zip(arrays.get("corruptions", ()), values, strict=False)
            found |= {f"{name.removesuffix(UNDER)}[{which}]": float(np.mean(row)) for which, row in rows}
        elif name.endswith(AT):
            at = zip(arrays.get("radii", ()), values, strict=False)
            found |= {f"{name.removesuffix(AT)}[{radius:g}]": float(value) for radius, value in at}
    return found


def with_relative_errors(results: pd.DataFrame, base: str) -> pd.DataFrame:
    """Return results with the mean corruption error of every run, relative to that of the base arm.

    Hendrycks & Dietterich (2019): the error under a corruption over that of the base, a mean over its runs of the same
    block, averaged over the 15 corruptions. Controls have no teacher, and are compared with the base's students.
    """
    errors = corruption_errors(results)
    if errors.empty:
        return results
    keys = [*SAME, "corruption"]
    errors = errors.assign(compared=errors["role"].replace("control", "student"))
    of_base = errors[(errors["teacher_aug"] == base) & (errors["role"] != "control")]
    base_errors = of_base.groupby(keys)["error"].mean().rename("of_base")
    both = errors.join(base_errors, on=keys)
    relative = both.assign(value=both["error"] / both["of_base"].where(both["of_base"] > 0))
    by_run = relative.groupby(["run", "test_set"], sort=False)["value"]
    whole = by_run.mean()[by_run.count() == len(CORRUPTIONS)]
    rows = errors.drop_duplicates(["run", "test_set"]).set_index(["run", "test_set"])
    rows = rows.loc[whole.index].assign(value=whole, metric=RELATIVE).reset_index()
    return pd.concat([results, rows[results.columns]], ignore_index=True)


def corruption_errors(results: pd.DataFrame) -> pd.DataFrame:
    """Return one row for each run and corruption of the 15, with its `corruption` and `error`."""
    metrics = {f"accuracy[{name}]": name for name in CORRUPTIONS}
    rows = results[results["metric"].isin(metrics)]
    return rows.assign(corruption=rows["metric"].map(metrics), error=1 - rows["value"].astype(float))
