"""What `augdistill COMMAND --help` prints: how it is typed, examples, what can be chosen, and what each key means."""

import shutil
import textwrap
from collections.abc import Sequence
from typing import Any

from augdistill.base.checks import nearest
from augdistill.base.errors import ConfigError
from augdistill.cli.refusals import SHORT_NAMES
from augdistill.config.meanings import meaning
from augdistill.config.places import AS_TRAINED, SECOND_PLACES, choices

USAGE = "augdistill {command} {words}[KEY=VALUE ...] [GROUP=CHOICE ...] [-m] [--config-dir FOLDER] [--cfg job]"
EXAMPLES = {
    "study": (
        "augdistill study quickstart --dry-run",
        "augdistill study cifar10-small study.blocks=3 study.students=[lenet,alexnet]",
        "augdistill study --config-dir mine calibrated",
    ),
    "train-teacher": (
        "augdistill train-teacher dataset=digits aug=cutmix",
        "augdistill train-teacher 'aug=[flip-crop,cutmix]' seed=1",
        "augdistill train-teacher -m aug=baseline,mixup,cutmix seed=0,1,2",
    ),
    "distill": (
        "augdistill distill student=lenet aug=cutmix distillation.temperature=4",
        "augdistill distill student=lenet loss=dkd loss.beta=2",
        "augdistill distill -m aug=baseline,mixup student=lenet,alexnet seed=0,1,2",
    ),
    "evaluate": (
        "augdistill evaluate",
        "augdistill evaluate run=RUN corruptions=made",
        "augdistill evaluate predictions=outputs.npz dataset=cifar10",
    ),
    "evaluate-attack": (
        "augdistill evaluate-attack attack=pgd attack.images=100",
        "augdistill evaluate-attack run=RUN attack=pgd-l2 source=OTHER",
        "augdistill evaluate-attack attack=fgsm 'attack.radii=[2.0,8.0]'",
    ),
    "import-teacher": (
        "augdistill import-teacher name=theirs weights=theirs.safetensors architecture=torchvision/resnet18",
        "augdistill import-teacher name=logits predictions=logits.npy dataset=cifar10",
        "augdistill distill distillation.teacher=theirs",
    ),
}
SUMMARIES = {
    "study": "A whole study: teachers, students, evaluations and a page. Finished work is not repeated.",
    "train-teacher": "Train a teacher on a data set under a stack of augmentation strategies.",
    "distill": "Distil a student from the teacher that the same choices made; distillation.alpha=0 trains on labels.",
    "evaluate": "Evaluate every finished run that has no current evaluation, or score predictions made elsewhere.",
    "evaluate-attack": "Attack every finished run, or one, and say how accurate it still is at each radius.",
    "import-teacher": "A teacher from elsewhere, by its weights or by what it says of the training images.",
}
NOTES = (
    "GROUP=CHOICE chooses a file of conf/ or of the folder that --config-dir names; KEY=VALUE changes one value. "
    "-m runs every combination of values with commas between them; one that has a comma is quoted twice: "
    "-m \"outputs='a, b',c\". Text is taken as the shell gives it. --cfg job prints the config and runs nothing; "
    "--hydra-help lists Hydra's own flags."
)
WITHIN = ("study.teacher", "study.students")  # models, whose keys are those of the other commands
INDENT = 2


def help_text(command: str, config: dict[str, Any], asked: Sequence[str] = ()) -> str:
    """Return the help of a command whose config is composed; with `asked` only what is below these keys, in full.

    Raises ConfigError for a key that there is not.
    """
    width = min(shutil.get_terminal_size((100, 24)).columns, 120)
    rows = [(key, shown(value), meaning(command, key, config)) for key, value in leaves(config)]
    if asked:
        return "\n\n".join(in_full(key, rows) for key in asked)
    words = "[NAME] " if command == "study" else ""
    groups = [(f"{key}={chosen}", ", ".join(there)) for key, chosen, there in chosen_groups(config)]
    parts = [
        f"usage: {USAGE.format(command=command, words=words)}",
        SUMMARIES[command],
        "\n".join(["examples:", *(f"  {line}" for line in EXAMPLES[command])]),
        "\n".join(["what is chosen, and what there is to choose from:", *columns(groups, width)]),
        "\n".join(["keys, what they are, what they mean:", *columns(brief(rows), width)]),
        *(
            "\n".join(textwrap.wrap(text, width))
            for text in (NOTES, f"augdistill {command} --help KEY tells one in full.")
        ),
    ]
    return "\n\n".join(parts)


def chosen_groups(config: dict[str, Any]) -> list[tuple[str, str, list[str]]]:
    """Return (what is typed before "=", the choice, all choices) of the groups in a config."""
    found = []
    for key, value in config.items():
        folder = SECOND_PLACES.get(key, key)
        there = [name for name in choices(folder) if name != AS_TRAINED]
        if len(there) > 1 and isinstance(value, dict):
            chosen = "+".join(value["ops"]) or "baseline" if folder == "aug" else value.get("name")
            word = key if folder == key else f"{folder}@{key}"
            found.append((word, "" if chosen is None or folder == "optim" else str(chosen), there))
        if key == "distillation":
            found.append(("loss", str(value["loss"]["name"]), list(choices("loss"))))
    return found


def leaves(node: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Return every key that holds no group, dotted, with its value."""
    found: list[tuple[str, Any]] = []
    for key, value in node.items():
        found += leaves(value, f"{prefix}{key}.") if isinstance(value, dict) and value else [(f"{prefix}{key}", value)]
    return found


def brief(rows: Sequence[tuple[str, str, str]]) -> list[tuple[str, str]]:
    """Return key=value and meaning of each row; a study's models are one row each."""
    found: dict[str, str] = {}
    for key, value, means in rows:
        group = next((place for place in WITHIN if key.startswith(f"{place}.")), None)
        if group is None:
            found[f"{key}={value}"] = means
            continue
        model = group if group == WITHIN[0] else ".".join(key.split(".")[:3])
        found[f"{model}. ..."] = f"a model and its recipe: {model}.optim.epochs=5; --help {model} tells all"
    return list(found.items())


def in_full(asked: str, rows: Sequence[tuple[str, str, str]]) -> str:
    """Return the lines of one key, or of all keys below it."""
    below = [row for row in rows if row[0] == asked or row[0].startswith(f"{asked}.")]
    below = below or [row for row in rows if row[0].endswith(f".{SHORT_NAMES.get(asked, asked)}")]
    if not below:
        known = [key for key, *_ in rows]
        raise ConfigError(f"--help {asked}: there is no such key{nearest(asked, known)}")
    return "\n\n".join(f"{key}={value}\n  {means or 'no comment says what it means'}" for key, value, means in below)


def columns(rows: Sequence[tuple[str, str]], width: int) -> list[str]:
    """Return rows as two columns, the second wrapped."""
    left = min(max((len(first) for first, _ in rows), default=0), 44)
    lines = []
    for first, second in rows:
        wrapped = textwrap.wrap(second, max(width - left - 2 * INDENT, 20)) or [""]
        if len(first) > left:
            lines.append(f"{'':{INDENT}}{first}")
            first = ""
        lines += [
            f"{'':{INDENT}}{name:{left}}{'':{INDENT}}{text}".rstrip()
            for name, text in zip([first, *[""] * len(wrapped)], wrapped, strict=False)
        ]
    return lines


def shown(value: Any) -> str:
    """Return a value as it is typed."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, list):
        return f"[{','.join(map(shown, value))}]"
    return "{}" if value == {} else str(value)
