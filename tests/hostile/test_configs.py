"""Configs that came from elsewhere: nothing in them is called, and no name or number in them reaches further."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import core
import saved_studies
from augdistill.base.errors import AugdistillError, ConfigError, RequestError
from augdistill.cli.listing import remove_run
from augdistill.config.checking import check
from augdistill.config.folders import read_plain
from augdistill.stages import refusals, run_job
from augdistill.stages.__main__ import main as run_jobs
from augdistill.store.runs import RunStore
from composed import planned
from hostile.corpus import HOSTILE_JSON, bounded_memory, refusal

BOMB = "\n".join(
    ["a0: &a0 [x,x,x,x,x,x,x,x,x]", *(f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12))]
)
HOSTILE_YAML = {
    "a call": 'name: !!python/object/apply:os.system ["touch ran"]\n',
    "a path": 'name: !!python/object/apply:pathlib.Path ["/etc"]\n',
    "a name in Python": "name: !!python/name:os.system\n",
    "a tag of its own": "name: !run touch\n",
    "a resolver": "name: ${oc.env:HOME}\n",
    "resolvers without end": "name: " + "${" * 100_000 + "}" * 100_000 + "\n",
    "a bomb": BOMB,
    "a circle": "a: &a [*a]\n",
    "brackets": "a: " + "[" * 20_000,
    "two documents": "a: 1\n---\nb: 2\n",
    "no YAML": "a: [1\nb: }",
    "no text": b"a: \xff",
    "too much": "a: " + "1" * 2**20,
}


def folder_with(folder: Path, content: str | bytes, name: str = "study/theirs.yaml") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


@pytest.mark.parametrize("what", HOSTILE_YAML)
def test_a_file_of_configs_holds_plain_values(what, tmp_path) -> None:
    folder_with(tmp_path, HOSTILE_YAML[what])
    with bounded_memory(), pytest.raises(ConfigError, match=r"theirs\.yaml is refused: ") as raised:
        read_plain(tmp_path, "study/theirs.yaml")
    refusal(raised.value)


@cache
def composed_tiny() -> str:
    return json.dumps(saved_studies.composed(Path("outputs"), "study=tiny"))


@pytest.fixture
def composed(tmp_path) -> dict[str, Any]:
    """The config of `augdistill study study=tiny`, to be changed."""
    return {**json.loads(composed_tiny()), "outputs": str(tmp_path / "outputs")}


PATHS = [
    "../x",
    "/tmp/x",
    "..",
    ".",
    "",
    "a/b",
    "a\\b",
    "a b",
    "-x",
    ".x",
    "x\0",
    "x\n",
    "<b>",
    "$(x)",
    "a" * 201,
    1,
    None,
]


@pytest.mark.parametrize("name", PATHS)
def test_a_study_has_a_plain_name(name, composed, tmp_path) -> None:
    with pytest.raises(
        ConfigError, match=r"^study\.name=.* is (out of range: letters, digits|not what it must be: text)"
    ) as raised:
        planned({**composed, "study": {**composed["study"], "name": name}})
    refusal(raised.value)
    assert not (tmp_path / "outputs").exists()


HUGE: list[tuple[str, Any]] = [
    ("blocks", 10**9),
    ("blocks", 10**30),
    ("first_block", 2**63),
    ("students_per_teacher", 10**12),
    ("grids", [{f"optim.k{i}": list(range(100)) for i in range(20)}]),
    *[("blocks", wrong) for wrong in (-1, 0, 1.5, "2", True, None, [1])],
    *[("aug", wrong) for wrong in (None, "cutmix", [["cutmix"]], ["../x"], {"cutmix": 1})],
    *[("students", wrong) for wrong in (None, [], {"lenet": None}, {"lenet": {"name": "../x", "optim": {}}})],
    *[("teacher", wrong) for wrong in (None, "resnet18", {}, {"name": "resnet18"})],
    *[("dataset", wrong) for wrong in (None, "digits", {}, {"name": "../../etc"})],
    *[("distillation", wrong) for wrong in (None, {"alpha": "x", "temperature": 1.0})],
    *[("runtime", wrong) for wrong in (None, {"threads": 1}, {"threads": {"teacher": -1, "student": "many"}})],
    *[("grids", wrong) for wrong in ("x", [1], [{"a.b": 1}], [{"": [1]}])],
    *[("ops", wrong) for wrong in ([1], {"cutmix": 1}, {"cutmix": {"_target_": "os.system"}})],
    *[("test_set", wrong) for wrong in ("../x", 1)],
    *[("margins", wrong) for wrong in ([], {"1": "wide"})],
    ("student_aug", ["../x"]),
    ("looks", "many"),
    ("normalisation", "../x"),
    ("_target_", "os.system"),
    ("blocks", "a\nb"),
]


@pytest.mark.parametrize(("key", "value"), HUGE, ids=lambda value: str(value)[:30])
def test_a_study_has_the_form_and_size_of_one(key, value, composed) -> None:
    changed = {**composed, "study": {**composed["study"], key: value}}
    if key == "ops" and value == {"cutmix": {"_target_": "os.system"}}:
        changed["study"]["aug"] = ["cutmix"]
    with bounded_memory(), pytest.raises(ConfigError) as raised:
        planned(changed)
    refusal(raised.value)


@pytest.mark.parametrize("path", ["normalisation", "distillation.teacher_weights", "ops", "grids", "aug", "runtime"])
def test_a_study_without_a_key_is_refused_by_its_place_or_planned(path, composed) -> None:
    """As `augdistill study ~study.KEY` leaves it."""
    *above, key = path.split(".")
    study = composed["study"]
    (study[above[0]] if above else study).pop(key)
    if key in ("aug", "runtime"):
        with pytest.raises(ConfigError, match=rf"study\.{path}") as raised:
            planned(composed)
        refusal(raised.value)
    else:  # the schema has the default that conf/study.yaml has
        assert planned(composed).stages


@pytest.mark.parametrize("test_set", ["../../x", "/etc/passwd", "nothing", "as-trained", ""])
def test_a_test_set_is_one_that_there_is(test_set, composed) -> None:
    composed["study"]["dataset"]["test_sets"] = [test_set]
    with pytest.raises(ConfigError, match=r"test_sets=.* is (unknown|out of range|not what)") as raised:
        planned(composed)
    refusal(raised.value)


@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_parameters_of_models_and_strategies_are_finite(value, composed) -> None:
    """What names a run is written as strict JSON, which has no others."""
    study = composed["study"]
    for changed, place in (
        ({"teacher": {**study["teacher"], "width": value}}, "teacher.width"),
        ({"ops": {"cutmix": {"alpha": value}}, "aug": ["cutmix"]}, "ops.cutmix.alpha"),
    ):
        with pytest.raises(ConfigError, match=rf"{place}={value} is (out of range|not what it must be)") as raised:
            planned({**composed, "study": {**study, **changed}})
        refusal(raised.value)


CHANGES: list[tuple[str, Any]] = [
    ("teacher", {"name": "../../x"}),
    ("teacher", {"_target_": "os.system", "command": "touch ran"}),
    ("teacher", {"name": "resnet18", "_target_": "os.system"}),
    ("optim", {"epochs": 10**400}),
    ("optim", {"epochs": 1, "lr": float("nan")}),
    ("optim", {"epochs": 1, "lr": "1e999"}),
    ("optim", {"epochs": 1, "lr": 0.1, "momentum": "${oc.env:HOME}"}),
    ("optim", {"epochs": "???", "lr": 0.1}),
    ("dataset", {"name": "digits", "root": "${oc.env:HOME}"}),
    ("dataset", {"name": "image-folder", "root": ["a"]}),
    ("dataset", {"name": "../digits"}),
    ("runtime", {"threads": 10**9}),
    ("runtime", {"device": "cuda:__import__('os')"}),
    ("aug", {"ops": {"__import__": {}}}),
    ("aug", {"ops": {"cutmix": {"_target_": "x"}}}),
    ("seed", 2**63),
    ("seed", "0; touch ran"),
    ("__class__", {}),
]


@pytest.mark.parametrize(("key", "value"), CHANGES, ids=lambda value: str(value)[:40])
def test_a_job_has_the_keys_and_values_of_one(key, value, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = core.teacher_values(tmp_path / "outputs")
    with pytest.raises(ConfigError) as raised:
        check("teacher", {**config, key: value})
    refusal(raised.value)
    with pytest.raises(AugdistillError):
        run_job({"kind": "teacher", "config": {**config, key: value}})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("value", ["x", 10**9, 10**30, -1, 0, None, 1.5, [1], {"a": 1}, True], ids=str)
def test_no_parameter_of_a_model_strategy_or_dataset_can_be_anything(value, tmp_path) -> None:
    config = core.teacher_values(tmp_path, "aug=[flip-crop,cutout,mixup,cutmix]")
    ops = config["aug"]["ops"]
    changed = [{**config, "aug": {"ops": {**ops, op: {**ops[op], key: value}}}} for op in ops for key in ops[op]]
    changed += [{**config, key: {**config[key], own: value}} for key in ("teacher", "dataset") for own in config[key]]
    refused = 0
    for each in changed:
        with bounded_memory():
            try:
                refusals.validate(check("teacher", each))
            except AugdistillError as error:
                refusal(error)
                refused += 1
    assert refused > len(changed) / 2 - 2  # some are shares, or flags


EVALUATION = {"run": "x", "test_set": "digits", "outputs": "o", "root": None, "verify": None, "normalisation": "own"}
JOBS: list[Any] = [
    *(
        {"kind": kind, "config": {"outputs": "x"}}
        for kind in ("../teacher", "common", "__main__", 1, None, ["teacher"])
    ),
    {"kind": "teacher"},
    {"kind": "teacher", "config": []},
    {"kind": "teacher", "config": {"outputs": 5}},
    {"kind": "teacher", "config": {"outputs": "o"}, "needs": [["teacher", "../x", "../x"]]},
    {"kind": "evaluation", "config": {**EVALUATION, "runtime": {"device": "cpu", "threads": 1}, "test_set": "../x"}},
    {"kind": "evaluation", "config": {**EVALUATION, "runtime": {"device": "cpu", "threads": 1}, "test_set": "nothing"}},
    {"kind": "evaluation", "config": {**EVALUATION, "runtime": {}}},
]


@pytest.mark.parametrize("job", JOBS, ids=lambda job: str(job)[:60])
def test_a_job_is_refused_in_one_line(job, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RequestError) as raised:
        run_job(job)
    refusal(raised.value)
    assert not list(tmp_path.iterdir())


def test_files_that_are_no_jobs_are_told_and_the_next_is_tried(tmp_path, capsys) -> None:
    paths = []
    for what, content in HOSTILE_JSON.items():
        paths.append(tmp_path / f"{what}.json")
        paths[-1].write_bytes(content)
    with bounded_memory():
        assert run_jobs([*map(str, paths), str(tmp_path / "missing.json")]) == 2
    told = capsys.readouterr().err.splitlines()
    assert len(told) == len(paths) + 1
    assert all(str(tmp_path) in line for line in told)


def test_only_what_lies_below_the_runs_is_removed(tmp_path) -> None:
    store = RunStore(tmp_path / "outputs")
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").write_text("kept")
    for name in ("../../precious", str(tmp_path / "precious"), "..", ".", "/", ""):
        with pytest.raises(RequestError) as raised:
            remove_run(store, name)
        refusal(raised.value)
    assert (tmp_path / "precious" / "file").read_text() == "kept"


def test_a_config_read_back_is_checked(tmp_path) -> None:
    """What another run's config may not hold may not come in through its manifest either; old runtimes may."""
    from augdistill.config.checking import check_saved

    config = core.teacher_values(tmp_path)
    old = {**config, "runtime": {**config["runtime"], "checkpoint_minutes": 5.0}}
    assert check_saved("teacher", json.loads(json.dumps(old))) == check("teacher", config)
    for key, value in CHANGES:
        if key != "runtime":
            with pytest.raises(ConfigError):
                check_saved("teacher", {**config, key: value})
