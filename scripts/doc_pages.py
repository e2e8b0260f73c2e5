"""A hook of mkdocs: pages of the site made from README, CONTRIBUTING, CHANGELOG, the configs and the code."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from augdistill.cli import plain
from augdistill.cli.composing.compose import composed
from augdistill.cli.explained import EXAMPLES, SUMMARIES, chosen_groups, leaves, shown
from augdistill.cli.main import COMMANDS, COMPOSING
from augdistill.config.meanings import comments, meaning
from augdistill.config.places import files, written

ROOT = Path(__file__).parents[1]
ABOVE = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
PYTHON = "# Python\n\nWhat `import augdistill` gives, from the code.\n\n::: augdistill.api\n"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made."""
    made = {page: (ROOT / source).read_text(encoding="utf-8") for source, page in ABOVE.items()}
    made |= {
        "reference/commands.md": "\n".join(commands()),
        "reference/keys.md": "\n".join(keys()),
        "reference/python.md": PYTHON,
    }
    for path, content in made.items():
        files.append(File.generated(config, path, content=content))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Return a page whose links to other files of the repository lead to pages, or are its path alone."""
    above = page.file.src_uri in ABOVE.values()
    folder = Path() if above else Path(page.file.src_uri).parent

    def link(found: re.Match[str]) -> str:
        text, target, anchor = found.groups(default="")
        path = os.path.normpath(target if above else "docs" / folder / target)
        if path not in ABOVE and not path.startswith("docs/"):
            return f"{text} (`{path}`)"
        inside = ABOVE.get(path, path.removeprefix("docs/"))
        return f"[{text}]({os.path.relpath(inside, folder)}{anchor})"

    pattern = r"(?<!!)\[([^\]]*)\]\((?!https?:)([\w./-]+)(#[\w-]+)?\)"
    markdown = re.sub(pattern, link, markdown)
    return re.sub(r"""((?:src|srcset|href)="|\]\()docs/""", r"\1", markdown) if above else markdown


def commands() -> Iterator[str]:
    """Yield the page of all commands: what each is for, examples, options."""
    yield "# Commands\n"
    for command, what in COMMANDS.items():
        yield f"## {command}\n"
        yield f"{SUMMARIES.get(command, what[:1].upper() + what[1:])}\n"
        if command in COMPOSING:
            yield "```sh"
            yield "\n".join(EXAMPLES[command])
            yield "```\n"
            yield f"[Keys of {command}](keys.md#{command})\n"
            continue
        if command not in plain.commands():
            continue
        chosen = plain.commands()[command]
        yield f"```sh\naugdistill {command} {chosen.usage}\n```\n"
        yield "| option | default | meaning |\n|---|---|---|"
        for option in chosen.options:
            if option.help:
                yield f"| `{option.key}`, `{option.flag}` | `{option.default}` | {cell(option.help)} |"
        yield ""


def keys() -> Iterator[str]:
    """Yield the page of all keys of the commands that compose a config: default, meaning, choices."""
    yield "# Keys of configs\n"
    yield "Every key is typed as `KEY=VALUE`; `GROUP=CHOICE` takes another file of a group, with its values.\n"
    for command in COMPOSING:
        config = plain_config(command)
        yield f"## {command}\n"
        yield "| group | choices |\n|---|---|"
        for key, chosen, there in chosen_groups(config):
            yield f"| `{key}={chosen}` | {', '.join(f'`{name}`' for name in there)} |"
        yield "\n| key | default | meaning |\n|---|---|---|"
        for key, value in leaves(config):
            yield f"| `{key}` | `{cell(shown(value))}` | {cell(meaning(command, key, config))} |"
        yield ""
    yield "## Choices and their own keys\n"
    for group in ("aug", "dataset", "teacher", "student", "loss", "optim", "executor"):
        yield f"### {group}\n"
        yield "| choice | keys |\n|---|---|"
        for choice, path in sorted(files(group).items()):
            told = comments(path)
            own = [(key, value) for key, value in leaves(written(group, choice)) if key not in ("name", "defaults")]
            said = [
                f"`{key}={cell(shown(value))}`" + (f" {cell(told[key])}" if key in told else "") for key, value in own
            ]
            yield f"| `{choice}` | {'; '.join(said) or 'none'} |"
        yield ""


def plain_config(command: str) -> dict[str, Any]:
    """Return the config of a command as it is without any choice."""
    from omegaconf import OmegaConf

    found = OmegaConf.to_container(composed(command, [], None), resolve=True)
    assert isinstance(found, dict)
    return {str(key): value for key, value in found.items()}


def cell(text: str) -> str:
    """Return text as a cell of a table."""
    return text.replace("|", "\\|").replace("\n", " ")
