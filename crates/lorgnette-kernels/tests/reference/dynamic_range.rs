use lorgnette_kernels::integer::DynamicRounding;
use lorgnette_kernels::{Buffer, ThreadPool, reference};

use crate::fixtures::{SENTINEL, TestRng};
use crate::levels::levels;

/// Rounds at every level, with one thread and with three, and returns the one result that all have.
fn rounded(how: DynamicRounding, input: &[f32]) -> Vec<f32> {
    let bits = |values: &[f32]| values.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    let mut expected = vec![SENTINEL; input.len()];
    reference::round_to_dynamic_range(how, input, &mut expected);
    for (level, threads) in levels().into_iter().flat_map(|level| [(level, 1), (level, 3)]) {
        let mut scratch = Buffer::zeroed(how.scratch_len(input.len())).unwrap();
        scratch.fill(0xA5);
        let mut actual = vec![SENTINEL; input.len()];
        how.run(level, input, &mut actual, &mut scratch, &ThreadPool::new(threads));
        assert!(bits(&actual) == bits(&expected), "{level}, {threads} threads, {how:?}");
    }
    expected
}

#[test]
fn rounding_to_a_dynamic_range_is_the_reference_s() {
    let mut rng = TestRng::new(77);
    for (row, len) in
        [(1, 5), (3, 7), (40, 400), (8192, 16384), (70_001, 140_002), (20_000, 50_000)]
    {
        let mut input = rng.floats(len);
        for is_symmetric in [false, true] {
            let how = DynamicRounding { is_symmetric, row };
            rounded(how, &input);
            let above_zero: Vec<f32> = input.iter().map(|x| x.abs()).collect();
            rounded(how, &above_zero);
        }
        // A NaN is no end of a range; an infinite range has no steps, nor one of the smallest numbers.
        input[len / 2] = f32::NAN;
        rounded(DynamicRounding { is_symmetric: false, row }, &input);
        input[len / 3] = f32::INFINITY;
        rounded(DynamicRounding { is_symmetric: true, row }, &input);
        let tiny: Vec<f32> = input.iter().map(|x| x.clamp(-1.0, 1.0) * 1e-44).collect();
        rounded(DynamicRounding { is_symmetric: false, row }, &tiny);
    }
    rounded(DynamicRounding { is_symmetric: false, row: 0 }, &[]);
}

#[test]
fn each_row_has_a_range_of_its_own() {
    let input = [-1.0, 0.3, 1.55, 0.0, 100.0, 255.0];
    let all = rounded(DynamicRounding { is_symmetric: false, row: 3 }, &input);
    assert_eq!(all[3..], [0.0, 100.0, 255.0]);
    let step = 2.55f32 / 255.0;
    for (rounded, real) in all.iter().zip(&input[..3]) {
        assert!((rounded - real).abs() <= step / 2.0 + 1e-6, "{rounded} and {real}");
    }
    let input = [-127.0, 63.4, 0.0, 0.4, -0.6, 12.0];
    let all = rounded(DynamicRounding { is_symmetric: true, row: 6 }, &input);
    assert_eq!(all[1..5], [63.0, 0.0, 0.0, -1.0]);
}

#[test]
fn zeros_stay_zeros() {
    for is_symmetric in [false, true] {
        let zeros = rounded(DynamicRounding { is_symmetric, row: 2 }, &[0.0; 4]);
        assert_eq!(zeros, [0.0; 4]);
    }
}
