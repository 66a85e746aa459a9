//! Shares as bars of letters.

/// Letters of the bar that stands for a probability of 1.
pub(crate) const BAR: usize = 20;
/// A letter's eighths, from one to all.
const EIGHTHS: [char; 8] = ['▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'];

/// A bar as long as the probability is large.
pub(crate) fn bar(probability: f32) -> String {
    // Casts saturate, and make nothing of NaN.
    let eighths =
        ((probability * (BAR * EIGHTHS.len()) as f32).round() as usize).min(BAR * EIGHTHS.len());
    let whole = std::iter::repeat_n('█', eighths / EIGHTHS.len());
    let rest = (eighths % EIGHTHS.len()).checked_sub(1).map(|rest| EIGHTHS[rest]);
    whole.chain(rest).collect()
}

#[cfg(test)]
mod tests {
    use super::bar;

    #[test]
    fn bars_are_as_long_as_probabilities_are_large() {
        assert_eq!(bar(0.0), "");
        assert_eq!(bar(1.0), "█".repeat(20));
        assert_eq!(bar(0.5), "█".repeat(10));
        assert_eq!(bar(0.03), "▋");
        assert_eq!(bar(f32::NAN), "");
        assert_eq!(bar(2.0).chars().count(), 20);
    }
}
