//! The embedded network quantised to int8, on photos.

use std::path::{Path, PathBuf};

use lorgnette::net::quantize::RangeRule;
use lorgnette::quantize::{Quantization, QuantizationOptions, quantize};
use lorgnette::{Classifier, Error, Model, ModelOptions, ModelRef, Picture};
use lorgnette_oracle::folder;

fn embedded() -> Model {
    Model::embedded(&ModelOptions::default()).unwrap()
}

fn pictures(folder: &Path) -> Vec<Picture> {
    let mut paths: Vec<PathBuf> =
        folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension.eq_ignore_ascii_case("jpg") || extension == "JPEG")
    });
    paths.sort();
    paths.iter().map(|path| Picture::open(path).unwrap()).collect()
}

/// The photos of this repository.
fn own_photos() -> Vec<Picture> {
    pictures(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../photos"))
}

fn reopened(quantization: &Quantization) -> Classifier {
    let bytes = quantization.bytes.clone();
    let model = Model::from_bytes(bytes, "mobilenet_int8.tflite", &ModelOptions::default());
    Classifier::new(model.unwrap()).unwrap()
}

#[test]
fn a_quantised_model_keeps_its_classes_preprocessing_and_answers() {
    let (model, photos) = (embedded(), own_photos());
    let mut seen = Vec::new();
    let mut observer = |progress: &lorgnette::Progress| {
        seen.push(progress.done);
        std::ops::ControlFlow::Continue(())
    };
    let mut options = QuantizationOptions::default();
    // One photo of four would be a quarter.
    options.min_agreement = 0.0;
    let quantization = quantize(&model, &photos, &options, &mut observer).unwrap();
    assert!(seen.len() > 3 && seen.is_sorted(), "{seen:?}");
    assert_eq!((quantization.photos, quantization.tried.len()), (photos.len(), 4));
    assert!(quantization.bytes.len() < 5 << 20, "{} bytes", quantization.bytes.len());
    assert!(!quantization.is_equalized, "ReLU6 lets no factors through");
    let (original, quantized) = (Classifier::new(model).unwrap(), reopened(&quantization));
    let (theirs, ours) = (quantized.model(), original.model());
    assert_eq!(theirs.preprocess(), ours.preprocess());
    assert_eq!(theirs.labels().len(), ours.labels().len());
    for photo in &photos {
        let best = |classifier: &Classifier| {
            let predictions = classifier.classify(photo, 5).unwrap().predictions;
            predictions.into_iter().map(|prediction| prediction.name).collect::<Vec<_>>()
        };
        let (real, found) = (best(&original), best(&quantized));
        assert!(found.contains(&real[0]), "{real:?} and {found:?}");
    }
}

#[test]
fn layers_are_kept_in_float_by_name_and_ranges_as_asked() {
    let (model, photos) = (embedded(), own_photos());
    let layer = "MobilenetV1/MobilenetV1/Conv2d_1_depthwise/Relu6";
    let mut options = QuantizationOptions::default();
    options.keep_float = [layer.to_owned()].into();
    options.range = Some(RangeRule::LeastError);
    options.min_agreement = 0.0;
    let quantization = quantize(&model, &photos, &options, &mut ()).unwrap();
    assert_eq!(quantization.range, Some(RangeRule::LeastError));
    let floats = quantization.layers.iter().filter(|layer| layer.is_float);
    assert_eq!(floats.map(|layer| layer.name.as_str()).collect::<Vec<_>>(), [layer]);
}

#[test]
fn without_photos_there_is_no_calibration() {
    let error = quantize(&embedded(), &[], &QuantizationOptions::default(), &mut ()).unwrap_err();
    assert!(matches!(error, Error::NoCalibrationPhotos), "{error}");
}

#[test]
fn the_best_class_stays_for_nearly_all_of_a_hundred_photos() {
    let Some(shared) = folder() else { return };
    let photos = pictures(&shared.join("photos"));
    let quantization =
        quantize(&embedded(), &photos, &QuantizationOptions::default(), &mut ()).unwrap();
    let float: Vec<&str> = quantization
        .layers
        .iter()
        .filter(|layer| layer.is_float)
        .map(|layer| layer.name.as_str())
        .collect();
    let Quantization { range, best_agreement, five_best_agreement, tried, .. } = &quantization;
    println!(
        "{range:?}; best {best_agreement:.3}, five best {five_best_agreement:.3}, {float:?}, \
         {tried:?}"
    );
    assert!(*best_agreement >= 0.98, "{best_agreement}");
    assert!(*five_best_agreement >= 0.9, "{five_best_agreement}");
}

#[test]
fn the_embedded_network_has_integers_of_its_own() {
    let integers = ModelOptions { integers: true, ..ModelOptions::default() };
    let model = Model::embedded(&integers).unwrap();
    assert!(model.signature().input.quantization.is_some());
    assert_eq!(model.name(), embedded().name());
    let (float, integer) = (Classifier::new(embedded()).unwrap(), Classifier::new(model).unwrap());
    let own = own_photos();
    let mut same = 0;
    for photo in &own {
        let (real, found) = (five_best(&float, photo), five_best(&integer, photo));
        // A photo of nothing that has a class may change places with the second.
        assert!(real[..2].contains(&found[0]), "{real:?} and {found:?}");
        same += usize::from(real[0] == found[0]);
    }
    assert!(same + 1 >= own.len(), "{same} of {}", own.len());
    let Some(shared) = folder() else { return };
    let (mut best, mut five, photos) = (0, 0, pictures(&shared.join("photos")));
    for photo in &photos {
        let (real, found) = (five_best(&float, photo), five_best(&integer, photo));
        best += usize::from(real[0] == found[0]);
        five += real.iter().filter(|class| found.contains(class)).count();
    }
    println!("of {} photos {best}, of their five best classes {five}", photos.len());
    assert!(best * 100 >= photos.len() * 98, "{best} of {}", photos.len());
    assert!(five * 100 >= photos.len() * 5 * 92, "{five} of {}", photos.len() * 5);
}

/// The indices of a photo's five best classes, best first.
fn five_best(classifier: &Classifier, photo: &Picture) -> Vec<usize> {
    let predictions = classifier.classify(photo, 5).unwrap().predictions;
    predictions.into_iter().map(|prediction| prediction.index).collect()
}

#[test]
fn integers_are_not_made_of_other_networks() {
    let net = lorgnette::net::zoo::find("lenet").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lenet.pb");
    Model::with_random_weights(net, &ModelOptions::default()).unwrap().write_frozen(&path).unwrap();
    let options = ModelOptions { integers: true, ..ModelOptions::default() };
    let error = ModelRef::File(path).open(&options).unwrap_err();
    assert!(matches!(error, Error::NotInIntegers { .. }), "{error}");
}
