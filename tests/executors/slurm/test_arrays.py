"""How stages become job arrays: everything once, parents before or waited for, few submissions."""

import random
from collections.abc import Iterable

import pytest

from augdistill.executors.banks import Banks
from augdistill.executors.slurm.arrays import Array, ArrayTask, arrange, indices
from augdistill.study.stage import Stage

SIZE = 1000


def stage(kind: str, name: str, *parents: Stage) -> Stage:
    id = f"{kind}-{name}"
    return Stage(id, kind, id, {}, tuple(parent.id for parent in parents), 2 if kind == "teacher" else 1)


def study(teachers: int, students: int, controls: int = 0, rescaled: bool = False) -> list[Stage]:
    """Return a plan as studies have it; `rescaled` students wait for the first teacher's outputs too."""
    found: list[Stage] = []
    for number in range(controls):
        control = stage("student", f"labels-{number}")
        found += [control, stage("evaluation", f"labels-{number}", control)]
    for number in range(teachers):
        teacher = stage("teacher", f"{number}")
        scored = stage("evaluation", f"{number}", teacher)
        outputs = stage("outputs", f"{number}", teacher)
        found += [teacher, scored, outputs]
        plain = [found[2 * controls + 2]] if rescaled and number else []
        for k in range(students):
            student = stage("student", f"{number}-{k}", outputs, *plain)
            found += [student, stage("evaluation", f"{number}-{k}", student, scored)]
    return found


def arranged(
    plan: list[Stage],
    done: Iterable[str] = (),
    live: dict | None = None,
    pack: int = 1,
    size: int = SIZE,
    banks: Banks | None = None,
) -> list[Array]:
    todo = [stage for stage in plan if stage.id not in {*done, *(live or {})}]
    return arrange(plan, todo, live or {}, "study", pack, size, banks or {})


def in_banks_of(plan: list[Stage], size: int) -> Banks:
    """Return banks of students that follow each other in a plan, whoever their teachers."""
    students = [stage for stage in plan if stage.kind == "student"]
    parts = [tuple(students[first : first + size]) for first in range(0, len(students), size)]
    return {stage.id: part for part in parts for stage in part if len(part) > 1}


def shapes(arrays: list[Array]) -> list[tuple[str, str, str]]:
    return [(array.kind, indices(array.jobs), array.aligned) for array in arrays]


def check(plan: list[Stage], arrays: list[Array], done: set[str], live: dict[str, ArrayTask], size: int) -> None:
    """Assert that every stage to do runs once, after each parent: earlier in its job, or in one that it waits for."""
    placed = dict(live)
    for array in arrays:
        assert array.aligned or max(array.jobs) < size
        for index, job in array.jobs.items():
            awaited = {ArrayTask(array.aligned, index)} if array.aligned else set(array.after)
            before: set[str] = set()
            for stage in job:
                assert stage.id not in placed
                for parent in stage.parents:
                    assert parent in done | before or placed[parent] in awaited
                before.add(stage.id)
        placed |= array.places
    assert placed.keys() | done == {stage.id for stage in plan}


def test_each_student_waits_for_its_own_teacher():
    arrays = arranged(study(teachers=3, students=2, controls=2))
    teachers, controls, first, second = arrays
    assert shapes(arrays) == [
        ("teacher", "0-2", ""),
        ("student", "0-1", ""),
        ("student", "0-2", teachers.name),
        ("student", "0-2", teachers.name),
    ]
    assert [stage.id for stage in teachers.jobs[1]] == ["teacher-1", "evaluation-1", "outputs-1"]
    assert [stage.id for stage in first.jobs[1]] == ["student-1-0", "evaluation-1-0"]
    assert [stage.id for stage in second.jobs[1]] == ["student-1-1", "evaluation-1-1"]
    assert [stage.id for stage in controls.jobs[1]] == ["student-labels-1", "evaluation-labels-1"]
    assert (teachers.threads, first.threads) == (2, 1)


def test_a_pack_holds_students_of_one_teacher():
    arrays = arranged(study(teachers=3, students=4, controls=5), pack=4)
    assert shapes(arrays)[1:] == [("student", "0-1", ""), ("student", "0-2", arrays[0].name)]
    assert [stage.kind for stage in arrays[2].jobs[0]] == ["student", "evaluation"] * 4


