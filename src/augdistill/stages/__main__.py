"""python -m augdistill.stages JOB.json ...: run jobs, one after the other, without Hydra."""

import json
import logging
import sys
from pathlib import Path

from augdistill.errors import AugdistillError
from augdistill.stages import run_job


def main(paths: list[str]) -> int:
    """Run every job and return the worst exit code; a failing job does not stop the next."""
    logging.basicConfig(format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("augdistill").setLevel(logging.INFO)
    if not paths:
        print("usage: python -m augdistill.stages JOB.json ...", file=sys.stderr)
        return 2
    worst = 0
    for path in paths:
        try:
            print(run_job(json.loads(Path(path).read_text())).path)
        except AugdistillError as error:
            print(f"{path}: {error}", file=sys.stderr)
            worst = max(worst, error.exit_code)
            if error.exit_code == 143:
                break
    return worst


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
