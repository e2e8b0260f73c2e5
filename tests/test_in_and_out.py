"""From an empty folder, as docs/in-and-out.md says: somebody's teacher in, the student out, where there is no torch."""

import csv
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from augdistill import data
from data_files import pixels, write_image

CLASSES = ("bright", "dark")
PHOTOS = ["dataset=image-folder", "dataset.path=photos", "dataset.size=16"]
STUDENT = ["student=lenet", "optim.epochs=4", "optim.batch_size=16", "runtime.precision=fp32"]
WITHOUT_TORCH = """
import json, sys
sys.modules["torch"] = None
import numpy as np, onnxruntime
from pathlib import Path
from PIL import Image

session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
classes = json.loads(session.get_modelmeta().custom_metadata_map["class_names"])
files = sorted(Path("photos/test").glob("*/*.png"))
images = np.stack([np.asarray(Image.open(file)).transpose(2, 0, 1) for file in files])
answers = session.run(None, {"images": images})[0].argmax(1)
print(np.mean([classes[k] == file.parent.name for k, file in zip(answers, files)]))
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with bright and dark photos in train/ and test/, noise on each of them."""
    folder = tmp_path_factory.mktemp("in-and-out")
    for split, count in (("train", 24), ("test", 10)):
        for label, name in enumerate(CLASSES):
            for number in range(count):
                noise = pixels(16, 16, 3, seed=100 * label + number + (1000 if split == "test" else 0))
                values = noise // 2 + (120 if name == "bright" else 0)
                write_image(folder / "photos" / split / name / f"{number:02}.png", values.astype(np.uint8))
    return folder


def write_weights(folder: Path) -> None:
    """Save a ResNet18 of torchvision whose last layer was fitted to the photos by least squares."""
    import torchvision

    files = sorted((folder / "photos" / "train").glob("*/*.png"))
    images = np.stack([np.asarray(Image.open(file)) for file in files]).transpose(0, 3, 1, 2) / 255
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        model = torchvision.models.resnet18(weights=None, num_classes=2).eval()
    head, model.fc = model.fc, torch.nn.Identity()
    with torch.no_grad():
        features = model((torch.from_numpy(images).float() - 0.5) / 0.25).double()
        mean = features.mean(0)
        wanted = torch.tensor([[1.0, -1.0] if file.parent.name == "bright" else [-1.0, 1.0] for file in files])
        fitted = torch.linalg.lstsq(features - mean, wanted.double(), driver="gelsd").solution
        head.weight.copy_(4 * fitted.T)
        head.bias.copy_(-4 * mean @ fitted)
    model.fc = head
    torch.save(model.state_dict(), folder / "resnet18.pt")


def made_by(run_here, words: list[str], place: Path) -> str:
    """Return the last line that a command prints."""
    ran = run_here(words, place)
    assert ran.code == 0, ran.stderr
    return ran.stdout.strip().splitlines()[-1]


def test_torchvisions_weights_teach_a_lenet_that_runs_without_torch(place, run_here):
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    write_weights(place)
    own = ["mean=[0.5]", "std=[0.25]", "architecture=torchvision/resnet18", "weights=resnet18.pt"]
    told = made_by(run_here, ["import-teacher", "name=theirs", *own, *PHOTOS], place)
    assert "it teaches by distillation.teacher=theirs: outputs/runs/teacher-image-folder-photos-torchvision." in told
    told = made_by(run_here, ["distill", "distillation.teacher=theirs", *PHOTOS, *STUDENT], place)
    found = re.fullmatch(r"accuracy ([\d.]+) % on image-folder-photos-test, [\d]+ s: (outputs/runs/student-\S+)", told)
    assert found is not None, told
    assert float(found[1]) > 90
    exported = run_here(["export", found[2]], place)
    assert exported.code == 0, exported.stderr
    assert f"accuracy {found[1]} %" in exported.stdout
    path = f"outputs/exports/{Path(found[2]).name}/model.onnx"
    words = [sys.executable, "-c", WITHOUT_TORCH, path]
    ended = subprocess.run(words, cwd=place, capture_output=True, text=True, check=True)
    assert f"{100 * float(ended.stdout):.2f}" == found[1]


