"""The answer of a factorial study: which factors of the recipe change its response, and which do not."""

from augdistill.report.figures.factors import effect_words
from augdistill.report.tables.factors import absent
from augdistill.results import labels
from augdistill.results.cells import Cells
from augdistill.results.factorial import FactorEffect, FactorialResults, factorial_results
from augdistill.results.study import SavedStudy

FACTOR_QUESTION = "Which factor of the recipe makes the effect?"


def factors_answer(saved: SavedStudy, cells: Cells) -> tuple[bool, str, tuple[str, ...]]:
    """Return whether any factor is shown to matter, the answer in one sentence, and what else is said."""
    found = factorial_results(saved, cells)
    where = f"on {labels.test_set(saved.test_set)}"
    if isinstance(found, str):
        return False, f"Nothing is known {where}: {found}.", ()
    clear = [effect for effect in found.main if effect.is_clear]
    rest = [effect for effect in found.main if not effect.is_clear]
    response = f"The response is the {found.what}{_range(found)}."
    said = tuple(filter(None, [response, absent(found) if found.missing else "", _interactions(found)]))
    if not any(effect.p == effect.p for effect in found.main):
        largest = max(found.main, key=lambda effect: abs(effect.value))
        return False, f"Nothing was tested {where}: largest was {effect_words(found, largest)}.", said
    if not clear:
        which = f"None of {len(rest)} factors is" if len(rest) > 1 else "The one factor is not"
        return False, f"{which} shown to change the effect {where}; {_excluded(found, rest)}.", said
    told = " and ".join(_change(found, effect) for effect in sorted(clear, key=lambda effect: -abs(effect.value)))
    others = f"; {', '.join(effect.name for effect in rest)} not shown to: {_excluded(found, rest)}" if rest else ""
    return True, f"{told[:1].upper()}{told[1:]} {where}{others}.", said


def _change(found: FactorialResults, effect: FactorEffect) -> str:
    """Student rate changes the effect (from 0.02 to 0.05 +1.20 points, 95 % interval +0.70 to +1.70)."""
    low, high = effect.levels
    words = effect_words(found, effect).removeprefix(f"{effect.name} ").replace(" (", ", ").rstrip(")")
    return f"{effect.name} changes the effect (from {low} to {high} {words})"


def _excluded(found: FactorialResults, effects: list[FactorEffect]) -> str:
    """Changes of more than X points are excluded."""
    most = max((max(abs(effect.low), abs(effect.high)) for effect in effects if effect.low == effect.low), default=None)
    if most is None:
        return "no interval could be made"
    unit = f" {found.unit}" if found.unit else ""
    return f"changes of more than {labels.number(most, found.places)}{unit} are outside {_its(effects)}"


def _range(found: FactorialResults) -> str:
    """; over the cells it went from X to Y points."""
    values = [one.value for one in found.responses if one.value == one.value]
    low, high = (labels.number(value, found.places, signed=True) for value in (min(values), max(values)))
    return f"; over the cells it went from {low} to {high}{f' {found.unit}' if found.unit else ''}"


def _its(effects: list[FactorEffect]) -> str:
    return "its 95 % interval" if len(effects) == 1 else "their 95 % intervals"


def _interactions(found: FactorialResults) -> str:
    clear = [effect for effect in found.interactions if effect.is_clear]
    if not found.interactions:
        return ""
    if not clear:
        if len(found.interactions) == 1:
            return "The one interaction of two factors is not shown."
        return f"None of {len(found.interactions)} interactions of two factors is shown."
    return f"Of {len(found.interactions)} interactions of two factors shown: {', '.join(e.name for e in clear)}."
