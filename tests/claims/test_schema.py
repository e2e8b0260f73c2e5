"""A claims file and a study that ask for what is not there are refused in one line."""

import pytest
from omegaconf import OmegaConf

from augdistill.base.errors import ConfigError
from augdistill.claims import schema as claims_module
from augdistill.claims.judging import judge
from augdistill.claims.schema import load_claims
from claim_tables import CLAIMS, EQUAL, both, meta


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "ratio"}, "kind 'ratio': it must be 'difference', 'equivalence' or 'rank'"),
        ({"variance": "equal"}, "variance 'equal': it must be 'pooled' or 'separate'"),
        ({"margin": 0}, "margin '0': it must be greater than 0"),
        ({"metrik": "ece"}, r"unknown key 'metrik' \(did you mean metric\?\); keys are id"),
        ({"kind": "rank", "contrast": True}, "contrast is the mean over parts that are differences"),
        ({"parts": [{"plus": {"role": "teacher"}}]}, "needs plus and minus"),
        (
            {"parts": [{"plus": {"role": "pupil"}, "minus": {"role": "teacher"}}]},
            "role 'pupil': it must be one of",
        ),
        ({"parts": [{"plus": {"role": "teacher", "teacher_aug": "$m"}, "minus": {"role": "teacher"}}]}, "no values"),
        (
            {"parts": [{"plus": {"role": "teacher"}, "minus": {"role": "teacher"}, "pairing": "twins"}]},
            "pairing 'twins': it",
        ),
    ],
)
def test_a_claims_file_that_is_wrong_is_refused_in_one_line(tmp_path, change, message):
    content = OmegaConf.to_container(OmegaConf.load(claims_module.CLAIMS))
    content["claims"] = [{**content["claims"][0], **change}]
    OmegaConf.save(content, tmp_path / "claims.yaml")
    with pytest.raises(ConfigError, match=message) as error:
        load_claims(tmp_path / "claims.yaml")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"claims": ["16"]}, "names claim '16'; claims are 1, 2"),
        ({"margins": {"2": 0}}, "margin of claim 2 is 0.0"),
        ({"margins": {"77": 1}}, "names claim '77'"),
        ({"primary": ["77"]}, "names claim '77'"),
        ({"looks": 0}, "looks must be >= 1"),
        ({"claims": ["2", "2"]}, "listed once"),
        ({"test_set": None}, "'test_set' is missing"),
    ],
)
def test_a_study_that_names_what_is_not_there_is_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        judge(both(EQUAL).frame(), {**meta("1"), **changes}, CLAIMS)
