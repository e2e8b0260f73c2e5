"""From an empty folder, as docs/in-and-out.md says: somebody's teacher in, the student out, where there is no torch."""

import csv
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

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