def test_logits_that_numpy_saved_teach_a_lenet(place, run_here):
    files = [str(file.relative_to(place / "photos/train")) for file in (place / "photos/train").glob("*/*.png")]
    with (place / "logits.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["dark", "bright", "name"])
        for name in files:  # as the file system lists them
            brightness = float(np.asarray(Image.open(place / "photos/train" / name)).mean())
            writer.writerow([128 - brightness, brightness - 128, name])
    made_by(run_here, ["import-teacher", "name=saved", "predictions=logits.csv", *PHOTOS], place)
    told = made_by(run_here, ["distill", "distillation.teacher=saved", *PHOTOS, *STUDENT], place)
    assert float(told.split()[1]) > 90
    manifest = json.loads((place / told.split()[-1] / "manifest.json").read_text())
    assert manifest["provenance"]["parents"]["teacher"].startswith("teacher-image-folder-photos-outputs-saved-")
    evaluated = run_here(["evaluate", "all=true"], place)
    assert evaluated.code == 0, evaluated.stderr
    assert "teacher-image-folder-photos-outputs" not in evaluated.stdout


@pytest.mark.slow
def test_timms_weights_teach_a_student_and_a_study_asks_both_imported_teachers(place, run_here):
    """One by weights of timm, one by outputs; the study's page has an arm of each."""
    timm = pytest.importorskip("timm")
    digits = ["dataset=digits", "dataset.size=16"]
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        model = timm.create_model("resnet10t", num_classes=10)
    fit_last_layer(model, *digits_of(place, "train"))
    save_file(model.state_dict(), place / "resnet10t.safetensors")
    weights = ["architecture=timm/resnet10t", "weights=resnet10t.safetensors", "size=32", "mean=[0.5]", "std=[0.25]"]
    told = made_by(run_here, ["import-teacher", "name=of-timm", *weights, *digits, "runtime.precision=fp32"], place)
    assert "it teaches by distillation.teacher=of-timm: outputs/runs/teacher-digits-timm.resnet10t-of-timm-" in told
    _, labels = digits_of(place, "train")
    np.save(place / "logits.npy", 4.0 * np.eye(10)[labels])
    made_by(run_here, ["import-teacher", "name=saved-digits", "predictions=logits.npy", *digits], place)

    words = ["study=tiny", "study.imported=[of-timm,saved-digits]", "study.blocks=2", "study.costs=true"]
    words.append("study.runtime.precision=fp32")  # a layer fitted to random features leans on every digit
    ran = run_here(["study", *words], place)
    assert ran.code == 0, ran.stderr
    page = (place / "outputs/studies/tiny/report/index.html").read_text()
    results = pd.read_csv(place / "outputs/studies/tiny/report/results.csv")
    accuracies = results[(results.metric == "accuracy") & (results.test_set == "digits-test")]
    of_students = accuracies[accuracies.role == "student"].groupby("teacher_aug").value.count()
    assert of_students[["of-timm", "saved-digits"]].tolist() == [2, 2]
    of_teachers = accuracies[accuracies.role == "teacher"].groupby("teacher_aug").value.count()
    assert "saved-digits" not in of_teachers  # whose images of the test set nobody asked about
    images, labels = digits_of(place, "test")
    own = float((model_logits(model, images).argmax(1) == labels).mean())
    (found,) = {*accuracies[(accuracies.role == "teacher") & (accuracies.teacher_aug == "of-timm")].value}
    assert found == pytest.approx(own, abs=1e-6)
    for name in ("of-timm", "saved-digits", "resnet10t"):
        assert name in page


def digits_of(place: Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the images, uint8 [N,1,16,16], and labels of a split of the digits."""
    found = data.load("digits", split, root=place, cache=place / "outputs" / "cache", size=16)
    return np.array(found.images), np.array(found.labels)


def model_logits(model: torch.nn.Module, images: np.ndarray) -> np.ndarray:
    """Return what a model of timm says of grey images, enlarged and normalised as its teacher would be."""
    pixels = torch.from_numpy(images).float().expand(-1, 3, -1, -1) / 255
    seen = torch.nn.functional.interpolate((pixels - 0.5) / 0.25, (32, 32), mode="bilinear", align_corners=False)
    with torch.no_grad():
        return np.asarray(model.eval()(seen))


def fit_last_layer(model: torch.nn.Module, images: np.ndarray, labels: np.ndarray) -> None:
    """Fit the last layer of a model of timm by least squares on its features of the images."""
    head, model.fc = model.fc, torch.nn.Identity()
    features = model_logits(model, images).astype(np.float64)
    mean, wanted = features.mean(0), np.eye(10)[labels]
    fitted = np.linalg.lstsq(features - mean, wanted - wanted.mean(0), rcond=1e-6)[0]
    with torch.no_grad():
        head.weight.copy_(torch.from_numpy(8 * fitted.T))
        head.bias.copy_(torch.from_numpy(8 * (wanted.mean(0) - mean @ fitted)))
    model.fc = head
