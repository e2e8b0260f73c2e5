"""The run store: one folder per run, its manifest written last, one writer at a time.

A run exists when its manifest does. Files are written to a temporary name in the same folder, flushed and renamed, so
a reader sees all of a file or nothing.
"""

import hashlib
import json
import logging
import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from augdistill.base.errors import ConfigError, HeldError, RequestError, RunError
from augdistill.base.files import WRITING, checksum, write_atomic, write_json
from augdistill.base.locks import held, holder
from augdistill.base.reading import in_short, names_by_digits, read_json, read_text, sha256
from augdistill.base.text import removal
from augdistill.store.documents import MANIFESTS, EvaluationManifest, Manifest, ModelManifest, ShiftManifest
from augdistill.store.tags import tags

if TYPE_CHECKING:  # the whole schema, which no manifest needs
    from augdistill.config.jobs import RunConfig
    from augdistill.store.identity import Ref

log = logging.getLogger(__name__)

MANIFEST = "manifest.json"
FORMAT = 1


@dataclass(frozen=True)
class Run:
    """A finished or diverged run: its folder and what its manifest says."""

    path: Path
    manifest: Manifest

    @property
    def id(self) -> str:
        return self.manifest.id

    @property
    def kind(self) -> str:
        return self.manifest.kind

    @property
    def status(self) -> str:
        return self.manifest.status

    @property
    def model(self) -> ModelManifest:
        """What the manifest of a teacher or a student says; raises RunError for a run that holds no model."""
        if not isinstance(self.manifest, ModelManifest):
            raise RunError(f"{self.path / MANIFEST} is of no teacher or student: {removal(self.path)}")
        return self.manifest

    @property
    def evaluation(self) -> EvaluationManifest:
        """What the manifest of an evaluation says; raises RunError for a run of another kind."""
        if not isinstance(self.manifest, EvaluationManifest):
            raise RunError(f"{self.path / MANIFEST} is of no evaluation: {removal(self.path)}")
        return self.manifest

    @property
    def shift(self) -> ShiftManifest:
        """What the manifest of an evaluation under shift says; raises RunError for a run of another kind."""
        if not isinstance(self.manifest, ShiftManifest):
            raise RunError(f"{self.path / MANIFEST} is of no evaluation under shift: {removal(self.path)}")
        return self.manifest

    @cached_property
    def config(self) -> "RunConfig":
        """What a model, or outputs, were asked for, checked as if it were typed. Raises RunError."""
        from augdistill.config.checking import check_saved

        try:
            return check_saved(self.kind, self.manifest.config)
        except ConfigError as error:
            raise RunError(f"{self.path / MANIFEST} holds no config of a {self.kind}: {error}") from None

    @property
    def imported_name(self) -> str | None:
        """What a teacher from elsewhere is called, None for any other run."""
        about = self.manifest.config.get("imported")
        name = about.get("name") if self.kind == "teacher" and isinstance(about, Mapping) else None
        return name if isinstance(name, str) else None

    @property
    def ref(self) -> "Ref":
        from augdistill.store.identity import Ref

        return Ref(self.kind, self.id, self.path.name, self.manifest.document.plain())

    def file(self, name: str) -> Path:
        """Return the path of one of the run's files, after comparing its SHA-256 with the manifest's."""
        path = self.path / name
        wrong = file_damage(path, self.manifest.checksums(name))
        if wrong:  # written anew, perhaps, since this manifest was read
            now = read_manifest(self.path)
            wrong = file_damage(path, now.checksums(name) if now is not None else set())
        if wrong == "missing":
            raise RunError(f"{self.path} has no {name}: remove it with {removal(self.path)}")
        if wrong:
            raise RunError(f"{path} is {wrong}: {removal(self.path)}")
        return path


