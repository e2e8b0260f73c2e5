"""One line for an error of Hydra's or OmegaConf's: what was wrong, what is allowed, what to type."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from augdistill import plugins
from augdistill.base.checks import is_prefixed, nearest
from augdistill.base.errors import AugdistillError
from augdistill.cli.words import KEY_PART, OVERRIDE
from augdistill.config import choices, conf_dir
from augdistill.config.places import AS_TRAINED, OF_PLUGINS

SHORT_NAMES = {
    "T": "temperature",
    "learning_rate": "lr",
    "wd": "weight_decay",
    "bs": "batch_size",
    "lambda": "alpha",
    "model": "teacher",
    "arch": "teacher",
    "augmentation": "aug",
    "augment": "aug",
    "optimizer": "optim",
    "data": "dataset",
    "gpu": "device",
    "gpus": "device",
    "batchsize": "batch_size",
}
GROUP_IN_STUDY = re.compile(r"study\.(?:(dataset|teacher|distillation)|students\.[\w-]+)")
MOST_HINTS = 3  # full keys that are named for a short one


def one_line(command: str, error: Exception, typed: Mapping[str, str]) -> str:
    """Return one line for an error of Hydra's or OmegaConf's; `typed` is each word as typed, by what Hydra got."""
    from hydra.errors import MissingConfigException

    text = str(error)
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        return unknown_choice(command, error.missing_cfg_file, error.options, typed)
    if key := re.search(r"Could not override '([^']+)'", text):
        words = (OVERRIDE.fullmatch(word) for given, word in typed.items() if given.startswith(f"{key[1]}={{"))
        return unknown_key(command, next((word[2] for word in words if word), key[1]), typed)
    if several := re.search(r"Ambiguous value for argument '([^=]+)=(.*)'", text):
        word = f"{several[1]}={several[2]}"
        return f"{word} are several values: add -m to run each in turn; '{several[1]}=[{several[2]}]' is a list"
    if "with ListConfig" in str(error.__cause__) and (map_ := re.search(r"override ([^=]+)=(\{.*\})", text)):
        return f"{map_[1]}={map_[2]} is a map, {map_[1]} a list: quote '{map_[1]}=[{map_[2]}]'"
    given = getattr(error, "override", None)
    if given is not None:
        return unreadable(command, typed.get(given, given), typed)
    cause = f" ({str(error.__cause__).splitlines()[0]})" if error.__cause__ else ""
    return " ".join(text.split("\n\n")[0].split()) + cause


def unknown_choice(command: str, path: str, options: Sequence[str] | None, typed: Mapping[str, str]) -> str:
    """Return what to say of a file GROUP/CHOICE that there is not: the nearest one, those there are, what to type."""
    group, _, choice = path.partition("/") if path.partition("/")[0] in OF_PLUGINS else path.rpartition("/")
    known = [name for name in options or choices(group) if name != AS_TRAINED or command == "evaluate"]
    words = filter(None, map(OVERRIDE.fullmatch, typed.values()))
    keys = [word[2] for word in words if word[2].partition("@")[0] == group and choice in word[3]]
    key = keys[-1] if keys else group
    if group == "study" and choice.startswith("claims/"):
        there = sorted(f"claims/{file.stem}" for file in (conf_dir() / "study" / "claims").glob("*.yaml"))
        return f"{key}={choice} is unknown{nearest(choice, there)}: augdistill claims lists those there are"
    if group == "teacher" and "/" in choice and (choice.count("/") > 1 or Path(choice).exists()):
        return f"{key}={choice} is a path, and {key}= names a model: a run teaches by distillation.teacher=RUN"
    if is_prefixed(choice) and choice.partition("/")[0] not in plugins.installed():
        return f"{key}={plugins.absent(choice)}"
    example = f", as in {key}={known[0]}" if known else ""
    return f"{key}={choice} is unknown{nearest(choice, known)}: choose one of {', '.join(known) or 'none'}{example}"


def unknown_key(command: str, key: str, typed: Mapping[str, str]) -> str:
    """Return what to say of a key that there is not: the nearest one, and those of the group that it is in."""
    for word in filter(None, map(OVERRIDE.fullmatch, typed.values())):
        if (group := GROUP_IN_STUDY.fullmatch(word[2])) is not None and key.startswith(f"{word[2]}."):
            chosen = f"{group[1] or 'student'}@{word[2]}={word[3]}"
            return f"{word[2]}={word[3]} is not a group of keys, so that {key} is none: type {chosen}"
    known = config_keys(command, list(typed))
    above = key.rpartition(".")[0]
    while above and above not in known:
        above = above.rpartition(".")[0]
    there = [other for other in known if other.rpartition(".")[0] == above]
    if op := re.fullmatch(r"((?:student_)?aug)\.([\w-]+)\.(\w+)", key):
        where = f"{op[1]}.ops.{op[2]}.{op[3]}"
        return f"{key} is not a config key (did you mean {where}?): it needs {op[2]} among the strategies chosen"
    name = SHORT_NAMES.get(key, key)
    full = sorted((other for other in known if other.endswith(f".{name}")), key=lambda other: other.count("."))
    full = full or [name] * (name in known)
    hint = f" (did you mean {' or '.join(full[:MOST_HINTS])}?)" if full else nearest(key, known)
    return f"{key} is not a config key{hint}: known there are {', '.join(there) or 'none'}"


def unreadable(command: str, word: str, typed: Mapping[str, str]) -> str:
    """Return what to say of a word that Hydra's grammar cannot read: no KEY=VALUE, no key, or brackets left open."""
    found = OVERRIDE.fullmatch(word)
    if found is None and command == "study" and word.endswith((".yaml", ".yml")):
        return f"{word} is a file: FOLDER/study/NAME.yaml is run by augdistill study --config-dir FOLDER NAME"
    if found is None:
        known = config_keys(command, [])
        folders = {path.parent.name for path in conf_dir().glob("*/*.yaml")} & set(known)
        keys = [folder for folder in folders if word in choices(folder)] or ["run"] * ("run" in known)
        meant = f" (did you mean {max(keys)}={word}?)" if keys else ""  # a model rather than its recipe
        return f"{word} is not an override{meant}: write KEY=VALUE without blanks; quote lists: 'aug=[mixup,cutmix]'"
    key, value = found[2], found[3]
    if not all(map(KEY_PART.fullmatch, re.split(r"[.@/]", key))):
        return unknown_key(command, key, typed)
    return f"{key}={value} cannot be read: every bracket and quote in a list or map is closed, as in '{key}=[1,2]'"


