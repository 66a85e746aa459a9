//! Probabilities as bars of characters.

/// Length in characters of the bar for probability 1.
pub(crate) const BAR: usize = 20;
/// One to eight eighths of a character.
const EIGHTHS: [char; 8] = ['▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'];

/// Draws a bar whose length is proportional to the probability.
pub(crate) fn bar(probability: f32) -> String {
    // Casts saturate, and turn NaN into 0.
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
