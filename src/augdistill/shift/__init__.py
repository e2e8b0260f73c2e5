"""Images as models did not learn them: the corruptions of Hendrycks & Dietterich (2019), made here, and attacks.

This file says what there is without torch; the modules hold the functions, tensors in, tensors out.
"""

from dataclasses import dataclass

SEVERITIES = (1, 2, 3, 4, 5)
VERSION = 1  # of the made corruptions: raised when one of them gives other images


@dataclass(frozen=True)
class Corruption:
    """One line of the table: the module with the function of its name, what it is called, and its kind."""

    module: str
    label: str
    kind: str


CORRUPTIONS: dict[str, Corruption] = {
    "gaussian_noise": Corruption("noise", "Gaussian noise", "noise"),
    "shot_noise": Corruption("noise", "Shot noise", "noise"),
    "impulse_noise": Corruption("noise", "Impulse noise", "noise"),
    "defocus_blur": Corruption("blur", "Defocus", "blur"),
    "glass_blur": Corruption("blur", "Glass", "blur"),
    "motion_blur": Corruption("blur", "Motion", "blur"),
    "zoom_blur": Corruption("blur", "Zoom", "blur"),
    "snow": Corruption("weather", "Snow", "weather"),
    "frost": Corruption("weather", "Frost", "weather"),
    "fog": Corruption("weather", "Fog", "weather"),
    "brightness": Corruption("weather", "Brightness", "weather"),
    "contrast": Corruption("digital", "Contrast", "digital"),
    "elastic_transform": Corruption("digital", "Elastic", "digital"),
    "pixelate": Corruption("digital", "Pixelate", "digital"),
    "jpeg_compression": Corruption("digital", "JPEG", "digital"),
}
EXTRA: dict[str, str] = {  # of the published files alone, which their authors keep for validation
    "speckle_noise": "Speckle noise",
    "gaussian_blur": "Gaussian blur",
    "spatter": "Spatter",
    "saturate": "Saturate",
}
LABELS = {name: corruption.label for name, corruption in CORRUPTIONS.items()} | EXTRA
