"""Tables of a factorial study: the effects of its factors, and what every cell gave."""

from augdistill.report.tables.layout import Row, Table
from augdistill.results import labels
from augdistill.results.cells import Cells
from augdistill.results.factorial import FactorEffect, FactorialResults, factorial_results
from augdistill.results.study import SavedStudy


def factor_effects(saved: SavedStudy, cells: Cells) -> Table | str:
    """Return main effects and two-factor interactions with their intervals, and what the study says of each."""
    found = factorial_results(saved, cells)
    if isinstance(found, str):
        return found
    change = f"Change{f', {found.unit}' if found.unit else ''}"
    titles = ("", "Factor", "Low", "High", change, "95 % from", "to", "p, Holm", "Says")
    rows = [Row(line(found, effect), ()) for effect in (*found.main, *found.interactions)]
    return Table("table-factors", titles, (), tuple(rows), tuple(notes(found)), ())


def line(found: FactorialResults, effect: FactorEffect) -> tuple[str, ...]:
    """Return the texts of one effect's row."""
    numbers = (labels.number(value, found.places, signed=True) for value in (effect.value, effect.low, effect.high))
    p = effect.p_holm
    shown = "–" if p != p else "< 0.0001" if p < 1e-4 else f"{p:.4f}"
    aliases = ", ".join(effect.aliases)
    name = f"{effect.name} (or {aliases})" if aliases else effect.name
    return (effect.word, name, *effect.levels, *numbers, shown, says(effect))


def says(effect: FactorEffect) -> str:
    """Return what is said of an effect."""
    if effect.p != effect.p:
        return "not tested"
    if not effect.is_clear:
        return "not shown"
    if len(effect.word) > 1:
        return "depend on each other"
    return "raises the response" if effect.value > 0 else "lowers the response"


def notes(found: FactorialResults) -> list[str]:
    """Return how the table is to be read, and what its design cannot tell apart."""
    there = sum(one.value == one.value for one in found.responses)
    design, df = found.design, found.fitted.df
    blocks = len({one.block for one in found.responses})
    told = [
        f"The response of a cell is the {found.what}, in the same cell and block. Change: its mean at the high level "
        "minus that at the low one; of two factors, half of what one changes in the other’s change.",
        f"Least squares with blocks on {there} of {len(found.responses)} responses in {blocks} blocks. "
        + (
            f"The residual is pooled over cells and blocks and has {df} degrees of freedom; p by Holm over the main "
            "effects, and over the interactions."
            if df
            else "No degree of freedom is left for a residual, so nothing is tested."
        ),
    ]
    if found.missing:
        told.append(absent(found))
    if found.left_out:
        told.append(
            f"Left out of the model, since without the missing responses main effects could not be told from them: "
            f"{', '.join(found.left_out)}."
        )
    if design.generators:
        total = 2 ** len(design.factors)
        told.append(f"{len(design.cells)} of {total} combinations, {', '.join(design.generators)}.")
    mixed = [[pair, *design.aliases(pair)] for pair in design.pairs if design.aliases(pair)]
    pairs = dict.fromkeys(", ".join(sorted(same)) for same in mixed if all(len(word) == 2 for word in same))
    if pairs:
        told.append(f"Cannot be told apart, and left out of the model: {'; '.join(pairs)}.")
    between = [pair for pair in design.pairs if design.is_of_blocks(pair)]
    if between:
        told.append(f"Differences between blocks: {', '.join(between)}.")
    return told


def absent(found: FactorialResults) -> str:
    """Return which cells have no response: of how many, and the levels that all of them have."""
    missing = found.missing
    shared = [f"{name} {level}" for name, level in found.shared_levels(missing)]
    have = "has" if len(missing) == 1 else "have"
    count = f"{len(missing)} of {len(found.responses)} cells {have} no response"
    why = f"{count}: students collapsed, diverged or are missing"
    return f"{why}. All of them have {' and '.join(shared)}." if len(missing) > 1 and shared else f"{why}."


def factor_cells(saved: SavedStudy, cells: Cells) -> Table | str:
    """Return the levels and the response of every cell in every block."""
    found = factorial_results(saved, cells)
    if isinstance(found, str):
        return found
    rows = []
    for one in found.responses:
        levels = (
            factor.levels[sign > 0] for factor, sign in zip(found.design.factors.values(), one.cell.signs, strict=True)
        )
        value = labels.number(one.value, found.places, signed=True) if one.value == one.value else "missing"
        rows.append(Row((str(one.block), *levels, value), ()))
    titles = ("Block", *map(found.name, found.design.letters), f"Response{f', {found.unit}' if found.unit else ''}")
    return Table("table-cells", titles, (), tuple(rows), (f"Response: the {found.what}.",), ())
