//! Comparisons and their numbers.

use super::super::scan::{Kind, Token};
use super::super::{Comparison, Count, QueryError, Sign};
use super::Parser;

const SHARE: &str = "a number from 0 to 1, or with a percent sign: 0.2 or 20%";

impl Parser<'_> {
    /// Whether a comparison is next.
    pub(super) fn compares(&mut self) -> bool {
        let before = self.scanner;
        let found = self.sign();
        self.scanner = before;
        found.is_some()
    }

    /// `[sign] share`; without a sign it is the least.
    pub(super) fn comparison(&mut self) -> Result<Comparison, QueryError> {
        let sign = self.sign().unwrap_or(Sign::AtLeast);
        Ok(Comparison { sign, value: self.share()? })
    }

    /// `[sign] whole number`
    pub(super) fn count(&mut self) -> Result<Count, QueryError> {
        let sign = self.sign().unwrap_or(Sign::Equal);
        let Token { kind, span } = self.scanner.next()?;
        let value = match kind {
            Kind::Word(word) => word.parse().ok(),
            _ => None,
        };
        let value = value.ok_or_else(|| self.error(span, "a whole number is missing here: count >= 2"))?;
        Ok(Count { sign, value })
    }

    /// The least similarity.
    pub(super) fn threshold(&mut self) -> Result<f64, QueryError> {
        let before = self.scanner;
        match self.sign() {
            None | Some(Sign::More | Sign::AtLeast) => self.share(),
            Some(_) => {
                self.scanner = before;
                Err(self.error_here("a similarity has a least value: like cat.jpg > 0.7"))
            }
        }
    }

    fn sign(&mut self) -> Option<Sign> {
        let mut ahead = self.scanner;
        if let Ok(Token { kind: Kind::Sign(sign), .. }) = ahead.next() {
            self.scanner = ahead;
            return Some(sign);
        }
        const WORDS: [([&str; 2], Sign); 4] = [
            (["more", "than"], Sign::More),
            (["less", "than"], Sign::Less),
            (["at", "least"], Sign::AtLeast),
            (["at", "most"], Sign::AtMost),
        ];
        WORDS.iter().find(|(words, _)| self.scanner.take_words(words)).map(|&(_, sign)| sign)
    }

    fn share(&mut self) -> Result<f64, QueryError> {
        let Token { kind, span } = self.scanner.next()?;
        let Kind::Word(word) = kind else { return Err(self.error(span, format!("here goes {SHARE}"))) };
        let (digits, mut percent) = word.strip_suffix('%').map_or((word, false), |digits| (digits, true));
        percent |= self.scanner.take_one(&["%", "percent"]);
        let decimal = digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        let number: Option<f64> = digits.parse().ok().filter(|_| decimal);
        let share = number.map(|number| if percent { number / 100.0 } else { number });
        share
            .filter(|share| (0.0..=1.0).contains(share))
            .ok_or_else(|| self.error(span, format!("this is not {SHARE}")))
    }
}
