//! Mutations of inputs, for tests of parsers.

/// Calls `check` with `count` mutants of `seed`: bytes changed, removed, repeated, always the same.
pub(crate) fn mutations(seed: &[u8], count: usize, mut check: impl FnMut(&[u8])) {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 33) as usize % below.max(1)
    };
    for _ in 0..count {
        let mut mutant = seed.to_vec();
        for _ in 0..1 + random(4) {
            let at = random(mutant.len());
            match random(4) {
                0 if !mutant.is_empty() => mutant[at] = random(256) as u8,
                1 if !mutant.is_empty() => drop(mutant.remove(at)),
                2 => mutant.truncate(at),
                _ => {
                    let end = at + random(mutant.len() - at + 1);
                    let part = mutant[at..end].to_vec();
                    mutant.splice(at..at, part);
                }
            }
        }
        check(&mutant);
    }
}
