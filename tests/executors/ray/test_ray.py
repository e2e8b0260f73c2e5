"""Ray: the same study on two nodes, with one of them killed, with the study stopped; what a cluster must have."""

import logging
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from augdistill.base.errors import ConfigError, RequestError
from augdistill.config.checking import check_group
from augdistill.config.executors import Ray
from augdistill.executors import chosen
from augdistill.executors import ray as executor
from augdistill.executors.ray import clusters as ray_cluster
from augdistill.store.runs import RunStore
from composed import changed
from conftest import COMMAND, need
from plans import fail_when_named, plan_of
from tiny import bad_teacher, is_without_the_bad_teachers_student, manifests, tiny_plan, training_workers

need("ray", reason="pip install 'augdistill[ray]'")

RAY = Ray(name="ray")
NODE = {"num_cpus": 1, "object_store_memory": ray_cluster.OBJECTS, "include_dashboard": False}


@pytest.fixture(scope="module")
def nodes() -> Iterator[Any]:
    """A cluster of two nodes with one core each, whose workers find the jobs of `plans`."""
    from ray import cluster_utils

    before = signal.getsignal(signal.SIGTERM)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parents[2] / "support"), prepend=os.pathsep)
        cluster = cluster_utils.Cluster(initialize_head=True, head_node_args=NODE)
        cluster.add_node(**NODE)
        yield cluster
        cluster.shutdown()
    signal.signal(signal.SIGTERM, before)  # Ray's own, for this process too, would end the tests of other files


def weights(outputs: Path) -> dict[str, str]:
    """Return the checksum of every model's weights, by run."""
    models = {name: run["files"] for name, run in manifests(outputs).items() if name.startswith(("teacher", "student"))}
    return {name: files["weights.safetensors"] for name, files in models.items()}


@pytest.mark.slow
def test_a_study_on_two_nodes_is_that_of_the_local_pool(nodes, tmp_path, tiny_study, caplog):
    caplog.set_level(logging.INFO, "augdistill")
    plan = tiny_plan(tmp_path)
    results = executor.run(plan, RunStore(tmp_path), changed(RAY, {"address": nodes.address}))
    assert {outcome.status for outcome in results.outcomes.values()} == {"finished"}
    assert manifests(tmp_path).keys() == manifests(tiny_study).keys()
    assert weights(tmp_path) == weights(tiny_study)
    for word in ("started", "finished"):
        told = [line for line in caplog.messages if line.startswith(f"{word} ")]
        assert len(told) == len(plan.stages)
    assert not list(tmp_path.glob(".ray-*"))


@pytest.mark.long
def test_a_bank_trains_without_the_students_of_a_teacher_that_failed(nodes, tmp_path):
    plan = bad_teacher(tmp_path)
    results = executor.run(plan, RunStore(tmp_path), changed(RAY, {"address": nodes.address, "bank": 3}))
    folders = {stage.id: stage.folder for stage in plan.stages}
    is_without_the_bad_teachers_student(tmp_path, [folders[id] for id in results.blocked])


@pytest.mark.slow
def test_a_failure_blocks_only_its_children(nodes, tmp_path, caplog, capfd):
    parents = {str(n): (str(n - 5),) if n % 10 > 4 else () for n in range(50)}
    plan = plan_of({**parents, "bad": (), "child": ("bad",), "hungry": ()})
    results = executor.run(plan, RunStore(tmp_path), changed(RAY, {"address": nodes.address}), work=fail_when_named)
    assert {id: outcome.error for id, outcome in results.failed.items()} == {
        "bad": "KeyError: 'bad'",
        "hungry": "no memory left",
    }
    assert results.blocked == {"child": "teacher-bad"}
    assert {results.outcomes[id].status for id in parents} == {"finished"}
    assert 0 < len([line for line in caplog.messages if line.startswith("lost teacher-hungry")]) <= RAY.retries
    assert capfd.readouterr().out == ""  # Ray's own lines would be among a study's tables


