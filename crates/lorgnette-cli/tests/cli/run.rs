//! `lorgnette run`: tensors in, tensors out.

use lorgnette::net::{Tensor, npy};

use crate::program::{Folder, lorgnette};

const MODEL: &str = "mobilenet_v1_1.0_224";
const ANSWER: &str = "MobilenetV1/Predictions/Softmax";

/// A folder with an input, `x.npy`, of the network's shape.
fn folder() -> Folder {
    let shape = [1, 224, 224, 3];
    let values =
        (0..shape.iter().product()).map(|i: usize| (i % 255) as f32 / 127.5 - 1.0).collect();
    Folder::new().with("x.npy", &npy::write(&Tensor::from_f32(&shape, values)))
}

#[test]
fn tensors_are_fed_and_fetched_by_name() {
    let folder = folder();
    let feed = format!("input:0={}", folder.text("x.npy"));
    let answer = format!("{ANSWER}:0");
    let ended = lorgnette(&[
        "run",
        MODEL,
        "--feed",
        &feed,
        "--fetch",
        &answer,
        "input",
        "--out",
        &folder.text("out"),
    ]);
    assert_eq!((ended.code, ended.out.as_str()), (Some(0), ""), "{}", ended.err);
    assert!(ended.err.contains("[1, 1001] F32"), "{}", ended.err);
    let read = |name: &str| npy::read(&std::fs::read(folder.path(name)).unwrap()).unwrap();
    let probabilities = read("out/MobilenetV1_Predictions_Softmax_0.npy");
    assert_eq!(probabilities.shape(), [1, 1001]);
    assert!((probabilities.to_f32().iter().sum::<f32>() - 1.0).abs() < 1e-4);
    assert_eq!(read("out/input.npy").bytes(), read("x.npy").bytes());
}

#[test]
fn what_is_wrong_is_named() {
    let folder = folder();
    let feed = format!("input={}", folder.text("x.npy"));
    let missing = format!("input={}", folder.text("nope.npy"));
    let no_tensor = format!("input={}", env!("CARGO_BIN_EXE_lorgnette"));
    let refused = |feed: &str, fetch: &str| {
        let ended = lorgnette(&[
            "run",
            MODEL,
            "--feed",
            feed,
            "--fetch",
            fetch,
            "--out",
            &folder.text("out"),
        ]);
        assert_eq!(ended.code, Some(2));
        ended.err
    };
    assert!(refused(&feed, "nope").contains("there is no node 'nope'"));
    assert!(refused(&missing, ANSWER).contains("nope.npy: cannot be read"));
    assert!(refused(&no_tensor, ANSWER).contains("not an .npy file"));
    assert!(refused("input", ANSWER).contains("NAME=FILE.npy"));
}
