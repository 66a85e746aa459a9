//! What the tests against TensorFlow have in common: the tolerance, in its one place, and where the references are.

#![allow(dead_code, unreachable_pub)] // Each test uses its part.

use std::path::PathBuf;

/// How far an activation may be from TensorFlow's, as a share of the tensor's largest magnitude
/// (`shared/reference/README.md`).
pub const TOLERANCE: f32 = 1e-4;

/// The largest difference as a share of the largest magnitude; infinite where one side is not finite and the other
/// differs.
pub fn relative_error(wanted: &[f32], found: &[f32]) -> f32 {
    let largest = wanted.iter().filter(|v| v.is_finite()).fold(f32::MIN_POSITIVE, |a, v| a.max(v.abs()));
    let differ = |(a, b): (&f32, &f32)| match (a - b).abs() {
        _ if a == b || (a.is_nan() && b.is_nan()) => 0.0,
        d if d.is_nan() => f32::INFINITY,
        d => d,
    };
    wanted.iter().zip(found).map(differ).fold(0.0, f32::max) / largest
}

/// The folder of references beside the project, or `None` with a visible line.
pub fn shared_folder() -> Option<PathBuf> {
    let beside = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared"));
    let folder = std::env::var_os("LORGNETTE_SHARED").map_or(beside, PathBuf::from);
    if folder.join("reference").is_dir() {
        return Some(folder);
    }
    println!("skipped: ../shared is not there");
    None
}
