//! Dates and date ranges.

use std::fmt;

/// A day of the Gregorian calendar, in the years 1 to 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day {
    /// 1 to 9999.
    pub year: u16,
    /// 1 to 12.
    pub month: u8,
    /// From 1.
    pub day: u8,
}

/// An inclusive range of days, open where a bound is `None`. At least one bound is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DateRange {
    /// The first day.
    pub from: Option<Day>,
    /// The last day.
    pub to: Option<Day>,
}

impl DateRange {
    /// Parses a year, a month (`2024-05`), a day (`2024-05-17`), two of these with `..` between
    /// them, or one after a comparator. `None` if the text is none of these.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if let Some((from, to)) = text.split_once("..") {
            let from = if from.is_empty() { None } else { Some(period(from)?.0) };
            let to = if to.is_empty() { None } else { Some(period(to)?.1) };
            let ordered = from.zip(to).is_none_or(|(from, to)| from <= to);
            return (ordered && (from.is_some() || to.is_some())).then_some(Self { from, to });
        }
        let operator_len = text.find(|c: char| !matches!(c, '<' | '>' | '=')).unwrap_or(text.len());
        let (first, last) = period(&text[operator_len..])?;
        let (from, to) = match &text[..operator_len] {
            "" | "=" => (Some(first), Some(last)),
            ">" => (Some(last.next()?), None),
            ">=" => (Some(first), None),
            "<" => (None, Some(first.previous()?)),
            "<=" => (None, Some(last)),
            _ => return None,
        };
        Some(Self { from, to })
    }

    /// Returns the range as seconds since 1970-01-01 00:00: first second, and second after the
    /// last.
    #[must_use]
    pub fn seconds(&self) -> (Option<i64>, Option<i64>) {
        const DAY: i64 = 24 * 60 * 60;
        (
            self.from.map(|day| day.since_1970() * DAY),
            self.to.map(|day| (day.since_1970() + 1) * DAY),
        )
    }
}

/// Returns the first and the last day of a year, a month or a day.
fn period(text: &str) -> Option<(Day, Day)> {
    let mut parts = text.split('-').map(number);
    let year = parts.next()??;
    let (month, day) = (parts.next(), parts.next());
    if parts.next().is_some() {
        return None;
    }
    match (month, day) {
        (None, _) => Some((Day::new(year, 1, 1)?, Day::new(year, 12, 31)?)),
        (Some(month), None) => {
            let month = u8::try_from(month?).ok()?;
            Some((Day::new(year, month, 1)?, Day::new(year, month, days_in(year, month))?))
        }
        (Some(month), Some(day)) => {
            let day = Day::new(year, u8::try_from(month?).ok()?, u8::try_from(day?).ok()?)?;
            Some((day, day))
        }
    }
}

/// Parses one to four digits.
fn number(text: &str) -> Option<u16> {
    (text.len() <= 4 && text.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| text.parse().ok())?
}

fn days_in(year: u16, month: u8) -> u8 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 => 28 + u8::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

impl Day {
    /// Returns the day; `None` if the calendar does not have it.
    #[must_use]
    pub fn new(year: u16, month: u8, day: u8) -> Option<Self> {
        let is_valid = (1..=9999).contains(&year)
            && (1..=12).contains(&month)
            && day >= 1
            && day <= days_in(year, month);
        is_valid.then_some(Self { year, month, day })
    }

    pub(super) fn next(self) -> Option<Self> {
        let Self { year, month, day } = self;
        let next_year = || Self::new(year + 1, 1, 1);
        Self::new(year, month, day + 1).or_else(|| Self::new(year, month + 1, 1)).or_else(next_year)
    }

    pub(super) fn previous(self) -> Option<Self> {
        let Self { year, month, day } = self;
        let last_day = |year, month| Self::new(year, month, days_in(year, month));
        Self::new(year, month, day - 1)
            .or_else(|| last_day(year, month - 1))
            .or_else(|| last_day(year - 1, 12))
    }

    /// Returns the days since 1970-01-01, counted in years that begin in March, so that a leap day
    /// is the last of its year (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms",
    /// `days_from_civil`).
    pub(super) fn since_1970(self) -> i64 {
        let month = i64::from(self.month);
        let year = i64::from(self.year) - i64::from(month <= 2);
        let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + i64::from(self.day) - 1;
        365 * year + year / 4 - year / 100 + year / 400 + day_of_year - 719_468
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

impl fmt::Display for DateRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(day) = self.from.filter(|_| self.from == self.to) {
            return write!(f, "date:{day}");
        }
        f.write_str("date:")?;
        self.from.map_or(Ok(()), |day| day.fmt(f))?;
        f.write_str("..")?;
        self.to.map_or(Ok(()), |day| day.fmt(f))
    }
}

#[cfg(test)]
mod tests {
    use super::{DateRange, Day};

    fn read(text: &str) -> Option<String> {
        DateRange::parse(text).map(|dates| dates.to_string())
    }

    #[test]
    fn a_year_a_month_a_day_and_spans_of_them() {
        assert_eq!(read("2024").as_deref(), Some("date:2024-01-01..2024-12-31"));
        assert_eq!(read("2024-02").as_deref(), Some("date:2024-02-01..2024-02-29"));
        assert_eq!(read("2023-2-28").as_deref(), Some("date:2023-02-28"));
        assert_eq!(read(">2023-02").as_deref(), Some("date:2023-03-01.."));
        assert_eq!(read("<2024").as_deref(), Some("date:..2023-12-31"));
        assert_eq!(read(">=2024-12-31").as_deref(), Some("date:2024-12-31.."));
        assert_eq!(read("2019..2020-06").as_deref(), Some("date:2019-01-01..2020-06-30"));
        for wrong in [
            "",
            "..",
            "2023-02-29",
            "2024-13",
            "0",
            "20245",
            "2024-1-1-1",
            "a",
            "2024..2023",
            ">",
            "=>2024",
            "+1",
            ">9999",
        ] {
            assert_eq!(DateRange::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn days_are_counted_from_1970() {
        let days = |year, month, day| Day::new(year, month, day).unwrap().since_1970();
        assert_eq!(days(1970, 1, 1), 0);
        assert_eq!(days(2000, 3, 1), 11_017);
        assert_eq!(days(2026, 11, 25), 20_782);
        assert_eq!(days(1969, 12, 31), -1);
        assert_eq!(days(2000, 2, 29) + 1, days(2000, 3, 1));
        assert_eq!(DateRange::parse("1970").unwrap().seconds(), (Some(0), Some(365 * 86_400)));
    }
}
