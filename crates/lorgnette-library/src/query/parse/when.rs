//! Dates in words: "in June 2024", "from summer 2022", "between 2019 and 2021".

use super::super::dates::{DateRange, Day};
use super::super::scan::Scanner;
use super::{Parser, QueryError};

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
/// Seasons of the northern half of the Earth, with their first months; autumn has two names.
const SEASONS: [(&str, u8); 5] =
    [("spring", 3), ("summer", 6), ("autumn", 9), ("fall", 9), ("winter", 12)];
/// Words before a date that say that the photo was taken then.
const TAKING: [&str; 6] = ["taken", "made", "shot", "captured", "dated", "photographed"];
/// Years that are taken for years.
const YEARS: std::ops::RangeInclusive<u16> = 1800..=2199;

const ADVICE: &str = "write in June 2024, from summer 2022, or date:2024-06";

/// The first and the last day of a year, season, month or day.
type Period = (Day, Day);

impl Parser<'_> {
    /// Reads a date in words, if one is next.
    ///
    /// # Errors
    /// If one begins that is not of a certain year.
    pub(super) fn date_in_words(&mut self) -> Result<Option<DateRange>, QueryError> {
        if let Some((dates, after)) = period_ahead(&self.scanner) {
            self.scanner = after;
            return Ok(Some(dates));
        }
        self.refuse_uncertain_date().map(|()| None)
    }

    /// Refuses a date without a year, such as "in June", or one that counts from today.
    pub(super) fn refuse_uncertain_date(&mut self) -> Result<(), QueryError> {
        let mut ahead = self.scanner;
        if period_ahead(&ahead).is_some() {
            return Ok(());
        }
        let taken = ahead.take_one(&TAKING);
        let preposition =
            ahead.take_one(&["in", "on", "at", "from", "during", "since", "before", "after"]);
        let begins = taken || preposition;
        let words = ahead.words_ahead(2);
        let words: Vec<&str> = words.iter().map(|(word, _)| word.as_str()).collect();
        let uncertain = match words[..] {
            ["today" | "yesterday", ..] => true,
            ["last" | "this" | "past", unit, ..] => {
                season(unit).is_some() || ["year", "month", "week", "weekend"].contains(&unit)
            }
            // A Christmas stocking is none.
            ["christmas" | "easter" | "halloween"] => begins,
            [word, ..] => begins && (month(word).is_some() || season(word).is_some()),
            [] => false,
        };
        if !uncertain && !taken {
            return Ok(());
        }
        self.scanner = ahead;
        Err(self.error_here(format!("of which year? {ADVICE}")))
    }
}

/// Returns the date in words that is next, with the scanner after it.
pub(super) fn period_ahead<'a>(scanner: &Scanner<'a>) -> Option<(DateRange, Scanner<'a>)> {
    let mut ahead = *scanner;
    let by_whom = ["i", "we"].iter().any(|who| {
        let mut ahead_of_verb = ahead;
        let found = ahead_of_verb.take_one(&[who]) && ahead_of_verb.take_one(&["took", "made"]);
        ahead = if found { ahead_of_verb } else { ahead };
        found
    });
    if !by_whom {
        ahead.take_one(&TAKING);
    }
    let (from, to) = if ahead.take_one(&["since"]) {
        (Some(period(&mut ahead)?.0), None)
    } else if ahead.take_one(&["after"]) {
        (Some(period(&mut ahead)?.1.next()?), None)
    } else if ahead.take_one(&["before"]) {
        (None, Some(period(&mut ahead)?.0.previous()?))
    } else if ahead.take_one(&["until", "till"]) {
        (None, Some(period(&mut ahead)?.1))
    } else if ahead.take_one(&["between"]) {
        let (from, to) = span(&mut ahead, &["and"])?;
        (Some(from), Some(to))
    } else {
        let from = ahead.word_ahead().is_some_and(|word| word == "from");
        take_preposition(&mut ahead);
        let spanned = if from { span(&mut ahead, &["to", "until", "till"]) } else { None };
        let (from, to) = spanned.or_else(|| period(&mut ahead))?;
        (Some(from), Some(to))
    };
    Some((DateRange { from, to }, ahead))
}