def test_more_teachers_than_an_array_may_have_make_two():
    arrays = arranged(study(teachers=5, students=1), size=3)
    assert shapes(arrays) == [
        ("teacher", "0-2", ""),
        ("teacher", "0-1", ""),
        ("student", "0-1", arrays[1].name),
        ("student", "0-2", arrays[0].name),
    ]


def test_what_waits_for_two_teachers_waits_for_both_jobs():
    arrays = arranged(study(teachers=3, students=2, rescaled=True), pack=2)
    teachers = arrays[0].name
    own = {tuple(array.jobs[0][0].parents): (array.aligned, array.after) for array in arrays[1:]}
    assert own == {
        ("outputs-0",): (teachers, ()),
        ("outputs-1", "outputs-0"): ("", (ArrayTask(teachers, 0), ArrayTask(teachers, 1))),
        ("outputs-2", "outputs-0"): ("", (ArrayTask(teachers, 0), ArrayTask(teachers, 2))),
    }


def test_students_of_a_teacher_that_is_queued_already_take_its_index():
    plan = study(teachers=9, students=1)
    live = {f"{kind}-7": ArrayTask("earlier", 7) for kind in ("teacher", "outputs", "evaluation")}
    done = {stage.id for stage in plan if "7" not in stage.id}
    assert shapes(arranged(plan, done, live)) == [("student", "7", "earlier")]


def test_a_new_test_set_makes_few_jobs():
    """Evaluations alone: a teacher's and its students' in one job; where the teacher's is there, twenty in one."""
    plan = study(teachers=10, students=4)
    done = {stage.id for stage in plan if stage.kind != "evaluation"}
    assert shapes(arranged(plan, done)) == [("student", "0-2", "")]
    scored = {stage.id for stage in plan if stage.id.count("-") == 1}
    assert [len(job) for job in arranged(plan, done | scored)[0].jobs.values()] == [20, 20]


def test_a_bank_is_one_job_that_waits_for_all_of_its_teachers_to_end():
    plan = study(teachers=2, students=2, controls=1)
    teachers, bank = arranged(plan, banks=in_banks_of(plan, 5), pack=2)
    assert shapes([teachers, bank]) == [("teacher", "0-1", ""), ("student", "0", "")]
    assert bank.is_bank
    assert not teachers.is_bank
    assert bank.after == (ArrayTask(teachers.name, 0), ArrayTask(teachers.name, 1))
    assert sorted(stage.kind for stage in bank.jobs[0]) == ["evaluation"] * 5 + ["student"] * 5


def test_a_bank_of_one_teachers_students_waits_for_it_to_end_however_it_does():
    plan = study(teachers=1, students=2)
    teachers, bank = arranged(plan, banks=in_banks_of(plan, 2))
    assert (bank.aligned, bank.after, bank.is_bank) == ("", (ArrayTask(teachers.name, 0),), True)


def test_a_big_study_takes_a_handful_of_submissions():
    assert len(arranged(study(teachers=200, students=4, controls=100), pack=4)) == 3


@pytest.mark.parametrize("seed", range(40))
def test_whatever_is_left_runs_once_and_after_its_parents(seed):
    """Plans of which any part is done and any part is queued, as after faults; parents of what is done are done."""
    rng = random.Random(seed)
    plan = study(rng.randint(1, 6), rng.randint(0, 4), rng.randint(0, 4), rescaled=rng.random() < 0.3)
    done: set[str] = set()
    live: dict[str, ArrayTask] = {}
    share = rng.random()
    for stage in plan:
        if done.issuperset(stage.parents) and rng.random() < share:
            done.add(stage.id)
        elif live and rng.random() < 0.2:
            live[stage.id] = rng.choice([*live.values(), ArrayTask("earlier", len(live))])
        elif rng.random() < 0.1:
            live[stage.id] = ArrayTask("earlier", len(live))
    size = rng.randint(2, 5)
    banks = in_banks_of(plan, rng.randint(1, 4))
    check(plan, arranged(plan, done, live, rng.randint(1, 3), size, banks), done, live, size)


def test_indices_as_sbatch_takes_them():
    assert indices([3, 0, 1, 2, 7, 9, 10]) == "0-3,7,9-10"