@pytest.mark.slow
def test_a_stopped_study_saves_and_another_executor_goes_on(tmp_path, tiny_study):
    """Also a cluster of one's own: SIGTERM ends it, and every process that it had."""
    words = [COMMAND, "study", "study=tiny", f"outputs={tmp_path}"]
    study = subprocess.Popen([*words, "executor=ray"], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline and not (workers := training_workers(tmp_path)):
        time.sleep(0.02)
    study.terminate()
    _, stderr = study.communicate(timeout=120)
    assert study.returncode == 143, stderr
    assert "Traceback" not in stderr
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)
    assert 0 < len(list(tmp_path.glob("runs/*"))) < len(list(tiny_study.glob("runs/*")))
    assert list(tmp_path.glob("runs/*/.checkpoints/*")) or list(tmp_path.glob("runs/*/weights.safetensors"))
    repeated = subprocess.run(words, capture_output=True, text=True, timeout=300)
    assert repeated.returncode == 0, repeated.stderr
    assert weights(tmp_path) == weights(tiny_study)


def parent_of(pid: int) -> int:
    """Return a process's parent; that of a Ray worker is its node's raylet."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


@pytest.mark.long
def test_a_killed_node_costs_a_retry_only(nodes, tmp_path, tiny_study):
    lost = nodes.add_node(**NODE)
    raylet = lost.all_processes["raylet"][0].process.pid
    words = [COMMAND, "study", "study=tiny", f"outputs={tmp_path}", "executor=ray", f"executor.address={nodes.address}"]
    study = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    deadline, killed = time.monotonic() + 240, []
    while time.monotonic() < deadline and not killed:
        time.sleep(0.02)
        killed = [pid for pid in training_workers(tmp_path) if parent_of(pid) == raylet]
    for pid in (raylet, *killed):
        os.kill(pid, signal.SIGKILL)
    _, stderr = study.communicate(timeout=300)
    nodes.remove_node(lost, allow_graceful=False)
    assert study.returncode == 0, stderr
    assert weights(tmp_path) == weights(tiny_study)
    assert killed
    assert "its worker or node was lost, or had no memory left; trying again" in stderr


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (
            {"address": "ray://head:10001"},
            "executor.address=ray://head:10001 is out of range: null, auto, or",
        ),
        ({"retries": None}, "executor.retries=null is not what it must be"),
        ({"gpus": {**RAY.gpus.plain(), "student": 2}}, "executor.gpus.student=2 is out of range: "),
        ({"gpus": {**RAY.gpus.plain(), "pupil": 1}}, "executor.gpus.pupil is not a config key"),
    ],
)
def test_a_cluster_that_cannot_be_is_refused(changed, words):
    assert chosen(RAY) is executor
    with pytest.raises(ConfigError) as refused:
        check_group("executor", {**RAY.plain(), **changed})
    assert words in str(refused.value)


def resources(
    kind: str, device: str, *nodes: dict[str, float], threads: int = 2, graphs: str = "auto"
) -> dict[str, float]:
    (stage,) = plan_of({"a": ()}, {"a": threads}).stages
    config: Any = SimpleNamespace(runtime=SimpleNamespace(device=device, cuda_graphs=graphs))
    stage = replace(stage, kind=kind, config=config)
    return executor.resources_of(stage, RAY.gpus, [{"Resources": node} for node in nodes])


@pytest.mark.slow
def test_a_stage_takes_the_cores_of_its_threads_and_its_share_of_a_gpu():
    cpu, gpu = {"CPU": 4.0}, {"CPU": 1.0, "GPU": 2.0}
    assert resources("student", "auto", cpu) == {"num_cpus": 2, "num_gpus": 0}
    assert resources("student", "cpu", cpu, gpu) == {"num_cpus": 2, "num_gpus": 0}
    assert resources("student", "auto", cpu, gpu) == {"num_cpus": 1, "num_gpus": 0.2}  # no GPU node has two cores
    assert resources("teacher", "cuda", gpu) == {"num_cpus": 1, "num_gpus": 1.0}
    assert resources("teacher", "auto", gpu, graphs="true") == {"num_cpus": 1, "num_gpus": 1.0}
    for device, graphs in (("cuda", "auto"), ("auto", "true")):
        with pytest.raises(RequestError, match="no node of the Ray cluster has a GPU"):
            resources("teacher", device, cpu, graphs=graphs)
    with pytest.raises(RequestError, match="ray start --num-cpus"):
        resources("teacher", "auto", {})
