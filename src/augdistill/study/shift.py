"""The evaluations under shift that a study asks for, of each of its runs."""

from collections.abc import Iterator

from augdistill.config import Config
from augdistill.config.jobs import DatasetAt, EvaluationRuntime, ShiftConfig
from augdistill.config.shift import Attack, Corruptions, Unknown
from augdistill.config.studies import Study
from augdistill.data import test_set_name
from augdistill.stages import names
from augdistill.store.identity import Ref


class Shifts:
    """What a study evaluates its runs under; an attack is made on the first control of a run's block, too."""

    def __init__(self, study: Study, outputs: str) -> None:
        self.study, self.outputs = study, outputs
        self.asked: list[Corruptions | Attack | Unknown] = [*study.corruptions, *study.attacks, *study.unknown]
        self.controls: dict[int, Ref] = {}
        self.fingerprints: dict[Corruptions | Attack | Unknown, str] = {}

    def of(
        self, run: Ref, precision: str, arm: Config, own: Ref | None
    ) -> Iterator[tuple[Ref, ShiftConfig, tuple[str, ...], Config]]:
        """Yield the name, the config, the ids waited for and the place of each evaluation of a run.

        Those beside unknown images wait for the run's evaluation on its `own` test set.
        """
        dataset = self.study.dataset
        where = {key: dataset.plain().get(key) for key in ("root", "path")}
        called = test_set_name(dataset.name, dataset.plain())
        if arm["role"] == "control":
            self.controls.setdefault(arm["block"], run)
        for under in self.asked:
            source = self.controls.get(arm["block"]) if isinstance(under, Attack) else None
            source = None if source == run else source
            config = ShiftConfig(
                run=run.folder,
                outputs=self.outputs,
                under=under,
                source=source.folder if source else None,
                runtime=EvaluationRuntime(device=self.study.runtime.device),
                **where,
            )
            ref = names.shift_name(config, run, dataset, precision, source, self.fingerprint(under))
            waits = [run.id, *([source.id] if source else [])]
            waits += [own.id] if own is not None and isinstance(under, Unknown) else []
            yield ref, config, tuple(waits), {**arm, "test_set": under.called(called)}

    def fingerprint(self, under: Corruptions | Attack | Unknown) -> str:
        """Return the fingerprint of the images of an evaluation under shift; raises DataError, ConfigError."""
        if under not in self.fingerprints:
            self.fingerprints[under] = names.shift_fingerprint(under, DatasetAt(self.study.dataset, self.outputs))
        return self.fingerprints[under]
