"""The table of metrics: one entry each, which says all that the rest of the package asks of it."""

from augdistill.metrics.calibration import adaptive_ece, class_ece, ece, mce, overconfidence, reliability, signed_gap
from augdistill.metrics.classification import accuracy, brier, nll
from augdistill.metrics.entry import DRAWS, EMBEDDINGS, EXTERNAL, HUMAN, HUMAN_EXTERNAL, TEACHER, Metric
from augdistill.metrics.human import cross_entropy, diagonal_mean, entropy, kl, off_diagonal_mean, zeros
from augdistill.metrics.latent import class_separability
from augdistill.metrics.teacher import agreement, label_information, logit_sd, mean_probability_sd, teacher_student_kl
from augdistill.plugins import Table

MACRO = ("table-5", "table-6")
CALIBRATION = ("table-calibration",)
OFFERED = ("table-teachers", "figure-properties")
FIDELITY = ("table-fidelity",)
FINE = 15  # bins, as most papers have; the ECE's own are the paper's 10


def _information(temperature: int) -> Metric:
    """What is left of ln K at one of the temperatures that studies distil at."""
    label = f"ln K − H at T = {temperature}"
    return Metric(
        label,
        "nats",
        None,
        lambda p: label_information(p.logits, temperature),
        stands_in=OFFERED,
        digits=4,
        temperature=temperature,
    )


