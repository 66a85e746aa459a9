//! The split of TensorFlow's `retrain.py` (`create_image_lists`), for those who have models judged
//! by it.

use sha1::{Digest as _, Sha1};

/// `MAX_NUM_IMAGES_PER_CLASS`: 2²⁷ - 1.
const MOST: u32 = (1 << 27) - 1;

/// Where a path stands, in per cent: below the validation percentage it is validation, then test,
/// then training. What follows `_nohash_` does not count.
pub(super) fn percentage(path: &str) -> f64 {
    let counted = path.split_once("_nohash_").map_or(path, |(before, _)| before);
    let digest: [u8; 20] = Sha1::digest(counted.as_bytes()).into();
    // The digest as one large number, modulo 2²⁷: its last bits.
    let last = u32::from_be_bytes([digest[16], digest[17], digest[18], digest[19]]) & MOST;
    f64::from(last) * (100.0 / f64::from(MOST))
}

#[cfg(test)]
mod tests {
    use super::percentage;

    #[test]
    fn percentages_are_those_of_python() {
        // int(hashlib.sha1(b"flowers/daisy/a.jpg").hexdigest(), 16) % 2**27 * (100.0 / (2**27 - 1))
        for (path, missing) in EXPECTED {
            assert!((percentage(path) - missing).abs() < 1e-9, "{path}: {}", percentage(path));
        }
        assert_eq!(
            percentage("flowers/daisy/a_nohash_1.jpg"),
            percentage("flowers/daisy/a_nohash_2.jpg")
        );
    }

    const EXPECTED: [(&str, f64); 2] = [
        ("flowers/daisy/a.jpg", 7.922_613_679_786_128),
        ("flowers/tulips/b.jpg", 76.406_743_946_721_73),
    ];
}
