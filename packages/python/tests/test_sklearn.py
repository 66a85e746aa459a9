"""The transformer of scikit-learn."""

import pickle

import lorgnette
import numpy as np
import pytest
from conftest import CAT, PHOTOS

pytest.importorskip("sklearn")

from lorgnette.sklearn import Features  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.utils.estimator_checks import parametrize_with_checks  # noqa: E402


@parametrize_with_checks([Features()])
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)


def test_features_are_those_of_the_model(model):
    photos = lorgnette.find_photos(PHOTOS)
    features = Features().fit_transform(photos)
    assert features.shape == (4, 1024) and features.dtype == np.float32
    assert np.array_equal(features[0], model.embed(photos[0]).values)
    names = Features().fit(photos).get_feature_names_out()
    assert names[0] == "features0" and len(names) == 1024
    column = np.array(photos, dtype=object).reshape(-1, 1)
    assert np.array_equal(Features().fit_transform(column), features)
    pixels = np.stack([lorgnette.decode(CAT)] * 2)
    assert Features().fit_transform(pixels).shape == (2, 1024)


def test_a_pipeline_learns_and_is_kept():
    random = np.random.default_rng(0)
    colours = [(200, 40, 40), (40, 40, 200)] * 10
    photos = [random.normal(colour, 40, (32, 32, 3)).clip(0, 255).astype(np.uint8) for colour in colours]
    classes = ["red", "blue"] * 10
    pipeline = make_pipeline(Features(threads=2), LogisticRegression())
    assert pipeline.fit(photos, classes).score(photos, classes) == 1
    kept = pickle.loads(pickle.dumps(pipeline))
    assert kept.predict(photos[:2]).tolist() == ["red", "blue"]
    with pytest.raises(lorgnette.LorgnetteError, match="nowhere"):
        pipeline.predict(["nowhere.jpg"])
