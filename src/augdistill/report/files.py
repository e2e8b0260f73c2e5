"""What stands beside the page: every table, figure and result as files."""

from pathlib import Path

from augdistill.base.files import write_atomic
from augdistill.report.building import Report
from augdistill.report.figures.images import as_file
from augdistill.report.page.provenance import as_run_name, as_run_yaml, claims_path, claims_yaml
from augdistill.report.tables import formats
from augdistill.report.tables import verdicts as verdict_tables
from augdistill.results.frame import with_values

TABLE_FORMATS = {"csv": formats.to_csv, "md": formats.to_markdown}
VERDICT_FORMATS = {"csv": verdict_tables.to_csv, "md": verdict_tables.to_markdown}
FIGURE_FORMATS = ("svg", "pdf", "png")


def write_files(report: Report) -> list[Path]:
    """Write all files but the page, remove tables and figures that are no longer made, and return the paths."""
    contents: dict[Path, bytes] = {Path("results.csv"): with_values(report.results).to_csv(index=False).encode()}
    for kind, verdicts_text in VERDICT_FORMATS.items():
        contents[Path("tables") / f"verdicts.{kind}"] = verdicts_text(report.verdicts).encode()
    joined = "+".join(study.saved.name for study in report.studies)
    contents[Path("tables") / "verdicts.tex"] = verdict_tables.to_tex(report.verdicts, joined).encode()
    for study in report.studies:
        for table in study.tables:
            for kind, text in TABLE_FORMATS.items():
                contents[Path("tables") / f"{table.key}.{kind}"] = text(table).encode()
            contents[Path("tables") / f"{table.key}.tex"] = formats.to_tex(table, study.saved.name).encode()
        for drawn in study.figures:
            for kind in FIGURE_FORMATS:
                contents[Path("figures") / f"{drawn.key}.{kind}"] = as_file(drawn, kind)
        if study.provenance.repeat is not None:
            contents[Path("conf", "study", f"{as_run_name(study.saved.name)}.yaml")] = as_run_yaml(study.saved).encode()
        if study.saved.has_own_claims:
            contents[Path("conf") / claims_path(study.saved.name)] = claims_yaml(study.saved).encode()
    for path, content in contents.items():
        (report.folder / path).parent.mkdir(parents=True, exist_ok=True)
        write_atomic(report.folder / path, content)
    for folder in ("tables", "figures"):
        _remove_others(report.folder / folder, {path.name for path in contents})
    return [report.folder / path for path in contents]


def _remove_others(folder: Path, kept: set[str]) -> None:
    """Remove what an earlier report left in its own folder of tables or figures."""
    if folder.is_dir():
        for path in folder.iterdir():
            if path.is_file() and path.name not in kept and path.suffix[1:] in (*TABLE_FORMATS, "tex", *FIGURE_FORMATS):
                path.unlink()
