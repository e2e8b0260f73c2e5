"""Rows of what is no training: how soon a command answers, how long a plan, looking runs up and a checkpoint take."""

import hashlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch

from augdistill.store.identity import Ref
from augdistill.store.runs import MANIFEST, RunStore
from augdistill.study.plan import make_plan
from augdistill.training.checkpoint import State, save_checkpoint
from augdistill.training.device import resolve
from benchmarks import ours
from benchmarks.measure import RowError, Side, Sides
from benchmarks.sides import Setting
from benchmarks.study import composed

REFUSED = "train-teacher aug=mixap"
COMMANDS = (REFUSED, "--help", "train-teacher --help", "train-teacher --cfg job", "study --cfg job", "runs", "data")


def commands(setting: Setting) -> Sides:
    """From the shell until it has answered, against importing Hydra alone; a unit is one command.

    One is refused, one lists a thousand runs.
    """

    def answered(*words: str, code: int = 0) -> Callable[[], Side]:
        def side() -> float:
            with tempfile.TemporaryDirectory() as folder:
                ended = subprocess.run([sys.executable, *words], check=False, capture_output=True, cwd=folder)
            if ended.returncode != code:
                raise RowError(f"{' '.join(words)} ended with {ended.returncode}")
            return 1.0

        return lambda: side

    def listed() -> Side:
        folder = Path(tempfile.mkdtemp())
        published(folder, 10 if setting.quick else 1000)
        return answered("-m", "augdistill.cli", "runs", f"outputs={folder}")()

    ours_ = {
        f"augdistill {words}": answered("-m", "augdistill.cli", *words.split(), code=2 if words == REFUSED else 0)
        for words in COMMANDS
    }
    return {"import hydra": answered("-c", "import hydra"), **ours_, "augdistill runs, of 1,000": listed}


def planning(setting: Setting) -> Sides:
    """A study of 10,000 stages planned, against hashing as many documents of the same length; a unit is a stage."""

    def plan() -> Side:
        folder = tempfile.mkdtemp()
        config = composed(["study=tiny", f"study.blocks={3 if setting.quick else 1000}", f"outputs={folder}"])
        make_plan(config)  # the data packed
        return lambda: float(len(make_plan(config).stages))

    def hashes() -> Side:
        document = {"config": {f"key {number}": number for number in range(60)}}

        def side() -> float:
            for _ in range(1000):
                hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
            return 1000.0

        return side

    return {"hashing documents": hashes, "ours": plan}


def lookups(setting: Setting) -> Sides:
    """Runs looked up by identity, their manifests checked, against parsing the same files; a unit is a run."""
    count = 10 if setting.quick else 1000
    store, refs = published(Path(tempfile.mkdtemp()), count)

    def side(read: Callable[[Ref], object]) -> Callable[[], Side]:
        def every() -> float:
            assert all(read(ref) is not None for ref in refs)
            return float(count)

        return lambda: every

    return {
        "parsing": side(lambda ref: json.loads((store.folder(ref) / MANIFEST).read_bytes())),
        "ours": side(store.find),
    }


def published(folder: Path, count: int) -> tuple[RunStore, list[Ref]]:
    """Write so many runs below a folder, all that there is to look up of them, and return their store and names."""
    store = RunStore(folder)
    refs = [Ref("outputs", hashlib.sha256(str(n).encode()).hexdigest(), f"outputs-{n}", {}) for n in range(count)]
    provenance = {
        "versions": {},
        "precision": "fp32",
        "began": "",
        "ended": "",
        "seconds": 1.0,
        "parents": {},
        "notes": [],
    }
    for ref in refs:
        store.folder(ref).mkdir(parents=True)
        store.publish(ref, "finished", {"filling": "x" * 2000}, provenance)
    return store, refs


def checkpoints(setting: Setting) -> Sides:
    """A full ResNet18's checkpoint written, against as many bytes with one fsync; a unit is a checkpoint."""
    folder = Path(tempfile.mkdtemp())

    def write() -> Side:
        images = setting.data("train")
        width = {"width": 4} if setting.quick else {}
        model = ours.build("resnet18", images, resolve("cpu", "fp32", 1), 1, **width)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        facts = resolve("cpu", "fp32", 1).facts()

        def side() -> float:
            save_checkpoint(folder, model, optimizer, State(1), facts)
            return 1.0

        return side

    def plain() -> Side:
        written = write()
        written()
        size = sum(path.stat().st_size for path in folder.rglob("*.safetensors"))

        def side() -> float:
            with (folder / "plain").open("wb", buffering=0) as file:
                file.write(bytes(size))
                subprocess.run(["sync", str(folder / "plain")], check=True)
            return 1.0

        return side

    return {"plain bytes": plain, "ours": write}
