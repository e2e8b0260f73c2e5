"""What a shell offers to type next: commands, groups, choices, keys, studies and runs, without composing a config."""

import re
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from augdistill.base.checks import nearest
from augdistill.base.errors import RequestError
from augdistill.cli.library import names
from augdistill.cli.words import FLAGS_WITH_VALUES, loaded
from augdistill.config.places import AS_TRAINED, choices, conf_dir, files

SCRIPTS = {
    "bash": """\
# augdistill for bash: eval "$(augdistill completion bash)" in ~/.bashrc
_augdistill() {
    local IFS=$'\\n'
    COMPREPLY=($(augdistill completion bash-words "${COMP_LINE:0:COMP_POINT}" 2>/dev/null))
}
complete -o nospace -F _augdistill augdistill
""",
    "zsh": """\
# augdistill for zsh: eval "$(augdistill completion zsh)" in ~/.zshrc, after compinit
_augdistill() {
    local -a found
    found=(${(f)"$(augdistill completion words "${LBUFFER}" 2>/dev/null)"})
    compadd -Q -S '' -- $found
}
compdef _augdistill augdistill
""",
    "fish": """\
# augdistill for fish: augdistill completion fish | source, in ~/.config/fish/config.fish
complete -c augdistill -f -a '(augdistill completion words (commandline -cp))'
""",
}
USAGE = """\
usage: augdistill completion bash|zsh|fish

Print what completes commands, groups, choices, keys, studies and runs in a shell:
  bash: eval "$(augdistill completion bash)" in ~/.bashrc
  zsh:  eval "$(augdistill completion zsh)" in ~/.zshrc, after compinit
  fish: augdistill completion fish | source, in ~/.config/fish/config.fish"""
LISTS = ("words", "bash-words")  # what the scripts ask for
ACTIONS = {
    "runs": ("list", "show", "diff", "verify", "remove"),
    "data": ("status", "fetch", "verify"),
    "completion": tuple(SCRIPTS),
}
OPTIONS = {
    "runs": ("where=", "sort=", "study=", "format=", "--watch", "--cascade", "--dry-run"),
    "export": ("format=", "--int8", "--benchmark", "preprocessing="),
    "compare": ("--a", "--b", "metric=", "test_set=", "paired="),
}
NOT_FETCHED = (AS_TRAINED, "digits", "image-folder")
FLAGS = ("--help", "--cfg", "--config-dir", "-m")
BREAKS = re.compile(r".*[=@:]", re.DOTALL)  # up to where bash takes a word to begin


def completion(words: Sequence[str]) -> str:
    """Return the script of a shell, or for a script the words that may come next on a line."""
    asked = words[0] if words else ""
    if asked in LISTS and len(words) == 2:
        found = candidates(words[1])
        if asked == "bash-words":
            current = split(words[1])[-1]
            begun = BREAKS.match(current)
            found = [word[len(begun[0]) if begun else 0 :] for word in found]
        return "\n".join(word if word.endswith("=") else f"{word} " for word in found)
    if asked in ("--help", "-h"):
        return USAGE
    if asked not in SCRIPTS or len(words) > 1:
        raise RequestError(
            f"completion of which shell{nearest(asked, SCRIPTS)}? type augdistill completion bash, zsh or fish"
        )
    return SCRIPTS[asked].rstrip("\n")


def split(line: str) -> list[str]:
    """Return the words of a line that is being typed, the last one, perhaps empty, unfinished."""
    try:
        words = shlex.split(line)
    except ValueError:  # a quote that is not closed yet
        words = line.split()
    return words if line[-1:].strip() and words else [*words, ""]


def candidates(line: str) -> list[str]:
    """Return the words that the last one of a line may become."""
    from augdistill.cli.main import COMMANDS, COMPOSING

    _, *words = split(line)
    if not words:
        return []
    *before, current = words
    if not before:
        found: Iterator[str] = iter([*COMMANDS, "--help", "--version"])
    elif before[-1] in FLAGS_WITH_VALUES:
        found = iter(["job"] if before[-1] in ("--cfg", "-c") else [])
    elif before[0] in COMPOSING:
        found = of_a_config(before[0], before[1:], current)
    else:
        found = of_saved_results(before[0], before[1:])
    return sorted(dict.fromkeys(word for word in found if word.startswith(current)))


