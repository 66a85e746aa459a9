//! `lorgnette bench` and `lorgnette explain`: networks looked at and measured.

use crate::program::{end, lorgnette, program};

#[test]
fn bench_prints_the_fields_of_the_contract_in_their_order() {
    let ended = lorgnette(&["bench", "--seconds", "0", "--threads", "1"]).well();
    let fields = [
        "model",
        "height",
        "width",
        "batch",
        "threads",
        "precision",
        "min_ms",
        "median_ms",
        "runs",
        "load_s",
        "peak_rss_mb",
    ];
    let places: Vec<usize> =
        fields.iter().map(|field| ended.out.find(&format!("\"{field}\":")).unwrap()).collect();
    assert!(places.is_sorted(), "{}", ended.out);
    let measurement = &ended.json()[0];
    assert_eq!(
        (&measurement["model"], &measurement["precision"]),
        (&"mobilenet_v1_1.0_224".into(), &"f32".into())
    );
    assert!(measurement["min_ms"].as_f64().unwrap() <= measurement["median_ms"].as_f64().unwrap());
    assert!(measurement["runs"].as_u64().unwrap() >= 3 && measurement["threads"] == 1);
    let ended =
        lorgnette(&["bench", "mobilenet_v1_1.0_224", "--seconds", "0", "--format", "text"]).well();
    assert!(ended.out.contains("median of 3 runs"), "{}", ended.out);
}

/// Formats less than float32 are shown where they are used, and refused where the CPU has none of
/// them.
#[test]
fn formats_are_shown_and_refused() {
    let measured =
        lorgnette(&["bench", "--precision", "auto", "--weights", "int8", "--seconds", "0"])
            .well()
            .json();
    assert_eq!(
        (&measured[0]["precision"], &measured[0]["weights"]),
        (&"auto".into(), &"int8".into())
    );
    assert_eq!(
        lorgnette(&["bench", "--precision", "f32", "--seconds", "0"]).well().json()[0]["precision"],
        "f32"
    );
    let explained = lorgnette(&["explain", "--weights", "f16", "--format", "json"]).well().json();
    let steps = explained[0]["steps"].as_array().unwrap();
    let stored_as_f16: Vec<_> = steps.iter().filter(|step| step["weights"] == "f16").collect();
    assert_eq!(stored_as_f16.len(), 1, "the layer of one pixel, and no other");
    assert_eq!(
        (&stored_as_f16[0]["kernel"], &stored_as_f16[0]["precision"]),
        (&"f16 weights".into(), &"float32".into())
    );
    let refused = lorgnette(&["explain", "--precision", "bf16", "--level", "portable"]);
    assert_eq!(refused.code, Some(2));
    assert!(
        refused.err.contains("precision bf16") && refused.err.contains("auto"),
        "{}",
        refused.err
    );
}

#[test]
fn bench_makes_weights_up_where_there_is_no_file() {
    let ended = lorgnette(&[
        "bench",
        "mobilenet_v1_025",
        "--random-weights",
        "--size",
        "96",
        "--seconds",
        "0",
    ])
    .well();
    let measurement = &ended.json()[0];
    assert_eq!(
        (&measurement["model"], &measurement["height"]),
        (&"mobilenet_v1_025".into(), &96.into())
    );
    let unknown = lorgnette(&["bench", "mobilenet_v9", "--random-weights"]);
    assert_eq!(unknown.code, Some(2));
    assert!(unknown.err.contains("mobilenet_v"), "{}", unknown.err);
}

#[test]
fn explain_shows_every_step_and_their_sums() {
    let ended = lorgnette(&["explain", "--format", "json", "--time", "--threads", "2"]).well();
    let plan = &ended.json()[0];
    let steps = plan["steps"].as_array().unwrap();
    let sum = |field: &str| steps.iter().map(|step| step[field].as_u64().unwrap()).sum::<u64>();
    assert_eq!(sum("flops"), plan["total"]["flops"].as_u64().unwrap());
    // The paper has 569 million multiplications and additions.
    assert!((1_130_000_000..1_160_000_000).contains(&sum("flops")), "{}", sum("flops"));
    let shares: f64 = steps.iter().map(|step| step["share"].as_f64().unwrap()).sum();
    assert!((shares - 1.0).abs() < 1e-6);
    assert_eq!(
        (&plan["preprocessing"]["style"], &plan["classes"]),
        (&"inception".into(), &1001.into())
    );
    assert_eq!(plan["input"]["shape"], serde_json::json!([1, 224, 224, 3]));
}

/// By Winograd's forms there are fewer multiplications than in the definition; by any other float32
/// kernel as many.
#[test]
fn explain_counts_the_multiplications_that_are_done() {
    let explained = lorgnette(&[
        "explain",
        "cifarnet",
        "--random-weights",
        "--level",
        "portable",
        "--format",
        "json",
    ]);
    let plan = explained.well().json().remove(0);
    let steps = plan["steps"].as_array().unwrap();
    let (by_forms, others): (Vec<_>, Vec<_>) =
        steps.iter().partition(|step| step["kernel"].as_str().unwrap().starts_with("winograd"));
    let times = |step: &serde_json::Value, field: &str| step[field].as_u64().unwrap();
    assert!(
        others.iter().all(|step| 2 * times(step, "multiplications") == times(step, "flops")),
        "{others:?}"
    );
    // 5x5 windows on 16x16 pixels: 64 tiles of 2x2 outputs, at 36 points each.
    let multiplications: Vec<u64> =
        by_forms.iter().map(|step| times(step, "multiplications")).collect();
    assert_eq!(multiplications, [64 * 36 * 64 * 64]);
}

/// A layer that reads bf16 shows what it was chosen before, though that would read float32.
#[test]
fn explain_shows_what_bf16_was_chosen_before() {
    let explained =
        lorgnette(&["explain", "--precision", "bf16", "--level", "avx512", "--format", "json"]);
    if explained.code != Some(0) {
        assert!(
            explained.err.contains("bf16") || explained.err.contains("avx512"),
            "{}",
            explained.err
        );
        println!("this CPU has no AVX-512 BF16: {}", explained.err);
        return;
    }
    let plan = explained.json().remove(0);
    let rounded =
        plan["steps"].as_array().unwrap().iter().filter(|step| step["precision"] == "bf16");
    let has_direct_alternative = |step: &serde_json::Value| {
        let rejected = step["rejected"].as_array().unwrap();
        rejected
            .iter()
            .any(|other| other["kernel"] == "direct" && other["cost"].as_f64().unwrap() > 1.0)
    };
    assert!(
        rounded.filter(|step| has_direct_alternative(step)).count() >= 13,
        "as many as there are 1x1 layers"
    );
}

#[test]
fn explain_fits_the_terminal() {
    for width in [80, 100, 120] {
        let ended = end(program(&["explain", "--time"]).env("COLUMNS", width.to_string())).well();
        let table = ended.out.lines().skip(7);
        let widest = table.map(|line| line.chars().count()).max().unwrap();
        assert!(widest <= width, "{widest} of {width} columns:\n{}", ended.out);
        assert!(ended.out.contains("13_pointwise/Relu6"), "{}", ended.out);
    }
}

#[test]
fn explain_tells_what_the_network_takes_and_gives() {
    let ended = lorgnette(&["explain"]).well();
    for part in [
        "input 1x224x224x3",
        "preprocessing  inception",
        "1x1001",
        "1001 classes: background, tench",
        "arena",
    ] {
        assert!(ended.out.contains(part), "{part}: {}", ended.out);
    }
}