def config_keys(command: str, words: list[str]) -> list[str]:
    """Return every key of the command's config, dotted, with the groups that `words` choose."""
    from hydra.errors import HydraException

    from augdistill.cli.composing.compose import composed

    chosen = [word for word in words if re.fullmatch(r"[\w/-]+(@[\w.-]+)?=[^,=]+", word)]
    for overrides in (chosen, []):
        try:
            return dotted("", composed(command, overrides, None))
        except (HydraException, AugdistillError):
            continue
    return []


def dotted(prefix: str, node: Any) -> list[str]:
    """Return the keys below `node`, groups before what is in them, joined with dots."""
    from omegaconf import DictConfig

    keys = []
    for key in node:
        keys.append(f"{prefix}{key}")
        value = node._get_node(key)
        if isinstance(value, DictConfig) and not value._is_none() and not value._is_missing():
            keys += dotted(f"{prefix}{key}.", value)
    return keys


def uncomposable(command: str, typed: Mapping[str, str]) -> str:
    """Return one line about the first override with which Hydra composes nothing, though it is one."""
    from omegaconf import OmegaConf

    from augdistill.cli.composing.compose import composed
    from augdistill.config.checking import explain

    plain = OmegaConf.to_container(composed(command, [], None), resolve=True)
    assert isinstance(plain, dict)
    for word in (word for word in typed if "=" in word and not word.startswith("-")):
        try:
            composed(command, [word], None)
        except (ValueError, TypeError, AttributeError):
            return explain(command, {str(key): value for key, value in plain.items()}, typed[word])
        except Exception:
            continue
    return f"{' '.join(typed.values())} make no config: try them one by one with --cfg job"
