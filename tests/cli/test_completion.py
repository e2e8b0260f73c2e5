"""What is completed: commands, groups, choices, keys, studies, runs; and in a real bash."""

import os
import pty
import select
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from augdistill.base.errors import RequestError
from augdistill.cli.completion import SCRIPTS, candidates, completion
from augdistill.cli.main import COMMANDS
from conftest import COMMAND

HANG = 120  # seconds that a shell may take; it takes two


def test_commands_groups_choices_and_keys_are_completed() -> None:
    assert candidates("augdistill ") == sorted([*COMMANDS, "--help", "--version"])
    assert candidates("augdistill distill stu") == ["student="]
    assert "optim@teacher_optim=" in candidates("augdistill distill ")
    assert candidates("augdistill distill student=le") == ["student=lenet"]
    assert candidates("augdistill distill aug@student_aug=cutm") == ["aug@student_aug=cutmix"]
    assert candidates("augdistill train-teacher aug=[flip-crop,cutm") == ["aug=[flip-crop,cutmix"]
    assert candidates("augdistill distill -m student=lenet,alexnet-") == ["student=lenet,alexnet-small"]
    assert candidates("augdistill train-teacher optim.nest") == ["optim.nesterov="]
    assert candidates("augdistill train-teacher runtime.deterministic=t") == ["runtime.deterministic=true"]
    assert candidates("augdistill study qui") == ["quickstart"]
    assert candidates("augdistill study study.look") == ["study.looks="]
    assert candidates("augdistill nonsense 'it") == []


def test_keys_are_those_of_what_is_chosen() -> None:
    assert candidates("augdistill train-teacher teacher=alexnet teacher.") == ["teacher.dropout="]
    assert candidates("augdistill train-teacher teacher=resnet9 teacher.") == ["teacher.width="]
    assert candidates("augdistill train-teacher dataset=digits dataset.test_i") == ["dataset.test_images="]


def test_studies_and_runs_are_those_of_the_outputs_folder(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("studies/mine", "runs/teacher-a", "runs/teacher-b"):
        (tmp_path / "here" / name).mkdir(parents=True)
    assert candidates("augdistill report m") == []
    assert candidates("augdistill report outputs=here m") == ["mine"]
    assert candidates("augdistill runs show outputs=here teach") == ["teacher-a", "teacher-b"]
    assert candidates("augdistill distill outputs=here distillation.teacher=te")[0] == "distillation.teacher=teacher-a"


def test_for_bash_a_word_begins_behind_its_last_break() -> None:
    assert completion(["words", "augdistill distill student=le"]) == "student=lenet "
    assert completion(["bash-words", "augdistill distill student=le"]) == "lenet "
    assert completion(["bash-words", "augdistill distill optim@teacher_o"]) == "teacher_optim="


@pytest.mark.parametrize("words", [[], ["tcsh"], ["bash", "zsh"]])
def test_another_shell_is_refused(words: list[str]) -> None:
    with pytest.raises(RequestError, match="completion of which shell"):
        completion(words)


@pytest.mark.parametrize("shell", SCRIPTS)
def test_a_script_is_one_that_its_shell_reads(shell: str, tmp_path: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    (tmp_path / "script").write_text(completion([shell]))
    subprocess.run([shell, "-n", tmp_path / "script"], check=True)


def test_a_real_bash_completes_a_whole_command(tmp_path: Path) -> None:
    child, terminal = pty.fork()
    if child == 0:
        os.environ |= {"PATH": f"{COMMAND.parent}:{os.environ['PATH']}", "PS1": "$ ", "TERM": "dumb"}
        os.chdir(tmp_path)
        os.execvp("bash", ["bash", "--norc", "--noprofile", "-i"])
    try:
        os.write(terminal, b'eval "$(augdistill completion bash)"; echo re""ady\n')
        read_until(terminal, b"ready")
        os.write(terminal, b"augdistill dist\t")
        read_until(terminal, b"augdistill distill ")
        os.write(terminal, b"stu\t")
        read_until(terminal, b"student=")
        os.write(terminal, b"l\t")
        read_until(terminal, b"lenet ")
        os.write(terminal, b"\x01echo \x05\n")
        read_until(terminal, b"\naugdistill distill student=lenet")
    finally:
        os.close(terminal)
        os.waitpid(child, 0)


def read_until(terminal: int, text: bytes) -> None:
    """Read what a terminal shows until it shows this."""
    shown, deadline = b"", time.monotonic() + HANG
    while text not in shown.replace(b"\r", b""):
        assert time.monotonic() < deadline, shown
        if select.select([terminal], [], [], 0.2)[0]:
            shown += os.read(terminal, 4096)
