"""Reads the files of a folder of configs that may have come from elsewhere: plain values from inside the folder.

What the values may be is for the schema to say, and which keys a file may not set, for `cli.composing.compose`.
"""

import os
import re
import stat
from pathlib import Path, PurePosixPath

import yaml  # type: ignore[import-untyped]  # no types are published

from augdistill.base.errors import ConfigError

MAX_BYTES = 2**20
MAX_VALUES = 100_000  # after aliases are written out: nine lines of YAML can stand for a thousand million values
MAX_NESTED = 20  # interpolations in one text
PLAIN = re.compile(r"tag:yaml\.org,2002:(str|int|float|bool|null|map|seq|merge|timestamp)")
DATA_ROOT = "${oc.env:AUGDISTILL_DATA,data}"  # of conf/dataset: the one resolver, of the one key
NODE = re.compile(r"\$\{[^${}:]*\}")  # an interpolation that names a key and holds no other


def read_plain(folder: Path, name: str) -> str:
    """Return the text of a YAML file of plain values inside a folder.

    Raises ConfigError, naming the file, for one that lies elsewhere, also by a link, is no regular file of at most
    MAX_BYTES, or holds tags, resolvers, or aliases without end.
    """
    path = folder / name
    try:
        wrong, text = ("", _read(folder.resolve(), path)) if is_inside(name) else ("its name leads elsewhere", "")
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        wrong = wrong or ("" if root is None else wrong_below(root))
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        wrong = " ".join(str(error).split())[:160]
    if wrong:
        raise ConfigError(f"{path} is refused: {wrong}; a folder of configs holds plain values alone")
    return text


def is_inside(name: str) -> bool:
    """Return whether the name of a config is one below its folder, as it is written."""
    return not name.startswith("/") and ".." not in PurePosixPath(name).parts and "\0" not in name


def _read(folder: Path, path: Path) -> str:
    resolved = path.resolve(strict=True)
    if not resolved.is_relative_to(folder):
        raise ValueError("it is a link to outside the folder")
    descriptor = os.open(resolved, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode) or len(content := file.read(MAX_BYTES + 1)) > MAX_BYTES:
            raise ValueError(f"it is no file of at most {MAX_BYTES:,} bytes")
    return content.decode("utf-8")


def has_resolver(text: str) -> bool:
    r"""Return whether a text asks for more than keys of the config, as ${oc.env:HOME} does.

    Also where a backslash stands before a sign: what that hides now would be read later.
    """
    text, before = text.replace("\\", ""), ""
    if text.count("${") > MAX_NESTED:
        return True
    while text != before:
        text, before = NODE.sub("", text), text
    return "${" in text


def wrong_below(root: yaml.Node) -> str:
    """Return what in a YAML document is refused: tags, resolvers, aliases that multiply without end."""
    sizes: dict[int, int] = {}  # of what each node stands for; 0 while it is being looked through

    def visit(node: yaml.Node) -> str:
        if id(node) in sizes:
            return "" if sizes[id(node)] else "an alias stands for what it is part of"
        sizes[id(node)] = 0
        if not PLAIN.fullmatch(node.tag):
            return f"the tag {node.tag}"
        children: list[yaml.Node] = [] if isinstance(node, yaml.ScalarNode) else node.value
        if isinstance(node, yaml.MappingNode):
            pairs = [pair for pair in node.value if (pair[0].value, pair[1].value) != ("root", DATA_ROOT)]
            children = [child for pair in pairs for child in pair]
        if isinstance(node, yaml.ScalarNode) and has_resolver(node.value):
            return f"{node.value} (${{...}} may name keys of the config, and no resolver)"
        for child in children:
            if wrong := visit(child):
                return wrong
        sizes[id(node)] = 1 + sum(sizes[id(child)] for child in children)
        return "" if sizes[id(node)] <= MAX_VALUES else f"its aliases stand for more than {MAX_VALUES:,} values"

    return visit(root)
