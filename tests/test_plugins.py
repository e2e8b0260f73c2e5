"""Plugins: found by metadata, imported when needed, under their prefix in every table, config, name and identity."""

import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hydra.errors import HydraException

import core
import plugin_files
from augdistill import plugins
from augdistill.augment import AUGMENTATIONS
from augdistill.base.errors import ConfigError
from augdistill.cli.composing.compose import composed
from augdistill.cli.refusals import one_line
from augdistill.cli.words import as_overrides
from augdistill.config import choices, parameters
from augdistill.config.checking import check, check_saved
from augdistill.data import expected_shape
from augdistill.executors.ray.worker import look
from augdistill.models import MODELS
from augdistill.plugins import Plugin
from augdistill.stages import commands, teacher
from augdistill.stages.folders import versions
from augdistill.store.identity import Ref, teacher_ref
from augdistill.store.runs import RunStore

NAMES = ("extra", "other")
BROKEN = "import no_such_package"


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    """Forget the test's plugins, and say before that the environment has none."""
    plugin_files.forget(*NAMES)
    assert not {*NAMES} & {*plugins.installed()}
    yield
    plugin_files.forget(*NAMES)


@pytest.fixture
def extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The installed plugin `extra`: the folder of its package."""
    package = plugin_files.install(tmp_path / "site")
    plugin_files.put_on_path(tmp_path / "site", monkeypatch)
    return package


def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str = BROKEN, **more: Any) -> None:
    plugin_files.install(tmp_path / "site", code=code, **more)
    plugin_files.put_on_path(tmp_path / "site", monkeypatch)


def config(outputs: Path, *overrides: str) -> dict[str, Any]:
    """Return the config of a teacher of seconds, not checked, with the strategy and the model of the plugin."""
    found = core.teacher_values(outputs, "optim.epochs=1", *overrides)
    return {
        **found,
        "aug": {"ops": {"extra/shift": {"flip": 0.25, "padding": 0.125}}},
        "teacher": {"name": "extra/net"},
    }


def ref(outputs: Path) -> Ref:
    return teacher_ref(check("teacher", config(outputs)), "data")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"name": "My Package"}, "a plugin calls itself 'My Package': lower-case letters"),
        ({"name": "a/b"}, "lower-case letters, digits, - and _ are allowed"),
        ({"version": ""}, "has the version '': text is allowed, as in '1.0'"),
        ({"version": 1}, "has the version 1: text"),
        ({"strategies": {"a+b": None}}, "calls one of its strategies 'a+b': letters, digits, - and _ are allowed"),
        ({"models": {"mine/net": None}}, "calls one of its models 'mine/net'"),
        ({"metrics": {"../x": None}}, "calls one of its metrics '../x'"),
    ],
)
def test_a_plugin_with_a_name_that_cannot_be_is_refused(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words.replace("+", r"\+").replace("..", r"\.\.")):
        Plugin(**{"name": "mine", "version": "1", **fields})


def test_a_plugin_and_its_configs_are_known_before_it_is_imported(extra: Path) -> None:
    found = plugins.installed()["extra"]
    assert (found.distribution, found.version, found.fault) == ("dist-extra", "0.3", "")
    assert found.conf == extra / "conf"
    for group, name in (("aug", "shift"), ("teacher", "net"), ("student", "net"), ("optim", "net"), ("study", "small")):
        assert f"extra/{name}" in choices(group)
    assert parameters("aug", "extra/shift") == {"flip": 0.25, "padding": 0.125}
    loaded = composed("train-teacher", ["aug=[extra/shift,cutmix]", "teacher=extra/net"], None)
    assert list(loaded.aug.ops) == ["extra/shift", "cutmix"]
    assert loaded.optim.lr == 0.05  # by the recipe that belongs to the plugin's model
    assert not found.is_imported


def test_the_tables_have_its_entries_under_its_prefix(extra: Path) -> None:
    assert AUGMENTATIONS["extra/shift"] is AUGMENTATIONS["flip-crop"]
    assert MODELS.find("teacher", "extra/net") is MODELS["lenet"]
    assert list(MODELS)[-1] == "extra/net"
    assert list(MODELS)[:-1] == list(MODELS.own)
    assert "extra/net" in MODELS
    assert "extra/shift" not in MODELS
    assert MODELS.get("extra/shift", "nothing") == "nothing"
    assert len(AUGMENTATIONS) == len(AUGMENTATIONS.own) + 1
    with pytest.raises(ConfigError, match=r"^model=extra/nett is unknown \(did you mean extra/net\?\): choose one of "):
        MODELS.find("model", "extra/nett")
    with pytest.raises(ConfigError, match=r"^dataset=extra/net is unknown"):
        expected_shape("extra/net")


def test_what_needs_a_plugin_that_is_not_there_is_refused_in_one_line() -> None:
    told = "^extra/net needs the plugin extra, which is not installed here: pip install the package that adds it$"
    assert "extra/net" not in MODELS
    assert MODELS.get("extra/net") is None
    for use in (lambda: MODELS["extra/net"], lambda: MODELS.find("teacher", "extra/net")):
        with pytest.raises(ConfigError, match=told):
            use()


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (BROKEN, "cannot be imported: ModuleNotFoundError: No module named 'no_such_package'"),
        ("raise SystemExit('I want to\\nend')", "cannot be imported: SystemExit: I want to end"),
        ("plugin = 3", "cannot be used: extra:plugin is a int, no Plugin"),
        ("x = 3", "cannot be imported: AttributeError: module 'extra' has no attribute 'plugin'"),
        ("from augdistill.plugins import Plugin\nplugin = Plugin('b c', '1')", "cannot be used: a plugin calls itself"),
        ("from augdistill.plugins import Plugin\nplugin = Plugin('b', '1')", "calls itself b, its entry point extra"),
    ],
)
def test_a_broken_plugin_is_one_line_and_all_else_goes_on(
    code: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    broken(tmp_path, monkeypatch, code)
    with caplog.at_level(logging.WARNING, "augdistill"):
        assert list(MODELS) == list(MODELS.own)
        assert [*AUGMENTATIONS] == [*AUGMENTATIONS.own]
    (warning,) = caplog.messages
    assert warning.startswith("the plugin extra (dist-extra 0.3) ")
    assert words in warning
    assert "\n" not in warning
    with pytest.raises(ConfigError) as refused:
        MODELS["extra/net"]
    assert warning == f"{refused.value}; what does not need it goes on"
    assert plugins.report() == [("extra", str(refused.value))]


def test_two_packages_with_one_prefix_are_both_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plugin_files.install(tmp_path / "site", distribution="first")
    broken(tmp_path, monkeypatch, distribution="second")
    with pytest.raises(ConfigError, match="two packages have a plugin extra, first and second: pip uninstall one of"):
        MODELS["extra/net"]
    assert "extra/net" not in choices("student")


def test_a_prefix_that_cannot_be_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plugin_files.install(tmp_path / "site")
    points = next((tmp_path / "site").glob("*.dist-info")) / "entry_points.txt"
    points.write_text("[augdistill.plugins]\nMy Own = extra:plugin\n")
    plugin_files.put_on_path(tmp_path / "site", monkeypatch)
    ((_, told),) = plugins.report()
    assert told == "a plugin calls itself 'My Own': lower-case letters, digits, - and _ are allowed (dist-extra 0.3)"


def test_doctor_tells_of_a_plugin(extra: Path) -> None:
    assert plugins.report() == [("extra", "7: 1 strategy, 1 model, 5 configs (dist-extra 0.3)")]


def test_the_version_that_a_plugin_states_is_part_of_what_uses_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids, folders, plain = {}, set(), set()
    for release, stated in (("0.3", "7"), ("0.4", "7"), ("0.4", "8")):
        site = tmp_path / f"{release}-{stated}"
        plugin_files.install(site, version=release, stated=stated)
        with monkeypatch.context() as inner:
            plugin_files.put_on_path(site, inner)
            found = ref(tmp_path)
            assert found.document["plugins"] == {"extra": stated}
            ids[release, stated] = found.id
            folders.add(found.folder.rpartition("-")[0])
            plain.add(teacher_ref(core.teacher_config(tmp_path, "aug=cutmix"), "data").id)
        plugin_files.forget(*NAMES)
    assert ids["0.3", "7"] == ids["0.4", "7"] != ids["0.4", "8"]
    assert folders == {"teacher-digits-extra.net-extra.shift-s0"}
    assert plain == {teacher_ref(core.teacher_config(tmp_path, "aug=cutmix"), "data").id}  # without any plugin


def test_a_run_is_made_by_a_plugin_and_read_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    plugin_files.install(tmp_path / "site")
    outputs = tmp_path / "outputs"
    with monkeypatch.context() as inner:
        plugin_files.put_on_path(tmp_path / "site", inner)
        made = teacher.run(check("teacher", config(outputs)))
        manifest = json.loads((made.path / "manifest.json").read_text())
        assert manifest["provenance"]["versions"]["dist-extra"] == "0.3"
        assert manifest["document"]["plugins"] == {"extra": "7"}
        typed = commands.teacher_command(made.config)
        assert " aug=extra/shift teacher=extra/net " in typed
    plugin_files.forget(*NAMES)
    (run,) = RunStore(outputs).all("teacher")
    assert run.config.teacher.plain() == {"name": "extra/net"}
    assert run.config.aug.ops["extra/shift"].plain() == {"flip": 0.25, "padding": 0.125}
    with pytest.raises(ConfigError, match=r"^extra/(shift|net) needs the plugin extra, which is not installed here"):
        teacher.run(check("teacher", config(outputs)))


def test_what_names_a_plugin_that_is_not_there_is_data_all_the_same(tmp_path: Path) -> None:
    saved = config(tmp_path)
    saved["teacher"] = {"name": "gone/net", "hidden": [64, 32], "act": "relu"}
    assert check_saved("teacher", saved).teacher.plain() == saved["teacher"]
    for name in ("../x/y", "/etc", "a/", "a//b", "a/<b>"):
        with pytest.raises(ConfigError, match="is unknown"):
            check_saved("teacher", {**saved, "teacher": {"name": name}})


def test_parameters_of_its_strategies_are_typed_as_those_of_ours(extra: Path) -> None:
    words = ["aug=[flip-crop,extra/shift]", "aug.ops.extra/shift.flip=0.125", "aug.ops.flip-crop.flip=0"]
    typed = as_overrides("train-teacher", words)
    assert composed("train-teacher", typed, None).aug.ops == {
        "flip-crop": {"flip": 0, "padding": 0.125},
        "extra/shift": {"flip": 0.125, "padding": 0.125},
    }
    own = ["aug@student_aug=[extra/shift]", "student_aug.ops.extra/shift.padding=0.25"]
    assert composed("distill", as_overrides("distill", own), None).student_aug.ops["extra/shift"].padding == 0.25
    study = as_overrides("study", ["study=extra/small", "study.ops.extra/shift.flip=0.75"])
    assert composed("study", study, None).study.ops["extra/shift"] == {"flip": 0.75}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ["aug=extra/shft"],
            r"aug=extra/shft is unknown \(did you mean extra/shift\?\): choose one of augmix, baseline, ",
        ),
        (["aug=gone/shift"], "aug=gone/shift needs the plugin gone, which is not installed here: pip install"),
        (["aug=gone/shift+cutmix"], "aug=gone/shift needs the plugin gone"),
        (["aug=cutmix", "aug.ops.extra/shift.flip=0"], "aug.ops.extra/shift.flip is not a config key"),
    ],
)
def test_a_wrong_name_of_a_plugin_is_one_line(extra: Path, words: list[str], told: str) -> None:
    written = as_overrides("train-teacher", words)
    with pytest.raises(HydraException) as error:
        composed("train-teacher", written, None)
    line = one_line("train-teacher", error.value, dict(zip(written, words, strict=True)))
    with pytest.raises(AssertionError, match=told):
        raise AssertionError(line)


def test_a_plugins_configs_hold_values_alone_and_take_no_place_of_ours(extra: Path) -> None:
    (extra / "conf" / "aug" / "cutmix.yaml").write_text("ops:\n  cutmix:\n    prob: 0.125\n")
    (extra / "conf" / "student" / "lenet.yaml").write_text("name: ${oc.env:HOME}\n")
    (extra / "conf" / "executor").mkdir()
    (extra / "conf" / "executor" / "mine.yaml").write_text("name: local\n")
    (extra / "conf" / "study" / "sly.yaml").write_text("# @package _global_\nhydra: {job: {name: sly}}\n")
    plugin_files.forget()
    assert composed("train-teacher", ["aug=cutmix"], None).aug.ops.cutmix.prob == 0.5
    with pytest.raises(ConfigError, match=r"lenet.yaml is refused: \$\{oc.env:HOME\}"):
        composed("distill", ["student=extra/lenet"], None)
    with pytest.raises(HydraException, match="executor/extra/mine"):
        composed("study", ["executor=extra/mine"], None)
    with pytest.raises(
        ConfigError, match=r"/extra/conf set hydra\.job\.name: what is run, and how, is no value of a config"
    ):
        composed("study", ["study=extra/sly"], None)
    with pytest.raises(ConfigError, match="below `ops` it lists the parameters of extra/cutmix"):
        parameters("aug", "extra/cutmix")


def test_a_config_of_a_plugin_that_cannot_be_read_stops_nobody_else(extra: Path) -> None:
    (extra / "conf" / "aug" / "torn.yaml").write_text("ops: [")
    (extra / "conf" / "student" / "torn.yaml").write_bytes(b"\xff\xfe")
    plugin_files.forget()
    as_overrides("distill", ["student.width=3", "aug.ops.cutmix.prob=1"])
    with pytest.raises(ConfigError, match=r"torn.yaml is refused: "):
        composed("distill", ["student=extra/torn"], None)
    assert "extra" not in sys.modules


def test_a_ray_node_needs_the_plugins_of_the_study(extra: Path, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("t")
    sent = {"folder": str(tmp_path), "token": str(tmp_path / "token"), "content": "t"}
    wanted = {**versions(), **plugins.distributions(all_installed=True), "python": ""}
    assert wanted["dist-extra"] == "0.3"
    assert look(json.dumps({**sent, "versions": wanted})) == ""  # it need not have imported it yet
    assert look(json.dumps({**sent, "versions": {**wanted, "dist-extra": "0.2", "dist-other": "1"}})) == (
        "it has dist-extra 0.3 instead of 0.2, dist-other none instead of 1: every node needs the same packages"
    )
