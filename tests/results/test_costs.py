"""What the networks of a study cost is read once for each, the teachers' first."""

import saved_studies


def test_each_network_stands_once_with_the_arms_that_have_it(tmp_path):
    saved = saved_studies.write_study(tmp_path, "study=quickstart", "study.blocks=1", "study.corruptions=[]")
    assert [(one.role, one.model, one.variant) for one in saved.costs] == [
        ("teacher", "resnet9", ""),
        ("student", "lenet", ""),
        ("student", "alexnet-small", ""),
    ]
    teacher, lenet, _ = saved.costs
    assert [arm[2] for arm in teacher.arms] == saved.augs
    assert {arm[2] for arm in lenet.arms} == {*saved.augs, "labels"}
    assert (lenet.manifest.macs, lenet.hardware) == (651_720, "a processor")


def test_a_network_of_another_width_is_another_and_a_study_that_does_not_ask_has_none(tmp_path, controls):
    grid = "study.grids=[{student.channels: [8]}]"
    words = ("study=quickstart", "study.blocks=1", "study.corruptions=[]", "study.students=[alexnet-small]", grid)
    found = saved_studies.write_study(tmp_path, *words).costs
    named = [(one.model, one.variant) for one in found]
    assert named == [("resnet9", ""), ("alexnet-small", ""), ("alexnet-small", "student.channels=8")]
    assert controls.costs == []
