"""What type checkers must infer; it is checked, never run."""

from pathlib import Path
from typing import Union

import lorgnette
import numpy as np
from numpy.typing import NDArray
from typing_extensions import assert_type

model = lorgnette.load("vgg_16.ckpt", size=(224, 224))
pixels = np.zeros((4, 4, 3), np.uint8)

assert_type(model, lorgnette.Model)
assert_type(model.classify("a.jpg"), Union[lorgnette.Classification, lorgnette.Failure])
assert_type(model.classify(Path("a.jpg")), Union[lorgnette.Classification, lorgnette.Failure])
assert_type(model.classify(b""), Union[lorgnette.Classification, lorgnette.Failure])
assert_type(model.classify(["a.jpg", "b.jpg"]), lorgnette.Answers[lorgnette.Classification])
assert_type(model.embed([Path("a.jpg"), b"", pixels]), lorgnette.Answers[lorgnette.Embedding])
assert_type(model.map("a.jpg"), Union[lorgnette.SegmentationMap, lorgnette.Failure])
assert_type(model.map(["a.jpg"]), lorgnette.Answers[lorgnette.SegmentationMap])
assert_type(model.blur("a.jpg", "dog"), Union[lorgnette.Blurred, lorgnette.Failure])
assert_type(model.faces(iter(["a.jpg"])), lorgnette.Answers[lorgnette.Faces])
# A failure has no names: to read them raises.
assert_type(model.classify("a.jpg").names, list[str])
assert_type(model.preprocess("a.jpg"), NDArray[np.float32])
for answer in model.classify(["a.jpg"]):
    assert_type(answer.error, Union[str, None])
assert_type(model.classify(["a.jpg"]).succeeded, list[lorgnette.Classification])
assert_type(lorgnette.Library("photos.lgn").search("cat")[0].score, float)
assert_type(lorgnette.train("photos", "out").test.accuracy, float)
