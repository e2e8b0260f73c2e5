"""What cannot be trained is refused before any work: a model of its images, a last batch of one, damaged test sets."""

from pathlib import Path

import numpy as np
import pytest

from augdistill.base.errors import DataError, ModelError
from augdistill.stages import teacher
from augdistill.stages.refusals import another, validate
from core import student_config, teacher_config
from data_files import pixels, write_png

SMALL = ("teacher=resnet18", "teacher.width=4", "dataset=digits", "dataset.size=8", "dataset.validation=0")


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("batch", [1, 359])
def test_a_last_batch_of_one_is_refused_where_batch_norm_would_see_one_value(batch, precision, tmp_path: Path) -> None:
    """A ResNet18 halves its images three times: of 8 x 8 one value a channel is left. 359 x 4 + 1 = 1,437 digits."""
    words = (*SMALL, f"optim.batch_size={batch}", f"runtime.precision={precision}")
    with pytest.raises(ModelError, match=rf"images in batches of {batch} leave one: type optim\.batch_size=") as raised:
        validate(teacher_config(tmp_path, *words))
    advised = int(str(raised.value).split("optim.batch_size=")[1].split(",")[0])
    validate(teacher_config(tmp_path, *SMALL, f"optim.batch_size={advised}", f"runtime.precision={precision}"))


def test_a_last_batch_of_one_is_no_matter_for_larger_images_or_without_batch_norm(tmp_path: Path) -> None:
    recipe = ("dataset.validation=0", "optim.batch_size=359")
    larger = teacher_config(tmp_path, *SMALL, "dataset.size=16", *recipe)
    plain = student_config(tmp_path, "dataset.size=28", "student=lenet", *recipe)
    assert [validate(config).count % 359 for config in (larger, plain)] == [1, 1]


@pytest.mark.parametrize(("batch", "count"), [(359, 1437), (1, 5), (2, 3), (10, 11), (128, 129)])
def test_the_batch_that_is_advised_is_the_nearest_that_leaves_none(batch: int, count: int) -> None:
    fitting = [size for size in range(2, count + 1) if count % size != 1]
    assert another(batch, count) in fitting
    assert abs(another(batch, count) - batch) == np.abs(np.subtract(fitting, batch)).min()


@pytest.mark.parametrize("damage", ["class", "corrupt"])
def test_a_damaged_test_split_is_found_before_training(damage: str, tmp_path: Path, monkeypatch) -> None:
    root = tmp_path / "images"
    for seed, (split, name) in enumerate((split, name) for split in ("train", "test") for name in "ab" for _ in "12"):
        write_png(root / split / name / f"{seed}.png", pixels(25, 25, 3, seed=seed))
    for path in (root / "test" / "b").iterdir():
        if damage == "class":
            path.unlink()
        else:
            path.write_bytes(b"no image")
    monkeypatch.setattr(teacher, "fit", None)  # training would be a TypeError
    config = teacher_config(
        tmp_path / "outputs", "dataset=image-folder", f"dataset.path={root}", "dataset.validation=0"
    )
    with pytest.raises(DataError, match="test"):
        teacher.run(config)
    assert not list((tmp_path / "outputs").glob("runs/*/weights*"))