def of_a_config(command: str, before: Sequence[str], current: str) -> Iterator[str]:
    """Yield groups and keys, behind "=" the choices of a group or what a value may be."""
    key, sign, typed = current.partition("=")
    if not sign:
        yield from (f"{group}=" for group in groups(command, before))
        yield from (f"{key}=" for key in keys(command, before))
        yield from FLAGS
        yield from choices("study") if command == "study" else ()
        return
    group = key.partition("@")[0]
    listed = typed[: typed.rfind(",") + 1] if group == "aug" or "-m" in before else ""
    if (conf_dir() / group).is_dir():
        yield from (f"{key}={listed}{name}" for name in choices(group) if name != AS_TRAINED)
    elif key in ("run", "distillation.teacher"):
        yield from (f"{key}={name}" for name in below(before, "runs"))
    elif isinstance(dict(values(command, before)).get(key), bool):
        yield from (f"{key}=true", f"{key}=false")


def groups(command: str, before: Sequence[str]) -> Iterator[str]:
    """Yield what is typed before "=" to choose in a group."""
    for place, folder, _ in defaults(command, before):
        yield folder if place == folder else f"{folder}@{place}"
    if command == "distill":
        yield "loss"


def defaults(command: str, before: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    """Yield (place in the config, folder, choice) of the groups of a command's config, with what is chosen so far."""
    chosen = dict(word.split("=", 1) for word in before if "=" in word)
    at: dict[str, str] = {}
    for entry in loaded(conf_dir() / f"{command}.yaml").get("defaults", ()):
        for name, default in entry.items() if isinstance(entry, dict) else ():
            folder, _, place = name.partition("@")
            place = place or folder
            if folder.startswith(("override", "optional")):
                continue
            at[place] = chosen.get(name, chosen.get(place, at.get(str(default).strip("${}"), str(default))))
            yield place, folder, at[place]


def values(command: str, before: Sequence[str]) -> Iterator[tuple[str, Any]]:
    """Yield every dotted key of a command's config, as far as the files say it, with the value there."""
    for path in (conf_dir() / "common.yaml", conf_dir() / f"{command}.yaml"):
        yield from leaves({key: value for key, value in loaded(path).items() if key not in ("defaults", "hydra")})
    for place, folder, choice in defaults(command, before):
        if choice in (there := files(folder)):
            yield from leaves(loaded(there[choice]) or {}, f"{place}.")
    if command == "distill":
        yield from leaves(loaded(files("loss")["kd"]), "distillation.loss.")


def keys(command: str, before: Sequence[str]) -> Iterator[str]:
    """Yield every dotted key but names and stacks, which groups choose."""
    for key, _ in values(command, before):
        if not key.endswith((".name", ".ops", ".defaults")):
            yield key


def leaves(node: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every key that holds no map, dotted, with its value."""
    for key, value in node.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def of_saved_results(command: str, before: Sequence[str]) -> Iterator[str]:
    """Yield the actions, studies, runs and options of a command that composes no config."""
    if command in ACTIONS and not before:
        yield from ACTIONS[command]
    if command == "claims" and not before:
        yield from names()
    if command in ("report", "compare"):
        yield from below(before, "studies")
    if command == "export" or (command == "runs" and before and before[0] in ACTIONS["runs"][1:]):
        yield from below(before, "runs")
    if command == "data" and before[:1] in (["fetch"], ["verify"]):
        yield from (name for name in choices("dataset") if name not in NOT_FETCHED)
    yield from OPTIONS.get(command, ())
    yield from ("outputs=", "--help")


def below(before: Sequence[str], folder: str) -> list[str]:
    """Return the names of the folders below one of the outputs folder that the words name."""
    outputs = next((word.partition("=")[2] for word in reversed(before) if word.startswith("outputs=")), "outputs")
    place = Path(outputs).expanduser() / folder
    return sorted(path.name for path in place.iterdir()) if place.is_dir() else []