/// Returns whether a word is part of dates.
pub(super) fn is_time_word(word: &str) -> bool {
    // "2024-05" and "2024"
    let is_year = word.get(..4).and_then(year).is_some();
    is_year
        || decade(word).is_some()
        || month(word).is_some()
        || season(word).is_some()
        || TAKING.contains(&word)
        || matches!(word, "since" | "after" | "before" | "until" | "till" | "between" | "during")
}

/// Returns whether a name seems to mean a date.
pub(crate) fn seems_a_date(name: &str) -> bool {
    /// Words for the age of photos; "old car" is no date.
    const AGES: [&str; 11] = [
        "old", "older", "oldest", "new", "newer", "newest", "recent", "latest", "last", "early",
        "earliest",
    ];
    let lower = name.to_lowercase();
    let mut words = lower.split(' ');
    AGES.contains(&lower.as_str())
        || words.any(|word| {
            let word = word.trim_matches(',');
            is_time_word(word) || ["today", "yesterday", "recently", "christmas"].contains(&word)
        })
}

fn take_preposition(scanner: &mut Scanner<'_>) -> bool {
    scanner.take_one(&["in", "on", "from", "during", "of"])
}

/// Reads two periods with one of these words between them: the first and the last day. The first
/// may be a month that leaves out its year: "from June to August 2024".
fn span(scanner: &mut Scanner<'_>, joints: &[&str]) -> Option<Period> {
    let mut ahead = *scanner;
    let complete = period(&mut ahead);
    let first_month = match complete {
        Some(_) => None,
        None => Some(month(&next_word(&mut ahead)?)?),
    };
    if !ahead.take_one(joints) {
        return None;
    }
    let (_, last) = period(&mut ahead)?;
    let first = match (complete, first_month) {
        (Some((first, _)), _) => first,
        (None, Some(month)) if month <= last.month => Day::new(last.year, month, 1)?,
        (None, month) => Day::new(last.year - 1, month?, 1)?,
    };
    (first <= last).then(|| {
        *scanner = ahead;
        (first, last)
    })
}

/// Reads a year, season, month or day.
fn period(scanner: &mut Scanner<'_>) -> Option<Period> {
    let mut ahead = *scanner;
    ahead.take_one(&["the"]);
    let word = next_word(&mut ahead)?;
    let period = if let Some(first_month) = season(&word) {
        ahead.take_one(&["of"]);
        let year = next_year(&mut ahead)?;
        let next_year = if first_month == 12 { year + 1 } else { year };
        let last_month = (first_month + 1) % 12 + 1;
        (Day::new(year, first_month, 1)?, whole_month(next_year, last_month)?.1)
    } else if let Some(month) = month(&word) {
        month_and_more(&mut ahead, month)?
    } else if let Some(day) = ordinal(&word) {
        ahead.take_one(&["of"]);
        let month = month(&next_word(&mut ahead)?)?;
        let day = Day::new(next_year(&mut ahead)?, month, day)?;
        (day, day)
    } else if let Some(first) = decade(&word) {
        (Day::new(first, 1, 1)?, Day::new(first + 9, 12, 31)?)
    } else if let Some(holiday) = Holiday::from_word(&word, &mut ahead) {
        ahead.take_one(&["of"]);
        holiday.days(next_year(&mut ahead)?)?
    } else if word.get(..4).and_then(year).is_some() {
        DateRange::parse(&word).and_then(|dates| dates.from.zip(dates.to))?
    } else {
        return None;
    };
    *scanner = ahead;
    Some(period)
}

/// Reads what follows a month: a year, or a day and a year.
fn month_and_more(scanner: &mut Scanner<'_>, month: u8) -> Option<Period> {
    let mut ahead = *scanner;
    ahead.take_one(&["of"]);
    if let Some(year) = next_year(&mut ahead) {
        *scanner = ahead;
        return whole_month(year, month);
    }
    let day = ordinal(&next_word(scanner)?)?;
    let day = Day::new(next_year(scanner)?, month, day)?;
    Some((day, day))
}

fn next_word(scanner: &mut Scanner<'_>) -> Option<String> {
    let word = scanner.word_ahead()?;
    // It is a word.
    let _ = scanner.next();
    Some(word)
}

fn next_year(scanner: &mut Scanner<'_>) -> Option<u16> {
    let mut ahead = *scanner;
    ahead.take_comma();
    let year = year(&next_word(&mut ahead)?)?;
    *scanner = ahead;
    Some(year)
}

