"""The answer of a factorial study."""

from augdistill.report.page.factors import factors_answer
from augdistill.results.cells import Cells
from factor_studies import write_factors


def test_the_answer_names_factors_or_what_is_excluded(tmp_path):
    saved = write_factors(tmp_path)
    is_shown, answer, said = factors_answer(saved, Cells(saved))
    assert (
        answer.startswith("None of 2 factors is shown to change the effect on Digits; changes of more than ")
        or is_shown
    )
    assert said[0].startswith("The response is the accuracy of CutMix students minus that of Baseline students; over ")
