"""What a reader must know is said, and nothing of a sound study."""

import json
import math
import re

import saved_studies
from augdistill.base.files import checksum
from augdistill.report.page.warnings import study_warnings
from augdistill.results.study import SavedStudy
from made_tables import cell_of, made


def test_cautions_name_what_a_reader_must_know(tmp_path, data):
    words = ("study.blocks=1", "study.students_per_teacher=2", "study.aug=[baseline,cutmix]", "study.teacher.width=8")
    statuses = {"lenet-cutmix-s0": "diverged", "lenet-labels-s1": "collapsed", "alexnet-cutmix-s1": "missing"}
    more = ("study.teacher.optim.select=best-test", "study.distillation.teacher_weights=untrained")
    more += ("++study.arms.cutmix.teacher_optim.select=last", "study.distillation.temperature=4")
    saved = saved_studies.write_study_on(data, tmp_path, "paper", *words, *more, statuses=statuses)
    bf16 = next(place for place in saved.places if place.role == "teacher")
    manifest = saved.store.runs / bf16.folder / "manifest.json"
    changed = json.loads(manifest.read_text().replace('"precision": "fp32"', '"precision": "bf16"'))
    manifest.write_text(json.dumps({**changed, "checksum": checksum(changed)}))
    plan = saved.plan.model_copy(
        update={"skipped": {"mnist-test": "it is not in /home/me/data/MNIST/raw: expected t10k"}}
    )
    saved = SavedStudy(plan, saved.store)
    text = "\n".join(study_warnings(saved))
    assert "1 run diverged of 14: LeNet student of CutMix 1 of 2." in text
    assert "1 run collapsed of 14: LeNet student on labels only 1 of 2." in text
    assert "1 run missing of 14: AlexNet student of CutMix 1 of 2." in text
    assert "best on the TEST set (optim.select=best-test-accuracy): ResNet18." in text
    assert "in more than the strategy: study.arms gives values of their own to CutMix." in text
    assert "teachers that were never trained" in text
    assert re.search(r"differ in precision, bf16: 1 arm \(ResNet18 teacher with Baseline\); fp32: \d+ arms", text)
    assert "No evaluation on MNIST: it is not in raw: expected t10k." in text
    assert re.search(r"cinic10: 30 images; the full test fold has 70,000 \(\d+ of \d+ finished stages\)", text)
    assert "8 channels wide, the paper’s 64" in text
    assert "One block" in text
    assert "distilled at T = 4, α = 0.5, the paper’s at T = 20, α = 0.5: its printed values do not stand" in text
    table = made(saved, "Table 1")
    assert cell_of(table, ("Baseline",), "ResNet18 teacher", "CIFAR-10 acc., %").published == 0.852
    assert math.isnan(cell_of(table, ("Baseline",), "LeNet student", "CIFAR-10 acc., %").published)


def test_a_sound_study_needs_no_caution_but_that_its_test_images_are_few(tmp_path):
    saved = saved_studies.write_study(tmp_path, "study=tiny", "study.blocks=2")
    (caution,) = study_warnings(saved)
    assert "300 images, 0.33 points each" in caution
