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

/// Days of a month in words, from the first.
const ORDINALS: [&str; 31] = [
    "first",
    "second",
    "third",
    "fourth",
    "fifth",
    "sixth",
    "seventh",
    "eighth",
    "ninth",
    "tenth",
    "eleventh",
    "twelfth",
    "thirteenth",
    "fourteenth",
    "fifteenth",
    "sixteenth",
    "seventeenth",
    "eighteenth",
    "nineteenth",
    "twentieth",
    "twenty-first",
    "twenty-second",
    "twenty-third",
    "twenty-fourth",
    "twenty-fifth",
    "twenty-sixth",
    "twenty-seventh",
    "twenty-eighth",
    "twenty-ninth",
    "thirtieth",
    "thirty-first",
];
/// Times of day, which cannot be asked.
const TIMES_OF_DAY: [&str; 8] =
    ["night", "morning", "evening", "afternoon", "noon", "midnight", "dawn", "dusk"];
/// Two digits of a year from here on are of the last century.
const LAST_CENTURY: u16 = 30;

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
        if taken && ahead.take_one(&["by", "with"]) {
            return Err(self.error_here(format!(
                "who or what took a photo cannot be asked, only when: {ADVICE}"
            )));
        }
        let begins = taken || preposition;
        self.refuse_time_of_day(ahead, preposition)?;
        let words = ahead.words_ahead(2);
        let words: Vec<&str> = words.iter().map(|(word, _)| word.as_str()).collect();
        let uncertain = match words[..] {
            ["today" | "yesterday", ..] => true,
            ["last" | "this" | "past", unit, ..] => {
                season(unit).is_some()
                    || ["year", "month", "week", "weekend", "night", "decade"].contains(&unit)
            }
            // A Christmas stocking is none.
            ["christmas" | "easter" | "halloween" | "thanksgiving"] => begins,
            [word, ..] if is_day_or_month_first(word) => {
                self.scanner = ahead;
                return Err(self
                    .error_here(format!("which number is the day, which the month? {ADVICE}-17")));
            }
            [word, ..] => begins && (month(word).is_some() || season(word).is_some()),
            [] => false,
        };
        if !uncertain && !taken {
            return Ok(());
        }
        self.scanner = ahead;
        Err(self.error_here(format!("of which year? {ADVICE}")))
    }

    /// Refuses "at night", "in the morning" and "after 9pm"; `begins` if a preposition was read.
    fn refuse_time_of_day(
        &mut self,
        mut scanner: Scanner<'_>,
        begins: bool,
    ) -> Result<(), QueryError> {
        scanner.take_one(&["the"]);
        let is_time = |word: String| TIMES_OF_DAY.contains(&word.as_str()) || is_clock(&word);
        if !begins || !scanner.word_ahead().is_some_and(is_time) {
            return Ok(());
        }
        Err(self.error_here(format!("the time of day cannot be asked, only the date: {ADVICE}")))
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
    } else if ahead.take_one(&["after"]) || take_compared(&mut ahead, &["newer", "later"]) {
        (Some(period(&mut ahead)?.1.next()?), None)
    } else if ahead.take_one(&["before"]) || take_compared(&mut ahead, &["older", "earlier"]) {
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
        || period_in_digits(word).is_some()
        || is_day_or_month_first(word)
        || decade(word).is_some()
        || month(word).is_some()
        || season(word).is_some()
        || TAKING.contains(&word)
        || matches!(word, "since" | "after" | "before" | "until" | "till" | "between" | "during")
}

/// Returns whether a name seems to mean a date.
pub(crate) fn seems_a_date(name: &str) -> bool {
    /// Words for the age of photos; "old car" is no date.
    const AGES: [&str; 14] = [
        "old", "older", "oldest", "new", "newer", "newest", "recent", "latest", "last", "early",
        "earliest", "late", "mid", "sometime",
    ];
    let lower = name.to_lowercase();
    let mut words = lower.split(' ');
    AGES.contains(&lower.as_str())
        || words.any(|word| {
            let word = word.trim_matches(',');
            // "cat between two dogs"
            is_time_word(word) && word != "between"
                || ["today", "yesterday", "recently", "christmas", "week", "weekend"]
                    .contains(&word)
        })
}