METRICS = Table[Metric]("metrics") | {
    "accuracy": Metric(
        "Accuracy",
        "share",
        "higher",
        lambda p: accuracy(p.log_probabilities, p.labels),
        stands_in=MACRO + OFFERED,
        heading="accuracy",
        percent=True,
    ),
    "precision": Metric("Precision", "share", "higher", lambda p: p.macro[0], stands_in=MACRO, percent=True),
    "recall": Metric("Recall", "share", "higher", lambda p: p.macro[1], stands_in=MACRO, percent=True),
    "f1": Metric("F1", "share", "higher", lambda p: p.macro[2], stands_in=MACRO, heading="F1", percent=True),
    "precision_weighted": Metric("Precision, weighted", "share", "higher", lambda p: p.weighted[0], percent=True),
    "recall_weighted": Metric("Recall, weighted", "share", "higher", lambda p: p.weighted[1], percent=True),
    "f1_weighted": Metric("F1, weighted", "share", "higher", lambda p: p.weighted[2], percent=True),
    "nll": Metric(
        "NLL", "nats", "lower", lambda p: nll(p.log_probabilities, p.labels), heading="NLL", published="loss"
    ),
    "nll_clipped": Metric("NLL, clipped", "nats", "lower", lambda p: nll(p.clipped, p.labels), EXTERNAL),
    "nll_zeros": Metric("Zeros at labels", "count", "lower", lambda p: zeros(p.targets, p.log_probabilities), EXTERNAL),
    "brier": Metric("Brier", "", "lower", lambda p: brier(p.log_probabilities, p.labels), heading="Brier"),
    "ece": Metric(
        "ECE",
        "share",
        "lower",
        lambda p: ece(p.reliability),
        stands_in=CALIBRATION + OFFERED,
        heading="ECE",
        published="ece_10_bins",
    ),
    "ece_gap": Metric(
        "Confidence - accuracy", "share", None, lambda p: signed_gap(p.reliability), stands_in=CALIBRATION
    ),
    "mce": Metric("MCE", "share", "lower", lambda p: mce(p.reliability)),
    "mce_50": Metric(
        "MCE, bins of 50", "share", "lower", lambda p: mce(p.reliability, at_least=50), stands_in=CALIBRATION
    ),
    "ece_scaled": Metric("ECE, scaled", "share", "lower", lambda p: ece(p.scaled_reliability), stands_in=CALIBRATION),
    "overconfidence": Metric(
        "Over-confidence", "share", "lower", lambda p: overconfidence(p.reliability), stands_in=CALIBRATION + OFFERED
    ),
    "ece_15": Metric("ECE, 15 bins", "share", "lower", lambda p: ece(reliability(p.log_probabilities, p.labels, FINE))),
    "adaptive_ece": Metric(
        "Adaptive ECE",
        "share",
        "lower",
        lambda p: adaptive_ece(p.log_probabilities, p.labels),
        stands_in=CALIBRATION + OFFERED,
    ),
    "adaptive_ece_15": Metric(
        "Adaptive ECE, 15 bins", "share", "lower", lambda p: adaptive_ece(p.log_probabilities, p.labels, FINE)
    ),
    "class_ece": Metric(
        "Class-wise ECE",
        "share",
        "lower",
        lambda p: class_ece(p.log_probabilities, p.labels),
        stands_in=CALIBRATION + OFFERED,
        digits=4,
    ),
    "class_ece_15": Metric(
        "Class-wise ECE, 15 bins",
        "share",
        "lower",
        lambda p: class_ece(p.log_probabilities, p.labels, FINE),
        digits=4,
    ),
    "nll_scaled": Metric("NLL, scaled", "nats", "lower", lambda p: nll(p.scaled.log_probabilities, p.labels)),
    "scaling_temperature": Metric(
        "Scaling T", "", None, lambda p: p.scaled.temperature, stands_in=CALIBRATION, digits=2
    ),
    "human_ce": Metric(
        "Human CE",
        "nats",
        "lower",
        lambda p: cross_entropy(p.answers, p.log_probabilities),
        HUMAN,
        heading="human CE",
        published="human_kld",
    ),
    "human_kl": Metric("Human KL", "nats", "lower", lambda p: kl(p.answers, p.log_probabilities), HUMAN),
    "human_entropy": Metric("Human entropy", "nats", None, lambda p: entropy(p.answers), HUMAN),
    "human_ce_scaled": Metric(
        "Human CE, scaled", "nats", "lower", lambda p: cross_entropy(p.answers, p.scaled.log_probabilities), HUMAN
    ),
    "human_ce_clipped": Metric(
        "Human CE, clipped", "nats", "lower", lambda p: cross_entropy(p.answers, p.clipped), HUMAN_EXTERNAL
    ),
    "human_zeros": Metric(
        "Zeros at human answers", "count", "lower", lambda p: zeros(p.answers, p.log_probabilities), HUMAN_EXTERNAL
    ),
    "human_kl_diagonal": Metric(
        "Human KL, own class",
        "nats",
        "lower",
        lambda p: diagonal_mean(p.human_kl_matrix),
        HUMAN,
        published="class_mean_human_kl_diagonal",
    ),
    "human_kl_off_diagonal": Metric(
        "Human KL, other classes", "nats", None, lambda p: off_diagonal_mean(p.human_kl_matrix), HUMAN
    ),
    # No better side from here on: what makes a good classifier may make a bad teacher.
    "cohesion_corrected": Metric("Cohesion", "", None, lambda p: p.corrected.cohesion, EMBEDDINGS),
    "adhesion_corrected": Metric("Adhesion", "", None, lambda p: p.corrected.adhesion, EMBEDDINGS),
    "discrimination_corrected": Metric(
        "Discrimination",
        "",
        None,
        lambda p: p.corrected.discrimination,
        EMBEDDINGS,
        stands_in=OFFERED,
        heading="D",
    ),
    "cohesion_as_printed": Metric("Cohesion, as printed", "", None, lambda p: p.as_printed.cohesion, EMBEDDINGS),
    "adhesion_as_printed": Metric("Adhesion, as printed", "", None, lambda p: p.as_printed.adhesion, EMBEDDINGS),
    "discrimination_as_printed": Metric(
        "Discrimination, as printed", "", None, lambda p: p.as_printed.discrimination, EMBEDDINGS
    ),
    "cohesion_as_published": Metric(
        "Cohesion, as published", "", None, lambda p: p.as_published.cohesion, published="cohesion"
    ),
    "adhesion_as_published": Metric(
        "Adhesion, as published", "", None, lambda p: p.as_published.adhesion, published="adhesion"
    ),
    "discrimination_as_published": Metric(
        "Discrimination, as published", "", None, lambda p: p.as_published.discrimination, published="discrimination"
    ),
    "dimensions": Metric("Dimensions", "count", None, lambda p: p.similarities.dimensions, EMBEDDINGS, digits=0),
    "dimensions_dropped": Metric(
        "Dimensions dropped", "count", None, lambda p: p.similarities.dropped, EMBEDDINGS, digits=0
    ),
    "class_separability": Metric(
        "Class separability",
        "nats",
        None,
        lambda p: class_separability(p.probabilities, p.labels),
        stands_in=OFFERED,
        heading="S_f",
        digits=2,
    ),
    "logit_sd": Metric("Logit s.d.", "", None, lambda p: logit_sd(p.log_probabilities), stands_in=OFFERED, digits=2),
    **{f"label_information_{temperature}": _information(temperature) for temperature in (1, 2, 4, 10, 20)},
    "teacher_agreement": Metric(
        "Agreement with teacher",
        "share",
        None,
        lambda p: agreement(p.logits, p.taught_by.logits),
        TEACHER,
        stands_in=FIDELITY,
        heading="agreement",
        percent=True,
    ),
    "teacher_kl": Metric(
        "KL from teacher",
        "nats",
        None,
        lambda p: teacher_student_kl(p.logits, p.taught_by.logits),
        TEACHER,
        stands_in=FIDELITY,
        heading="teacher KL",
    ),
    "teacher_kl_at_temperature": Metric(
        "KL from teacher at T",
        "nats",
        None,
        lambda p: teacher_student_kl(p.logits, *p.taught_by),
        TEACHER,
        stands_in=FIDELITY,
        digits=4,
    ),
    "teacher_stddev": Metric(
        "T.stddev",
        "",
        None,
        lambda p: mean_probability_sd(p.drawn),
        DRAWS,
        stands_in=(*FIDELITY, "figure-properties"),
        digits=5,
    ),
}
