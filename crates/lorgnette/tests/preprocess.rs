//! A network's input equals TensorFlow's, for every style, size and depth.

#[path = "support/paths.rs"]
mod paths;

use lorgnette_oracle::{folder, json, probes, tolerance};
use paths::{repository, tests};
use std::time::Instant;

use lorgnette::picture::{OpenOptions, Picture, Pixels};
use lorgnette::preprocess::{ChannelOrder, Preprocessing, Preprocessor};
use serde_json::Value;

/// The rule of `oracle/preprocess_truth.py`.
fn made_up_sample(index: u64, count: u64, bits: u64) -> u64 {
    let noise = (index.wrapping_mul(2_654_435_761) + 12_345) % (1 << 32);
    let ramp = index * (1 << 32) / count;
    (noise / 4 + ramp * 3 / 4) >> (32 - bits)
}

fn number(value: &Value) -> usize {
    value.as_u64().expect("a number") as usize
}

fn made_up(rule: &Value) -> Picture {
    let (height, width) = (number(&rule["height"]), number(&rule["width"]));
    let (bits, channels) = (number(&rule["bits"]), number(&rule["channels"]));
    let count = (height * width * channels) as u64;
    let samples = (0..count).map(|index| made_up_sample(index, count, bits as u64));
    if channels == 1 {
        return grey_file(width, height, samples.map(|sample| sample as u8).collect());
    }
    let pixels = match bits {
        8 => Pixels::Rgb8(samples.map(|sample| sample as u8).collect()),
        _ => Pixels::Rgb16(samples.map(|sample| sample as u16).collect()),
    };
    Picture::from_pixels(width, height, pixels).unwrap()
}

/// A picture that knows it was grey has to come from a file: the plainest one, a PGM-like BMP of
/// 256 greys.
fn grey_file(width: usize, height: usize, samples: Vec<u8>) -> Picture {
    let mut bytes = Vec::new();
    let image = image::GrayImage::from_raw(width as u32, height as u32, samples).unwrap();
    image.write_to(&mut std::io::Cursor::new(&mut bytes), image::ImageFormat::Png).unwrap();
    let picture = Picture::from_bytes(&bytes, "grey").unwrap();
    assert!(picture.is_grey());
    picture
}

/// Largest difference from the probes, relative to the largest magnitude (at least 1).
fn difference(values: &[f32], probes: &[(usize, f64)]) -> f64 {
    let largest = values.iter().map(|value| f64::from(value.abs())).fold(1.0, f64::max);
    let apart = probes.iter().map(|&(place, value)| (f64::from(values[place]) - value).abs());
    apart.fold(0.0, f64::max) / largest
}

fn mean(values: &[f32]) -> f64 {
    values.iter().map(|&value| f64::from(value)).sum::<f64>() / values.len() as f64
}

fn norm(values: &[f32]) -> f64 {
    values.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt()
}

