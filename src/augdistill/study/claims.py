"""Claims of one's own: read from the file that a study names, and checked against what the study has."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from augdistill.base.checks import one_of
from augdistill.base.errors import ConfigError
from augdistill.claims.expansion import expand
from augdistill.claims.schema import Claim, Study, check_claims, load_claims, parse_claims
from augdistill.config import Config, studies
from augdistill.config.folders import read_plain
from augdistill.study.arms import variant_name, variants


def claims_of(study: studies.Study) -> Config | None:
    """Return the content of the file of claims that a `study` group names, None for the package's claims.

    Raises ConfigError for a file that is not there or holds anything but claims, for a claim that the study asks for
    and that is not in it, and for one of the file's that this study can never answer.
    """
    if study.factors:
        check_metric("study.design.response.metric", study.design.response.metric)
    if (file := study.claims_file) is None:
        check_claims(study.plain(), load_claims())
        return None
    content = read_claims(Path(file))
    claims = parse_claims(content, file)
    check_claims(study.plain(), claims)
    augs, base = study.aug, study.reference
    models = tuple(student.name for student in study.students.values())
    own = tuple(name for name in study.student_aug if name != studies.MATCHING) or (studies.BASELINE,)
    design = Study(study.name, study.blocks, (), augs, models, study.dataset.name, "", base=base, student_augs=own)
    cells = {variant_name(variant) for variant in variants(study)}
    for claim in claims.claims:
        for metric in metrics_in(claim):
            check_metric(f"{file}, claim {claim.id}: metric", metric)
        if unknown := sorted(claim.variants - cells) if claim.id in study.claims else []:
            has = "; ".join(sorted(cells - {""})) or "none"
            raise ConfigError(f"{file}, claim {claim.id}: variant {unknown[0]!r} is no cell of study.grids: {has}")
        if claim.id in study.claims and not expand(claim.parts, claim, design, claims)[0]:
            has = f"it has students {', '.join(models)} and strategies {', '.join(augs)}"
            raise ConfigError(f"{file}, claim {claim.id}: the study has none of the arms that it compares: {has}")
    return content


def read_claims(path: Path) -> Config:
    """Return what a YAML file of plain values holds; raises ConfigError, which names the file."""
    if not path.is_file():
        raise ConfigError(
            f"study.claims_file={path} is not a file: name a YAML file of claims, or null for the paper's"
        )
    real = path.resolve()
    try:
        content: Any = OmegaConf.to_container(OmegaConf.create(read_plain(real.parent, real.name)), resolve=False)
    except ConfigError:
        raise
    except Exception as error:  # a key twice, a key that is none, a number too large
        raise ConfigError(f"{path} is refused: {' '.join(str(error).split())[:160]}") from None
    return content if isinstance(content, dict) else {}


def metrics_in(claim: Claim) -> Iterator[str]:
    """Yield the name of every metric that a claim measures."""
    yield claim.metric
    for group in (*claim.parts, *claim.beside):
        variables = (group.x, group.y, group.given)
        yield from (metric for metric in (group.metric, group.adjust.get("metric")) if metric)
        yield from (variable.metric for variable in variables if variable)


def check_metric(key: str, metric: str) -> None:
    """Raise ConfigError for a metric that no table of results has."""
    from augdistill.metrics import METRICS
    from augdistill.metrics.shifted import SHIFTED, entry_under

    known = {*METRICS, *SHIFTED, *(name for claim in load_claims().claims for name in metrics_in(claim))}
    if not metric.startswith("class_accuracy[") and entry_under(metric) is None:
        one_of(key, metric, sorted(known))