/// Reads "older than" of one of these words.
fn take_compared(scanner: &mut Scanner<'_>, words: &[&str]) -> bool {
    words.iter().any(|word| scanner.take_words(&[word, "than"]))
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
    let mut behind = ahead;
    if behind.take_one(&["year"]) && behind.word_ahead().and_then(|word| year(&word)).is_some() {
        ahead = behind;
    }
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
    } else {
        period_in_digits(&word)?
    };
    *scanner = ahead;
    Some(period)
}

/// Returns the period of `2024`, `2024-05`, `2024/05/17`, `07/2023`, `14.07.2023`, `'22`; `None`
/// also if the day and the month could be each other.
fn period_in_digits(word: &str) -> Option<Period> {
    if word.starts_with(['\'', '’']) {
        let year = year(word)?;
        return Some((Day::new(year, 1, 1)?, Day::new(year, 12, 31)?));
    }
    if word.get(..4).and_then(year).is_some() {
        let dates = DateRange::parse(&word.replace(['/', '.'], "-"))?;
        return dates.from.zip(dates.to);
    }
    let numbers = numbers(word)?;
    match numbers[..] {
        [month, year] => whole_month(year_of(year, 4)?, u8::try_from(month).ok()?),
        [first, second, year] => {
            let is_month_first = second > 12 || first == second;
            if is_day_or_month_first(word) {
                return None;
            }
            let (day, month) = if is_month_first { (second, first) } else { (first, second) };
            let year = year_of(year, 2)?;
            let day = Day::new(year, u8::try_from(month).ok()?, u8::try_from(day).ok()?)?;
            Some((day, day))
        }
        _ => None,
    }
}

/// Returns whether a word is a date like `04/07/2023`, whose day and month could be each other;
/// with points the day comes first.
fn is_day_or_month_first(word: &str) -> bool {
    let numbers = numbers(word).unwrap_or_default();
    matches!(numbers[..], [first, second, year] if !word.contains('.')
        && first <= 12 && second <= 12 && first != second && year_of(year, 2).is_some())
}

