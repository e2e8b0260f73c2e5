"""Looks through a folder of configs before Hydra reads it: values are welcome, what would be run is not.

Hydra makes objects of whatever `_target_`, or `()` in its logging, names; a folder that came with somebody's results
must not reach that, so its files set no key of Hydra's own and name nothing to be called.
"""

import re
from pathlib import Path

import yaml  # type: ignore[import-untyped]

from augdistill.errors import ConfigError

MAX_BYTES = 2**20
MAX_VALUES = 100_000  # after aliases are written out: nine lines of YAML can stand for a thousand million values
CODE = ("_target_", "()")
HYDRA = re.compile(r"(^|[\s/@])hydra($|[/@.:])")
PACKAGE = re.compile(r"^#\s*@package\s+(\S*)", re.MULTILINE)
PLAIN = re.compile(r"tag:yaml\.org,2002:(str|int|float|bool|null|map|seq|merge|timestamp)")


def refuse_code(folder: Path) -> None:
    """Raise ConfigError, naming the file, unless all YAML files below a folder hold plain values for this program."""
    if not folder.is_dir():
        raise ConfigError(f"--config-dir {folder} is not a folder")
    for path in sorted(folder.rglob("*.yaml")):
        wrong = "it changes Hydra itself" if "hydra" in path.relative_to(folder).parts else wrong_in(path)
        if wrong:
            raise ConfigError(f"{path} is refused: {wrong}; a folder of configs holds plain values alone")


def wrong_in(path: Path) -> str:
    """Return why a YAML file is refused, nothing if it is plain."""
    try:
        if not path.is_file() or path.stat().st_size > MAX_BYTES:
            return f"it is no file of at most {MAX_BYTES:,} bytes"
        text = path.read_text(encoding="utf-8")
        if any(HYDRA.search(package) for package in PACKAGE.findall(text)):
            return "it changes Hydra itself"
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        return "" if root is None else wrong_below(root)
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        return " ".join(str(error).split())[:160]


def wrong_below(root: yaml.Node) -> str:
    """Return what in a YAML document is refused: code, Hydra's own keys, tags, aliases that multiply without end."""
    sizes: dict[int, int] = {}  # node -> the values that it stands for, aliases written out; 0 while it is open

    def visit(node: yaml.Node, in_defaults: bool) -> str:
        if id(node) in sizes:
            return "" if sizes[id(node)] else "an alias stands for what it is part of"
        sizes[id(node)] = 0
        if not PLAIN.fullmatch(node.tag):
            return f"the tag {node.tag}"
        pairs = node.value if isinstance(node, yaml.MappingNode) else []
        for key, _ in pairs:
            if key.value in CODE or HYDRA.search(str(key.value)):
                return f"the key {key.value}"
        if in_defaults and isinstance(node, yaml.ScalarNode) and HYDRA.search(node.value):
            return f"{node.value} among its defaults"
        children = [(value, in_defaults or key.value == "defaults") for key, value in pairs]
        children += [(item, in_defaults) for item in node.value] if isinstance(node, yaml.SequenceNode) else []
        for child, within in children:
            if wrong := visit(child, within):
                return wrong
        sizes[id(node)] = 1 + sum(sizes[id(child)] for child, _ in children)
        return "" if sizes[id(node)] <= MAX_VALUES else f"its aliases stand for more than {MAX_VALUES:,} values"

    return visit(root, False)