class RunStore:
    """The runs below one outputs folder."""

    def __init__(self, outputs: Path) -> None:
        self.outputs = outputs
        self.runs = outputs / "runs"
        self.banks = outputs / "banks"  # checkpoints of students that train together

    def folder(self, ref: "Ref") -> Path:
        """Return the folder of a run, there or not, whatever its label; a longer hash where eight digits are taken."""
        short, longer = self.runs / ref.folder, self.runs / f"{ref.folder}{ref.id[8:24]}"
        if longer.is_dir():
            return longer
        taken = read_manifest(short)
        if taken is not None:
            return longer if taken.id != ref.id else short
        others = [] if short.is_dir() else names_by_digits(self.runs).get(ref.id[:8], [])
        labelled = [self.runs / name for name in others if name.startswith(f"{ref.kind}-")]
        found = ((path, read_manifest(path)) for path in labelled)
        return next((path for path, manifest in found if manifest is None or manifest.id == ref.id), short)

    def find(self, ref: "Ref") -> Run | None:
        """Return the run of this identity if it is finished or diverged, else None."""
        run = read_run(self.folder(ref))
        return run if run is not None and run.id == ref.id else None

    def all(self, kind: str | None = None) -> list[Run]:
        """Return every run, or those of one kind, by folder name; a damaged manifest is told and passed over."""
        prefix, found = f"{kind}-" if kind else "", []
        paths = sorted(self.runs.iterdir()) if self.runs.is_dir() else []
        for path in paths:
            try:
                if path.name.startswith(prefix) and (run := read_run(path)) is not None:
                    found.append(run)
            except RunError as error:
                log.warning("passed over: %s", error)
        return found

    def damage(self, path: Path) -> list[str]:
        """Return what is wrong with a run's folder: its manifest, or files that are missing or not what that says."""
        try:
            manifest = read_manifest(path)
        except RunError as error:
            return [str(error)]
        names = manifest.files if manifest is not None else {}
        wrong = {name: file_damage(path / name, manifest.checksums(name)) for name in names} if manifest else {}
        return [f"{path / name} is {what}" for name, what in wrong.items() if what]

    def get(self, name: str) -> Run:
        """Return the finished or diverged run that `name` means; raises RunError as `place` does, or if it is none."""
        path = self.place(name)
        if (run := read_run(path)) is None:
            raise RunError(f"{name} is unfinished: the command that made it goes on with it, {removal(path)} drops it")
        return run

    def place(self, name: str) -> Path:
        """Return the folder that `name` means: itself, a run's or bank's name, a tag, an import's, an id or name begun.

        Raises RunError if there is none or more than one.
        """
        for path in (Path(name), self.runs / name, self.banks / name):
            if path.is_dir():
                return path
        runs = self.all()
        tagged = tags(self.outputs).get(name)
        found = [run for run in runs if run.id == tagged] or [run for run in runs if run.imported_name == name]
        found = found or [run for run in runs if run.id.startswith(name) or run.path.name.endswith(f"-{name}")]
        found = found or [run for run in runs if run.path.name.startswith(name)]
        if len(found) != 1:
            several = f"{len(found)} runs are called" if found else "no run is called"
            raise RunError(f"{several} {name} below {self.runs.resolve()}: augdistill runs lists them")
        return found[0].path

    @contextmanager
    def writing(self, ref: "Ref", wait: bool = True) -> Iterator[Path]:
        """Hold the run's lock and give its folder, created if need be; HeldError if held and not to `wait`."""
        path = self.folder(ref)
        with self.lock(ref, wait):
            is_new = not path.exists()
            path.mkdir(parents=True, exist_ok=True)
            for leftover in path.rglob(f"{WRITING}*"):  # of a process that was killed: the lock is ours
                leftover.unlink()
            try:
                yield path
            except RequestError:
                if is_new:
                    shutil.rmtree(path)  # a refused request leaves nothing behind
                raise

    @contextmanager
    def lock(self, ref: "Ref", wait: bool = True) -> Iterator[None]:
        """Hold the lock of a run; while it is held elsewhere wait, saying for whom, or raise HeldError."""
        with held(self.outputs / "locks", ref.id[:24], ref.folder, wait):
            yield

    def holder(self, ref: "Ref") -> str | None:
        """Return who holds a run's lock, or ended without giving it back; None where nobody does."""
        return holder(self.outputs / "locks", ref.id[:24])

    def publish(
        self, ref: "Ref", status: str, config: Mapping[str, Any], provenance: Mapping[str, Any], **facts: Any
    ) -> Run:
        """Write the manifest of a run, last of all its files, each with its checksum, and return the run."""
        path = self.folder(ref)
        names = [item.name for item in sorted(path.iterdir()) if item.is_file() and not item.name.startswith(".")]
        manifest = {
            "format": FORMAT,
            "id": ref.id,
            "kind": ref.kind,
            "status": status,
            "config": config,
            "document": ref.document,
            **facts,
            "files": {name: sha256(path / name) for name in names if name not in (MANIFEST, "log")},
            "provenance": provenance,
        }
        write_json(path / MANIFEST, {**manifest, "checksum": checksum(manifest)})
        run = read_run(path)
        assert run is not None
        return run

    def rewrite(self, run: Run, name: str, content: bytes) -> Run:
        """Write one of a run's files anew, whose lock is held, and return the run.

        The manifest comes first and allows the old content too: whoever reads meanwhile, or after this process was
        killed, finds the one or the other whole.
        """
        written = json.loads(read_text(run.path / MANIFEST))
        manifest = {key: value for key, value in written.items() if key != "checksum"}
        manifest["files"] = {**manifest["files"], name: hashlib.sha256(content).hexdigest()}
        manifest["replaced"] = {**manifest.get("replaced", {}), name: run.manifest.files[name]}
        write_json(run.path / MANIFEST, {**manifest, "checksum": checksum(manifest)})
        write_atomic(run.path / name, content)
        return self.get(run.path.name)

    def remove(self, path: Path) -> None:
        """Delete the folder of a run or a bank, finished or not: the manifest first, so that no half is ever a run.

        Raises RunError for a folder that is not below this outputs folder, HeldError for one that is held.
        """
        if path.resolve().parent not in (self.runs.resolve(), self.banks.resolve()):
            raise RunError(f"{path} is not below {self.runs.resolve()}: name its outputs folder with outputs=")
        digits = path.name.rpartition("-")[2]  # of its identity, by which locks are named
        locks = self.outputs / "locks"
        with ExitStack() as stack:
            for name in sorted(lock.stem for lock in locks.glob("*.lock") if lock.name.startswith(digits)):
                try:
                    stack.enter_context(held(locks, name, path.name, wait=False))
                except HeldError:
                    whom = holder(locks, name) or "another process"
                    raise HeldError(f"{path.name} is worked on by {whom}: stop that before you remove it") from None
            (path / MANIFEST).unlink(missing_ok=True)
            shutil.rmtree(path)


def read_manifest(path: Path) -> Manifest | None:
    """Return the manifest of a run's folder, None where there is no finished run."""
    try:
        return read_json(path / MANIFEST, MANIFESTS, f"{removal(path)} lets it be made again")
    except (FileNotFoundError, NotADirectoryError):
        return None


def read_run(path: Path) -> Run | None:
    """Return the finished or diverged run in a folder, None where there is none."""
    manifest = read_manifest(path)
    return None if manifest is None else Run(path, manifest)


def file_damage(path: Path, expected: Collection[str]) -> str:
    """Return what a file is that should have one of these SHA-256: missing, or damaged and why; "" if it has."""
    try:
        return "missing" if not expected else "" if sha256(path) in expected else "damaged (its checksum differs)"
    except (FileNotFoundError, NotADirectoryError):
        return "missing"
    except (OSError, ValueError) as error:
        return f"damaged ({in_short(error)})"