#[test]
fn small_pictures_become_what_tensorflow_makes_of_them() {
    let truth = json(&tests("preprocess_truth.json"));
    let (mut wrong, mut worst) = (Vec::new(), 0.0f64);
    for case in truth["cases"].as_array().expect("cases") {
        let preprocessing: Preprocessing =
            case["style"].as_str().expect("a style").parse().unwrap();
        let preprocess =
            Preprocessor::new(preprocessing, number(&case["height"]), number(&case["width"]));
        let input = preprocess.input(&made_up(&case["picture"]));
        let apart = difference(&input, &probes(&case["probes"]));
        let l2 = case["l2"].as_f64().expect("a norm");
        worst = worst.max(apart);
        if apart > tolerance::INPUT || (norm(&input) - l2).abs() > tolerance::INPUT * l2.max(1.0) {
            wrong.push(format!(
                "{preprocessing} {} x {} of {}: {apart:.2e}",
                case["height"], case["width"], case["picture"]
            ));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    eprintln!("worst relative difference {worst:.2e}");
}

#[test]
fn reference_photos_become_what_tensorflow_makes_of_them() {
    let Some(folder) = folder() else { return };
    let truth = json(&folder.join("reference/preprocessing.json"));
    let inputs = [
        ("vgg_224", Preprocessor::new(Preprocessing::Vgg, 224, 224)),
        ("inception_224", Preprocessor::new(Preprocessing::Inception, 224, 224)),
        ("inception_299", Preprocessor::new(Preprocessing::Inception, 299, 299)),
        ("inception_2015", Preprocessor::new(Preprocessing::Inception2015, 299, 299)),
    ];
    let mut worst = 0.0f64;
    for photo in truth["photos"].as_array().expect("photos") {
        let name = photo["photo"].as_str().expect("a name");
        let picture = Picture::open(folder.join("photos").join(name)).unwrap();
        for (key, preprocess) in &inputs {
            let input = preprocess.input(&picture);
            let apart = difference(&input, &probes(&photo[key]["probe"]));
            worst = worst.max(apart);
            assert!(apart <= tolerance::INPUT, "{name}, {key}: {apart:.2e}");
            assert!(
                (mean(&input) - photo[key]["mean"].as_f64().unwrap()).abs() < 1e-4,
                "{name}, {key}: mean"
            );
        }
    }
    eprintln!("worst relative difference {worst:.2e}");
}

#[test]
fn the_hundred_photos_have_tensorflows_mean_and_deviation() {
    let Some(folder) = folder() else { return };
    let truth = json(&folder.join("reference/photos.json"));
    let preprocess = Preprocessor::new(Preprocessing::Inception, 224, 224);
    let (mut worst, mut decoding, mut preprocessing, mut count) = (0.0f64, 0.0, 0.0, 0.0);
    for photo in truth["photos"].as_array().expect("photos") {
        let name = photo["file"].as_str().expect("a name");
        let start = Instant::now();
        let options = OpenOptions { ignore_orientation: true, ..OpenOptions::default() };
        let picture = options.open(folder.join("photos").join(name)).unwrap();
        decoding += start.elapsed().as_secs_f64();
        assert_eq!(
            (picture.height(), picture.width()),
            (number(&photo["height"]), number(&photo["width"])),
            "{name}"
        );
        let start = Instant::now();
        let input = preprocess.input(&picture);
        preprocessing += start.elapsed().as_secs_f64();
        count += 1.0;
        let average = mean(&input);
        let deviation = (norm(&input).powi(2) / input.len() as f64 - average * average).sqrt();
        let apart = (average - photo["input_mean"].as_f64().unwrap()).abs();
        let apart = apart.max((deviation - photo["input_std"].as_f64().unwrap()).abs());
        worst = worst.max(apart);
        // The reference has seven digits.
        assert!(apart < 1e-6, "{name}: mean {average}, deviation {deviation}");
    }
    let [decode, apply] = [decoding, preprocessing].map(|seconds| 1e3 * seconds / count);
    eprintln!(
        "worst difference {worst:.2e}; {decode:.2} ms to open, {apply:.2} ms to preprocess a photo"
    );
}

#[test]
fn own_constants_replace_the_styles_arithmetic() {
    let picture = Picture::from_rgb8(1, 1, vec![10, 20, 30]).unwrap();
    let mut preprocess = Preprocessor::new(Preprocessing::Raw, 1, 1);
    assert_eq!(preprocess.input(&picture), [10.0, 20.0, 30.0]);
    preprocess.mean = Some([1.0, 2.0, 3.0]);
    assert_eq!(preprocess.input(&picture), [9.0, 18.0, 27.0]);
    preprocess.scale = Some(0.5);
    assert_eq!(preprocess.input(&picture), [4.5, 9.0, 13.5]);
    preprocess.preprocessing = Preprocessing::Inception;
    preprocess.mean = None;
    assert_eq!(
        preprocess.input(&picture),
        [10.0 - 127.5, 20.0 - 127.5, 30.0 - 127.5].map(|value| value * 0.5)
    );
}

#[test]
fn a_whole_picture_is_only_normalised() {
    let picture = Picture::from_rgb8(2, 1, vec![200, 100, 50, 0, 255, 128]).unwrap();
    let (height, width, values) =
        Preprocessor::new(Preprocessing::Vgg, 224, 224).normalise_whole(&picture);
    assert_eq!((height, width), (1, 2));
    let expected =
        [200.0 - 123.68, 100.0 - 116.78, 50.0 - 103.94, -123.68, 255.0 - 116.78, 128.0 - 103.94];
    assert_eq!(values, expected);
    let (_, _, values) =
        Preprocessor::new(Preprocessing::Inception, 224, 224).normalise_whole(&picture);
    assert_eq!((values[3], values[4]), (-1.0, 1.0));
}

#[test]
fn a_network_saw_the_picture_it_was_shown() {
    let picture = Picture::open(repository("photos/chelsea.jpg")).unwrap();
    for preprocessing in Preprocessing::ALL {
        let shown = Preprocessor::new(preprocessing, 80, 120);
        let raw = match preprocessing {
            Preprocessing::Inception2015 => {
                Preprocessor::new(Preprocessing::Raw, 80, 120).input(&picture)
            }
            _ => {
                let own = Preprocessor {
                    order: ChannelOrder::Rgb,
                    mean: Some([0.0; 3]),
                    scale: Some(1.0),
                    ..shown.clone()
                };
                own.input(&picture)
            }
        };
        let saw = shown.input_image(&shown.input(&picture));
        assert_eq!((saw.width(), saw.height()), (120, 80));
        if preprocessing == Preprocessing::Cifarnet {
            continue; // Stretched: its levels are its own.
        }
        let rgb = saw.to_rgb8();
        let step = 3 / shown.channels;
        for (index, value) in raw.iter().enumerate() {
            let level = f32::from(rgb[index * step]);
            assert!((level - value).abs() <= 0.5001, "{preprocessing}: {level} for {value}");
        }
    }
}

#[test]
fn styles_have_names() {
    for preprocessing in Preprocessing::ALL {
        assert_eq!(preprocessing.to_string().parse(), Ok(preprocessing));
    }
    assert_eq!("Inception-2015".parse(), Ok(Preprocessing::Inception2015));
    let error = "opencv".parse::<Preprocessing>().unwrap_err().to_string();
    assert!(error.contains("\"opencv\"") && error.contains("inception_2015"), "{error}");
}

#[test]
fn extreme_shapes_neither_panic_nor_take_memory() {
    for (width, height) in [(1, 1), (20_000, 1), (1, 20_000), (3, 2)] {
        let picture = Picture::from_rgb8(width, height, vec![7; 3 * width * height]).unwrap();
        for preprocessing in Preprocessing::ALL {
            for (rows, columns) in [(1, 1), (224, 224), (1, 300), (300, 1)] {
                let input = Preprocessor::new(preprocessing, rows, columns).input(&picture);
                assert!(input.iter().all(|value| value.is_finite()), "{preprocessing}");
            }
        }
    }
}

/// Keras's own `preprocess_input` of one pixel, in its modes.
#[test]
fn keras_s_modes_are_its_own() {
    let picture = Picture::from_rgb8(1, 1, vec![10, 120, 250]).unwrap();
    let input = |preprocessing| Preprocessor::new(preprocessing, 1, 1).input(&picture);
    let is_near = |values: Vec<f32>, expected: [f32; 3]| {
        let apart = values.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(apart < 2e-5, "{values:?} for {expected:?}");
    };
    is_near(input(Preprocessing::Symmetric), [-0.921_568_6, -0.058_823_5, 0.960_784_3]);
    is_near(input(Preprocessing::Caffe), [146.061, 3.221, -113.68]);
    is_near(input(Preprocessing::Torch), [-1.946_656_4, 0.065_126_1, 2.552_854_3]);
    is_near(input(Preprocessing::Unit), [0.039_215_688, 0.470_588_24, 0.980_392_16]);
}

#[test]
fn blue_first_exchanges_red_and_blue_after_their_means() {
    let picture = Picture::from_rgb8(2, 1, vec![10, 20, 30, 40, 50, 60]).unwrap();
    let rgb = Preprocessor::new(Preprocessing::Vgg, 1, 2);
    let bgr = Preprocessor { order: ChannelOrder::Bgr, ..rgb.clone() };
    let swapped: Vec<f32> =
        rgb.input(&picture).chunks(3).flat_map(|rgb| [rgb[2], rgb[1], rgb[0]]).collect();
    assert_eq!(bgr.input(&picture), swapped);
    assert_eq!(
        bgr.input_image(&swapped).to_rgb8(),
        rgb.input_image(&rgb.input(&picture)).to_rgb8()
    );
    assert_eq!("BGR".parse(), Ok(ChannelOrder::Bgr));
    assert!("gbr".parse::<ChannelOrder>().is_err());
}
