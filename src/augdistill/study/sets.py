"""The data of a study, and the names of the runs and evaluations that are on them."""

from dataclasses import replace
from pathlib import Path

from augdistill.config import Config
from augdistill.config.jobs import CostsConfig, DatasetAt, EvaluationConfig, RunConfig, StudentConfig
from augdistill.config.studies import StudyConfig
from augdistill.data import HUMAN_LABELS, test_set_name
from augdistill.stages import names
from augdistill.store.identity import Ref, costs_ref
from augdistill.store.runs import Run, RunStore
from augdistill.study.imported import check_can_give, imported_teacher
from augdistill.study.shift import Shifts
from augdistill.study.stage import Stage, StageConfig

SHARED = ("role", "model", "teacher_aug", "student_aug", "variant")


class TestSets:
    """The data of a study: the fingerprints of its training set and of the test sets that are there."""

    __test__ = False  # no test class, whatever its name

    def __init__(self, config: StudyConfig) -> None:
        self.study, self.outputs, self.wait = config.study, config.outputs, config.wait
        self.trackers = config.tracker
        self.dataset = self.study.dataset.plain()
        data = DatasetAt(self.study.dataset, self.outputs)
        header = names.dataset_header(data)
        self.training, self.images = header.fingerprint, header.count
        self.evaluated: set[str] = set()
        self.known: dict[str, dict[str, Ref]] = {}
        self.teachers: dict[tuple[str, str, int], Ref] = {}
        self.shared: dict[tuple[str, ...], None] = {}
        self.elsewhere: dict[str, Run] = {}
        self.shifts = Shifts(self.study, self.outputs)
        self.found, missing = names.test_sets(data, header)
        self.missing = {test_set_name(name, self.dataset): why for name, why in missing.items()}

    def evaluation(self, run: str, test_set: str) -> EvaluationConfig:
        """Return the config of one evaluation of this study."""
        where = {key: self.dataset.get(key) for key in ("root", "path")}
        how = {"normalisation": self.study.normalisation, "runtime": {"device": self.study.runtime.device}}
        return names.evaluation_config(run, test_set, self.outputs, **how, **where)

    def imported(self, config: StudentConfig) -> Run:
        """Return the teacher from elsewhere that a config names; raises RequestError as `imported_teacher` does."""
        name = str(config.distillation.teacher)
        if name not in self.elsewhere:
            self.elsewhere[name] = imported_teacher(name, config, self.training)
        check_can_give(self.elsewhere[name], config)
        return self.elsewhere[name]

    def is_evaluated(self, teacher: Ref | None) -> bool:
        """Return whether a teacher has evaluations: one that is known by its outputs alone has none."""
        return teacher is not None and teacher.id in self.evaluated

    def known_as(self, ref: Ref) -> Ref:
        """Return the name of a run, its folder as it is there: of a user's own data it may have another label."""
        if "path" not in self.dataset:
            return ref
        return replace(ref, folder=RunStore(Path(self.outputs)).folder(ref).name)

    def refs(self, run: Ref, precision: str) -> dict[str, Ref]:
        """Return the names of a run's evaluations, by test set."""
        if run.id not in self.known:
            dataset = self.study.dataset
            self.known[run.id] = {
                name: self.known_as(
                    names.evaluation_name(self.evaluation(run.folder, name), run, dataset, precision, fingerprint)
                )
                for name, fingerprint in self.found.items()
            }
        return self.known[run.id]

    def share(self, place: Config, stage: Stage) -> None:
        """Note a place in the design whose run stands at another variant."""
        if place["variant"] != stage.arm["variant"]:
            self.shared[*(place[key] for key in SHARED), stage.arm["variant"]] = None

    def add(
        self,
        stages: dict[str, Stage],
        ref: Ref,
        config: StageConfig,
        parents: tuple[str, ...],
        threads: int,
        arm: Config,
    ) -> Stage:
        """Return the stage of this name, added unless it is there."""
        if ref.id not in stages:
            how = (self.wait, self.trackers)
            stages[ref.id] = Stage(ref.id, ref.kind, ref.folder, config, parents, threads, arm, *how)
        return stages[ref.id]

    def add_evaluations(
        self, stages: dict[str, Stage], run: Ref, config: RunConfig, arm: Config, teacher: Ref | None
    ) -> None:
        """Add a run's evaluations; each waits for its run, its teacher's evaluation, and, about humans, the images'."""
        if run.id in self.evaluated:
            return
        self.evaluated.add(run.id)
        precision = config.runtime.precision
        refs, taught = self.refs(run, precision), self.refs(teacher, precision) if teacher else {}
        for name, ref in refs.items():
            images = [refs[HUMAN_LABELS[name]].id] if HUMAN_LABELS.get(name) in refs else []
            parents = (run.id, *images, *([taught[name].id] if teacher else []))
            place = {**arm, "test_set": test_set_name(name, self.dataset)}
            self.add(stages, ref, self.evaluation(run.folder, name), parents, 1, place)
        for ref, shifted, waits, place in self.shifts.of(run, precision, arm, refs.get(self.study.dataset.name)):
            self.add(stages, self.known_as(ref), shifted, waits, 1, place)

    def add_costs(self, stages: dict[str, Stage]) -> None:
        """Add what each network costs to run, after all else; it waits for the first of its runs."""
        for stage in list(stages.values()):
            if stage.id in self.evaluated:
                assert isinstance(stage.config, RunConfig)
                ref = self.known_as(costs_ref(stage.config, self.training))
                place = {**stage.arm, "role": "costs"}
                self.add(stages, ref, CostsConfig(run=stage.folder, outputs=self.outputs), (stage.id,), 1, place)
