"""What must work with nothing but the wheel and numpy: bare.py FOLDER_OF_PHOTOS, in a folder to write to."""

import importlib.util
import pathlib
import subprocess
import sys
import sysconfig

import lorgnette
import numpy as np

for name in ("PIL", "pyarrow", "sklearn", "tqdm", "pandas"):
    assert importlib.util.find_spec(name) is None, f"{name} is here: this shows nothing"

photos = pathlib.Path(sys.argv[1])
model = lorgnette.load()
answers = model.classify(lorgnette.find_photos(photos), progress=True)
assert len(answers) == 4 and not answers.failures
assert answers[1].names[0] == "Egyptian cat", answers[1].names
assert len(model.embed(photos / "chelsea.jpg").values) == 1024
assert model.map(photos / "chelsea.jpg").regions
assert "data:image/jpeg" in answers._repr_html_() and len(answers.to_arrow()) == 4

random = np.random.default_rng(0)
for name, colour in (("red", (200, 40, 40)), ("blue", (40, 40, 200))):
    folder = pathlib.Path("classes") / name
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(30):
        pixels = random.normal(colour, 40, (48, 48, 3)).clip(0, 255).astype(np.uint8)
        lorgnette.save(pixels, folder / f"{number}.png")
training = lorgnette.train("classes", "classes.model", cache="cache", overwrite=True)
assert training.test.accuracy == 1.0, training

library = lorgnette.Library.create("photos.lgn")
library.index(photos, model=model)
assert library.search("cat in the middle")[0].photo.endswith("chelsea.jpg")

program = pathlib.Path(sysconfig.get_path("scripts")) / "lorgnette"
found = subprocess.run([program, "search", "cat", "-l", "--library", "photos.lgn"], capture_output=True, text=True, check=True)
assert found.stdout.strip().endswith("chelsea.jpg"), found
print("classified, mapped, searched, trained, with nothing but the wheel and numpy")
