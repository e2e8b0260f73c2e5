"""A plugin for augdistill: a strategy, a model, a student loss and a metric; its configs lie in conf/ beside this."""

from augdistill.augment import Augmentation
from augdistill.losses import StudentLoss
from augdistill.metrics.entry import Metric
from augdistill.models import Model
from augdistill.plugins import Plugin
from mypkg.adaptive_ece import adaptive_ece

plugin = Plugin(
    name="mypkg",
    version="1",  # raise it when results change: it is part of the identity of every run that uses the plugin
    strategies={"fmix": Augmentation("mypkg.fmix", "FMix", "#6a3fb5", "#b79cf2", "v")},
    models={"mlp": Model("mypkg.mlp:MLP", "MLP")},
    losses={"tempered-ce": StudentLoss("mypkg.tempered_ce", "Tempered CE")},
    metrics={
        "adaptive_ece": Metric(
            "Adaptive ECE",
            "share",
            "lower",
            lambda p: adaptive_ece(p.log_probabilities, p.labels),
            stands_in=("table-calibration",),
            heading="adaptive ECE",
        )
    },
)
