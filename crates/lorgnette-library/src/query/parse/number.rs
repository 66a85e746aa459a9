//! Comparisons and their numbers.

use super::super::scan::{Token, TokenKind};
use super::super::{Comparator, Comparison, Count, QueryError};
use super::Parser;

const SHARE: &str = "a number from 0 to 1, or with a percent sign: 0.2 or 20%";

impl Parser<'_> {
    /// Returns whether a comparison is next.
    pub(super) fn comparison_follows(&mut self) -> bool {
        let before = self.scanner;
        let comparator = self.comparator();
        self.scanner = before;
        comparator.is_some()
    }

    /// `[comparator] share`; a value without a comparator is the minimum.
    pub(super) fn comparison(&mut self) -> Result<Comparison, QueryError> {
        let comparator = self.comparator().unwrap_or(Comparator::GreaterOrEqual);
        Ok(Comparison { comparator, value: self.share()? })
    }

    /// `[comparator] integer`
    pub(super) fn count(&mut self) -> Result<Count, QueryError> {
        let comparator = self.comparator().unwrap_or(Comparator::Equal);
        let Token { kind, span } = self.scanner.next()?;
        let value = match kind {
            TokenKind::Word(word) => word.parse().ok(),
            _ => None,
        };
        let value =
            value.ok_or_else(|| self.error(span, "a whole number is missing here: count >= 2"))?;
        Ok(Count { comparator, value })
    }

    /// Parses the minimum similarity.
    pub(super) fn threshold(&mut self) -> Result<f64, QueryError> {
        let before = self.scanner;
        match self.comparator() {
            None | Some(Comparator::Greater | Comparator::GreaterOrEqual) => self.share(),
            Some(_) => {
                self.scanner = before;
                Err(self.error_here("a similarity has a least value: like cat.jpg > 0.7"))
            }
        }
    }

    fn comparator(&mut self) -> Option<Comparator> {
        let mut ahead = self.scanner;
        if let Ok(Token { kind: TokenKind::Comparator(comparator), .. }) = ahead.next() {
            self.scanner = ahead;
            return Some(comparator);
        }
        const WORDS: [([&str; 2], Comparator); 4] = [
            (["more", "than"], Comparator::Greater),
            (["less", "than"], Comparator::Less),
            (["at", "least"], Comparator::GreaterOrEqual),
            (["at", "most"], Comparator::LessOrEqual),
        ];
        WORDS
            .iter()
            .find(|(words, _)| self.scanner.take_words(words))
            .map(|&(_, comparator)| comparator)
    }

    fn share(&mut self) -> Result<f64, QueryError> {
        let Token { kind, span } = self.scanner.next()?;
        let TokenKind::Word(word) = kind else {
            return Err(self.error(span, format!("here goes {SHARE}")));
        };
        let (digits, mut percent) =
            word.strip_suffix('%').map_or((word, false), |digits| (digits, true));
        percent |= self.scanner.take_one(&["%", "percent"]);
        let decimal = digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        let number: Option<f64> = digits.parse().ok().filter(|_| decimal);
        let share = number.map(|number| if percent { number / 100.0 } else { number });
        share
            .filter(|share| (0.0..=1.0).contains(share))
            .ok_or_else(|| self.error(span, format!("this is not {SHARE}")))
    }
}
