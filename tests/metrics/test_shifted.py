"""Numbers under shift are called after the metric that they are of."""

from augdistill.metrics.shifted import SHIFTED, entry_under


def test_a_number_under_shift_has_the_words_of_its_metric():
    assert entry_under("accuracy[fog]").label == "Accuracy, Fog"
    assert entry_under("ece[4]").label == "ECE, 4/255"
    assert entry_under("transfer_accuracy[8]").percent
    assert entry_under("auroc_msp") is SHIFTED["auroc_msp"]
    assert entry_under("fpr95_knn").better == "lower"
    assert entry_under("class_accuracy[cat]") is None
    assert entry_under("accuracy") is None