/// Returns the two or three numbers of a date in digits, separated by equal signs.
fn numbers(word: &str) -> Option<Vec<u16>> {
    let separator = word.chars().find(|letter| ['/', '.', '-'].contains(letter))?;
    let parts: Vec<&str> = word.split(separator).collect();
    let is_number = |part: &&str| {
        (1..=4).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    let is_date = (2..=3).contains(&parts.len()) && parts.iter().all(is_number);
    is_date.then(|| parts.iter().filter_map(|part| part.parse().ok()).collect())
}

/// Returns the year of a number with at least this many digits.
fn year_of(number: u16, digits: usize) -> Option<u16> {
    match number {
        0..100 if digits <= 2 => Some(in_century(number)),
        _ => Some(number).filter(|number| YEARS.contains(number)),
    }
}

/// Returns the year that two digits mean.
fn in_century(digits: u16) -> u16 {
    if digits >= LAST_CENTURY { 1900 + digits } else { 2000 + digits }
}

/// Returns whether a word is a time, such as `9am`.
fn is_clock(word: &str) -> bool {
    let digits = word.strip_suffix("am").or_else(|| word.strip_suffix("pm"));
    digits.is_some_and(|digits| digits.parse().is_ok_and(|hour: u8| hour <= 12))
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

/// Returns the year of four digits, or of two behind an apostrophe.
fn year(text: &str) -> Option<u16> {
    if let Some(digits) = text.strip_prefix(['\'', '’']) {
        return digits.parse().ok().filter(|_| digits.len() == 2).map(in_century);
    }
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
    let digits = word.strip_suffix("'s").or_else(|| word.strip_suffix('s'))?;
    if let Some(first) = year(digits) {
        return first.is_multiple_of(10).then_some(first);
    }
    let is_number = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
    let tens: u16 =
        digits.parse().ok().filter(|tens: &u16| is_number && tens.is_multiple_of(10))?;
    Some(in_century(tens))
}

/// Holidays that have a date in every year.
#[derive(Clone, Copy, Debug)]
enum Holiday {
    Christmas,
    ChristmasEve,
    ChristmasDay,
    NewYear,
    NewYearsEve,
    NewYearsDay,
    BoxingDay,
    Easter,
    Halloween,
    Thanksgiving,
    Valentine,
}

impl Holiday {
    /// Returns the holiday that a word begins; reads the rest of its name.
    fn from_word(word: &str, scanner: &mut Scanner<'_>) -> Option<Self> {
        let holiday = match word {
            "christmas" | "xmas" => Self::Christmas,
            "easter" => Self::Easter,
            "halloween" => Self::Halloween,
            "thanksgiving" => Self::Thanksgiving,
            "boxing" if scanner.take_one(&["day"]) => Self::BoxingDay,
            "valentine's" | "valentines" | "valentine" => Self::Valentine,
            "new" if scanner.take_one(&["year", "year's", "years"]) => Self::NewYear,
            _ => return None,
        };
        Some(match holiday {
            Self::Christmas if scanner.take_one(&["eve"]) => Self::ChristmasEve,
            Self::Christmas if scanner.take_one(&["day"]) => Self::ChristmasDay,
            Self::NewYear if scanner.take_one(&["eve"]) => Self::NewYearsEve,
            Self::NewYear if scanner.take_one(&["day"]) => Self::NewYearsDay,
            _ => {
                scanner.take_one(&["eve", "day"]);
                holiday
            }
        })
    }

    /// Returns its first and last day. A new year begins with the last day of the year before.
    fn days(self, year: u16) -> Option<Period> {
        match self {
            Self::Christmas => Some((Day::new(year, 12, 24)?, Day::new(year, 12, 26)?)),
            Self::ChristmasEve => one_day(Day::new(year, 12, 24)),
            Self::ChristmasDay => one_day(Day::new(year, 12, 25)),
            Self::BoxingDay => one_day(Day::new(year, 12, 26)),
            Self::NewYearsEve => one_day(Day::new(year, 12, 31)),
            Self::NewYearsDay => one_day(Day::new(year, 1, 1)),
            Self::NewYear => Some((Day::new(year - 1, 12, 31)?, Day::new(year, 1, 1)?)),
            Self::Halloween => one_day(Day::new(year, 10, 31)),
            Self::Valentine => one_day(Day::new(year, 2, 14)),
            // The fourth Thursday of November; 1 January 1970 was a Thursday.
            Self::Thanksgiving => one_day(
                (22..=28)
                    .filter_map(|day| Day::new(year, 11, day))
                    .find(|day| day.since_1970().rem_euclid(7) == 0),
            ),
            Self::Easter => {
                let sunday = easter(year)?;
                Some((sunday.previous()?.previous()?, sunday.next()?))
            }
        }
    }
}

fn one_day(day: Option<Day>) -> Option<Period> {
    day.map(|day| (day, day))
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

/// Returns the day of a month, such as `17`, `17th` or `first`.
fn ordinal(word: &str) -> Option<u8> {
    if let Some(place) = ORDINALS.iter().position(|ordinal| *ordinal == word) {
        return Some(place as u8 + 1);
    }
    let digits = ["st", "nd", "rd", "th"].iter().find_map(|suffix| word.strip_suffix(suffix));
    digits.unwrap_or(word).parse().ok().filter(|day| (1..=31).contains(day))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thanksgiving_is_on_the_fourth_thursday_of_november() {
        for (year, day) in [(2018, 22), (2022, 24), (2023, 23), (2024, 28), (1945, 22)] {
            let day = one_day(Day::new(year, 11, day));
            assert_eq!(Holiday::Thanksgiving.days(year), day, "{year}");
        }
    }

    #[test]
    fn easter_is_on_its_sundays() {
        let sundays = [(2000, 4, 23), (2011, 4, 24), (2019, 4, 21), (2024, 3, 31), (2038, 4, 25)];
        for (year, month, day) in sundays {
            assert_eq!(easter(year), Day::new(year, month, day), "{year}");
        }
    }
}
