//! Weights and pictures made up by rule, the same in every language
//! (`shared/reference/reference_rule.py`): a pure function of a tensor's name and an element's
//! index, so that no weights of large networks need to be stored.

/// FNV-1a, 64 bits.
fn fnv1a64(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |h, byte| (h ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

/// Numbers in 0 to 1, 24 bits each: splitmix64 seeded with the name's hash.
pub fn uniform(name: &str) -> impl Iterator<Item = f64> {
    let mut state = fnv1a64(name);
    std::iter::repeat_with(move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 40) as f64 / f64::from(1u32 << 24)
    })
}

/// The value of a checkpoint variable; `None` if the rule has nothing for the last part of its
/// name.
pub fn variable(name: &str, shape: &[usize]) -> Option<Vec<f32>> {
    let count = shape.iter().product();
    let product = |dims: &[usize]| dims.iter().product::<usize>() as f64;
    let spread = |fan_in: f64| (-(6.0 / fan_in).sqrt(), 2.0 * (6.0 / fan_in).sqrt());
    let (low, width) = match name.rsplit('/').next()? {
        "weights" | "pointwise_weights" => spread(product(&shape[..shape.len() - 1])),
        "depthwise_weights" => spread(product(&shape[..2])),
        "gamma" => (0.9, 0.2),
        "beta" | "biases" | "moving_mean" => (-0.1, 0.2),
        "moving_variance" => (0.5, 1.0),
        _ => return None,
    };
    Some(uniform(name).take(count).map(|u| (low + width * u) as f32).collect())
}

/// An input picture (or several), from −1 to 1.
pub fn image(shape: &[usize]) -> Vec<f32> {
    uniform("input").take(shape.iter().product()).map(|u| (2.0 * u - 1.0) as f32).collect()
}

/// The places of a tensor of `count` elements that its reference file has values of.
pub fn probe_places(name: &str, count: usize) -> Vec<usize> {
    uniform(&format!("probe/{name}")).take(8).map(|u| (u * count as f64) as usize).collect()
}
