"""A pack of one's own with real networks, for tests: those of `compact`, under another name and version."""

from __future__ import annotations

import shutil
from pathlib import Path

from django.conf import settings

from recognition.engine import load_pack, manifests
from recognition.engine.store import file_hash, file_path

OWN = """
name = "own"
version = "own-1"
title = "Our own"
metric = "euclidean"
dimension = 128
threshold = 0.83755
margin = 0.02
[licence]
name = "MIT"
commercial = true
acceptance = false
{files}
[detector]
kind = "mtcnn"
files = ["mtcnn-p.onnx", "mtcnn-r.onnx", "mtcnn-o.onnx"]
[recogniser]
kind = "dlib-resnet"
files = ["dlib-resnet.onnx"]
[recogniser.options]
points = [[46.6, 44.6], [100.2, 44.6], [73.7, 76.2], [48.6, 99.6], [98.9, 99.3]]
weights = [1.0, 1.0, 1.0, 1.0, 1.0]
"""


def install_own_pack(models: Path) -> Path:
    """Puts the pack below this folder of models, which need not be the one in use; returns the pack's folder."""
    load_pack("compact", cache=settings.MODELS_DIR)  # converts what is not yet
    compact, folder, files = manifests()["compact"], models / "own", ""
    folder.mkdir(parents=True)
    for file in compact.files:
        shutil.copy(file_path(settings.MODELS_DIR, compact, file), folder / file.name)
        digest = file_hash(folder / file.name)
        files += f'[[files]]\nname = "{file.name}"\nsha256 = ["{digest}"]\n'
        (folder / f"{file.name}.sha256").write_text(digest)
    (folder / "pack.toml").write_text(OWN.format(files=files))
    return folder
