"""The command `compare`: what it prints against scipy on the rows of results.csv, and what it refuses."""

import pytest
from scipy import stats

import saved_studies
from augdistill.base.errors import ConfigError, RequestError
from augdistill.report.contrasts import arm_of, compared, contrast, table

ARMS = ("--a", "teacher_aug=cutmix,model=lenet", "--b", "teacher_aug=baseline,model=lenet")
RESCALED = "distillation.transform=rescale"


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    return saved_studies.write_controls(tmp_path_factory.mktemp("compare") / "outputs")


def values(saved, variant="", metric="accuracy", **arm):
    rows = saved.results[(saved.results.variant == variant) & (saved.results.metric == metric)]
    for column, value in {"role": "student", "test_set": "digits-test", **arm}.items():
        rows = rows[rows[column] == value]
    return 100 * rows.sort_values("block").value.to_numpy()


def line(text, name):
    (found,) = [line.split() for line in text.splitlines() if line.split()[:1] == [name]]
    return found


def ask(saved, **changed):
    arms = {"a": "teacher_aug=cutmix,model=lenet", "b": "teacher_aug=baseline,model=lenet"}
    return contrast(**{"outputs": saved.store.outputs, "study": "tiny", **arms, **changed})


@pytest.mark.slow
def test_the_real_command_prints_welchs_test_and_each_class(saved, run_augdistill):
    ran = run_augdistill(["compare", "tiny", *ARMS], saved.store.outputs.parent)
    assert ran.code == 0, ran.stderr
    a, b = (values(saved, teacher_aug=aug) for aug in ("cutmix", "baseline"))
    expected = stats.ttest_ind(a, b, equal_var=False)
    low, high = expected.confidence_interval()
    mean = f"{a.mean():.2f} ± {a.std(ddof=1):.2f} {b.mean():.2f} ± {b.std(ddof=1):.2f} {a.mean() - b.mean():+.2f}"
    assert " ".join(line(ran.stdout, "overall")).startswith(
        f"overall {mean} {low:+.2f} to {high:+.2f} {expected.pvalue:.4f}"
    )
    assert "a: LeNet student of CutMix\nb: LeNet student of Baseline\n" in ran.stdout
    lines = ran.stdout.splitlines()
    assert len(lines) == 5 + 1 + 10
    assert len({len(line) for line in lines[4:]}) == 1  # aligned
    assert max(map(len, lines[:4])) <= 80
    cat = [values(saved, metric="class_accuracy[cat]", teacher_aug=aug).mean() for aug in ("cutmix", "baseline")]
    assert f"{cat[0] - cat[1]:+.2f}" in line(ran.stdout, "cat")


def test_pairs_are_blocks_where_asked(saved):
    text = ask(saved, paired=True, classes=False)
    a, b = (values(saved, teacher_aug=aug) for aug in ("cutmix", "baseline"))
    assert f"{stats.ttest_rel(a, b).pvalue:.4f}" in line(text, "overall")
    assert "paired, block by block" in text
    assert len(text.splitlines()) == 6


def test_cells_of_a_grid_are_arms_and_shared_runs_stand_in_each(saved):
    a, b = (f"variant={RESCALED},teacher_aug={aug},role=student" for aug in ("mixup", "baseline"))
    text = ask(saved, a=a, b=b, classes=False)
    pair = [values(saved, RESCALED, teacher_aug="mixup"), values(saved, teacher_aug="baseline")]
    assert f"{stats.ttest_ind(*pair, equal_var=False).pvalue:.4f}" in line(text, "overall")
    assert "a: LeNet student of Mixup (teacher’s logits rescaled to the baseline’s s.d.)" in text


def test_arms_of_unequal_budget_are_said_to_be(saved):
    arms = ({"teacher_aug": aug, "model": "lenet"} for aug in ("cutmix", "baseline"))
    found, where = compared(saved.store.outputs, "tiny", *arms)
    for variants, said in ((("optim.epochs=9", ""), True), (("", ""), False)):
        text = table(found, "accuracy", where, variants, classes=False)
        assert ("note: arms of unequal budget (optim.epochs) are compared" in text) == said


def test_another_metric_has_its_own_unit_and_no_classes(saved):
    text = ask(saved, metric="nll")
    a, b = (values(saved, metric="nll", teacher_aug=aug) / 100 for aug in ("cutmix", "baseline"))
    assert "NLL on Digits, nats, means" in text
    assert f"{a.mean() - b.mean():+.4f}" in line(text, "overall")
    assert len(text.splitlines()) == 6


def test_a_variants_own_commas_and_equal_signs_stay_in_its_value():
    variant = "distillation.temperature=4,distillation.alpha=0.1"
    expected = {"model": "lenet", "variant": variant, "role": "student"}
    assert arm_of(f"model=lenet,variant={variant},role=student", "--a") == expected


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("--a", "teacher_aug=cutmx,model=lenet", *ARMS[2:]),
            "--a: no run has teacher_aug=cutmx; there are baseline, ",
        ),
        (("--a", "teacher=cutmix", *ARMS[2:]), "--a: no column 'teacher'; columns are role, model"),
        (("--a", "teacher_aug=cutmix", *ARMS[2:]), "--a names more than one arm: role is student, teacher; add role="),
        (("--a", "it's", *ARMS[2:]), "--a it's is not an arm: write COLUMN=VALUE,..."),
        (ARMS[:2], "which arm is --b? type --b teacher_aug=cutmix,model=lenet"),
        ((*ARMS, "metric=acuracy"), "metric=acuracy is not in the results (did you mean accuracy?): accuracy"),
        ((*ARMS, "test_set=mnist"), "test_set=mnist is not in the results: digits-test, distillation"),
        ((*ARMS, "paired=perhaps"), "paired=perhaps is no truth value"),
        ((*ARMS, "metrics=nll"), "metrics is not a key of compare (did you mean metric?)"),
    ],
)
def test_what_is_no_contrast_is_refused_in_one_line(words, message, saved, run_here):
    ran = run_here(["compare", "tiny", *words], saved.store.outputs.parent)
    assert (ran.code, ran.stdout) == (2, "")
    assert len(ran.stderr.splitlines()) == 1
    assert message in ran.stderr


def test_an_unknown_study_is_refused(saved):
    with pytest.raises(RequestError, match=r"no study small below .*: start it with augdistill study study=small"):
        ask(saved, study="small")
    with pytest.raises(RequestError, match=r"no study tin below .* \(did you mean tiny\?\): start it with"):
        ask(saved, study="tin")
    with pytest.raises(ConfigError, match="is not the name of a study"):
        ask(saved, study=["tiny", "paper"])
