"""What all this costs: what is opened to look a run up. `python -m benchmarks lookups checkpoints` measures it."""

import hashlib
import json
import sys
from pathlib import Path

from augdistill.base.files import checksum
from augdistill.store.identity import Ref
from augdistill.store.runs import RunStore


def test_looking_a_run_up_opens_its_manifest_alone(tmp_path: Path, taught: Path) -> None:
    """However many runs there are: no folder is listed, no other file opened."""
    (path,) = taught.glob("runs/teacher-*/manifest.json")
    manifest, refs = json.loads(path.read_text()), []
    for number in range(100):
        id = hashlib.sha256(str(number).encode()).hexdigest()
        refs.append(Ref("teacher", id, f"teacher-{id[:8]}", {}))
        folder = tmp_path / "runs" / refs[-1].folder
        folder.mkdir(parents=True)
        named = {**manifest, "id": id}
        (folder / "manifest.json").write_text(json.dumps({**named, "checksum": checksum(named)}, indent=1))
    opened: list[str] = []
    listens = [True]

    def note(event: str, arguments: tuple[object, ...]) -> None:  # an audit hook stays for good: it is told to be deaf
        if listens and event in ("open", "os.listdir", "os.scandir") and str(tmp_path) in str(arguments[0]):
            opened.append(f"{event} {arguments[0]}")

    sys.addaudithook(note)
    try:
        assert RunStore(tmp_path).find(refs[50]) is not None
    finally:
        listens.clear()
    assert set(opened) == {f"open {tmp_path / 'runs' / refs[50].folder / 'manifest.json'}"}
