"""python -m benchmarks.executors EXECUTOR STAGES: what running a stage that does nothing costs, and what memory."""

import logging
import resource
import sys
import tempfile
import time
from pathlib import Path

from augdistill.config import Config
from augdistill.executors import local, ray
from augdistill.store.documents import Manifest
from augdistill.store.runs import Run, RunStore
from augdistill.study.arms import student_jobs
from augdistill.study.plan import Plan
from augdistill.study.stage import Stage
from benchmarks.study import composed

MODULES = {"local": local, "ray": ray}
CHAIN = 4  # as a study's: a teacher, its outputs, a student, its evaluation


def do_nothing(job: Config) -> Run:
    """Return a finished run that is nowhere."""
    return Run(Path("nowhere"), Manifest.model_construct(status="finished"))


def chains(stages: int) -> Plan:
    """Return a plan of chains of four stages, each with a student's config."""
    config = next(student_jobs(composed(["study=tiny", "study.runtime.device=cpu"]), {})).config
    made = [
        Stage(
            f"{n:064}", "outputs", f"outputs-{n}", config, (f"{n - 1:064}",) if n % CHAIN else (), 1, {"model": "none"}
        )
        for n in range(stages)
    ]
    return Plan("nothing", composed(["study=tiny"]).study, made, {}, [], [], 0)


class Ends(logging.Handler):
    """Notes when stages ended, from the lines that say so."""

    def __init__(self) -> None:
        super().__init__()
        self.times: list[float] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Note the time of a line that says that a stage finished."""
        if record.getMessage().startswith("finished"):
            self.times.append(record.created)


def measure(name: str, stages: int) -> str:
    """Run a plan and return one line of numbers; memory is that of this process."""
    executor = composed([f"executor={name}"]).executor
    plan, ends = chains(stages), Ends()
    logging.getLogger("augdistill").setLevel(logging.INFO)
    logging.getLogger("augdistill").addHandler(ends)
    with tempfile.TemporaryDirectory() as folder:
        began, cpu = time.time(), time.process_time()
        results = MODULES[name].run(plan, RunStore(Path(folder)), executor, do_nothing)
        cpu = time.process_time() - cpu
    assert {outcome.status for outcome in results.outcomes.values()} == {"finished"}
    each = (ends.times[-1] - ends.times[0]) / (stages - 1)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    return (
        f"{name}: {stages} stages, {1000 * each:.1f} ms from one's end to the next's, the first after "
        f"{ends.times[0] - began:.1f} s; {1000 * cpu / stages:.2f} ms of this process each; {peak:.0f} MB at most"
    )


if __name__ == "__main__":
    from benchmarks import executors  # under a name that workers can import, too

    print(executors.measure(sys.argv[1], int(sys.argv[2])))