fn whole_month(year: u16, month: u8) -> Option<Period> {
    let dates = DateRange::parse(&format!("{year}-{month}"))?;
    dates.from.zip(dates.to)
}

fn year(text: &str) -> Option<u16> {
    let is_number = text.len() == 4 && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|year| is_number && YEARS.contains(year))
}

/// Returns the number of a month by its name or its first three letters.
fn month(word: &str) -> Option<u8> {
    let word = word.strip_suffix('.').unwrap_or(word);
    let position = MONTHS.iter().position(|name| {
        *name == word || name[..3] == *word || word == "sept" && *name == "september"
    });
    position.map(|number| number as u8 + 1)
}

/// Returns the first month of a season.
fn season(word: &str) -> Option<u8> {
    SEASONS.iter().find(|(name, _)| *name == word).map(|&(_, month)| month)
}

/// Returns the first year of a decade: 1990 of `1990s` and `90s`.
fn decade(word: &str) -> Option<u16> {
    /// Two digits from here on are of the last century.
    const LAST_CENTURY: u16 = 30;
    let digits = word.strip_suffix("'s").or_else(|| word.strip_suffix('s'))?;
    if let Some(first) = year(digits) {
        return first.is_multiple_of(10).then_some(first);
    }
    let is_number = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
    let tens: u16 =
        digits.parse().ok().filter(|tens: &u16| is_number && tens.is_multiple_of(10))?;
    Some(if tens >= LAST_CENTURY { 1900 + tens } else { 2000 + tens })
}

/// Holidays that have a date in every year.
#[derive(Clone, Copy, Debug)]
enum Holiday {
    Christmas,
    NewYear,
    Easter,
    Halloween,
}

impl Holiday {
    /// Returns the holiday that a word begins; reads the rest of its name.
    fn from_word(word: &str, scanner: &mut Scanner<'_>) -> Option<Self> {
        let holiday = match word {
            "christmas" | "xmas" => Self::Christmas,
            "easter" => Self::Easter,
            "halloween" => Self::Halloween,
            "new" if scanner.take_one(&["year", "year's", "years"]) => Self::NewYear,
            _ => return None,
        };
        scanner.take_one(&["eve", "day"]);
        Some(holiday)
    }

    /// Returns its first and last day. The new year's eve is in the year before.
    fn days(self, year: u16) -> Option<Period> {
        match self {
            Self::Christmas => Some((Day::new(year, 12, 24)?, Day::new(year, 12, 26)?)),
            Self::NewYear => Some((Day::new(year - 1, 12, 31)?, Day::new(year, 1, 1)?)),
            Self::Halloween => Some((Day::new(year, 10, 31)?, Day::new(year, 10, 31)?)),
            Self::Easter => {
                let sunday = easter(year)?;
                Some((sunday.previous()?.previous()?, sunday.next()?))
            }
        }
    }
}

/// Returns Easter Sunday of the Gregorian calendar, by the rule of Butcher (1876).
fn easter(year: u16) -> Option<Day> {
    let year = u32::from(year);
    let golden = year % 19;
    let (century, rest) = (year / 100, year % 100);
    let corrected = (century + 8) / 25;
    let epact = (19 * golden + century - century / 4 - (century - corrected + 1) / 3 + 15) % 30;
    let weekday = (32 + 2 * (century % 4) + 2 * (rest / 4) - epact - rest % 4) % 7;
    let late = (golden + 11 * epact + 22 * weekday) / 451;
    let number = epact + weekday + 114 - 7 * late;
    Day::new(year as u16, (number / 31) as u8, (number % 31 + 1) as u8)
}

/// Returns the day of a month, such as `17` or `17th`.
fn ordinal(word: &str) -> Option<u8> {
    let digits = ["st", "nd", "rd", "th"].iter().find_map(|suffix| word.strip_suffix(suffix));
    digits.unwrap_or(word).parse().ok().filter(|day| (1..=31).contains(day))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn easter_is_on_its_sundays() {
        let sundays = [(2000, 4, 23), (2011, 4, 24), (2019, 4, 21), (2024, 3, 31), (2038, 4, 25)];
        for (year, month, day) in sundays {
            assert_eq!(easter(year), Day::new(year, month, day), "{year}");
        }
    }
}
