//! The program, run in this process, and the faults of what it writes.

use std::io;
use std::panic;
use std::path::Path;

use serde_json::Value;

use crate::capture::{Capture, Written};

/// MiB that every run may take: the minimum of `--memory-limit`.
pub(super) const MEMORY_LIMIT: usize = 64;
/// The program's word for a panic.
const PANIC: &str = "this is a fault of the program";
/// Members of answers that are numbers, or lists of numbers. JSON has `null` for what is not
/// finite.
const NUMBERS: &[&str] = &[
    "accuracy",
    "embedding",
    "logit",
    "loss",
    "mean_probability",
    "peak_probability",
    "probability",
    "score",
    "share",
];

/// How a run ended.
pub(super) struct Ended {
    pub(super) code: u8,
    written: Written,
}

/// Runs the program with these arguments and those of every run.
pub(super) fn run(capture: &mut Capture, arguments: &[String]) -> io::Result<Ended> {
    let limit = MEMORY_LIMIT.to_string();
    let fixed = ["--threads", "1", "--memory-limit", &limit];
    let name = ["lorgnette"];
    let all = name.iter().copied().chain(arguments.iter().map(String::as_str)).chain(fixed);
    // The program has a hook of its own.
    let hook = panic::take_hook();
    let (code, written) = capture.run(|| lorgnette_cli::run(all))?;
    panic::set_hook(hook);
    Ok(Ended { code, written })
}

impl Ended {
    /// Returns what was written to standard error.
    pub(super) fn errors(&self) -> &str {
        &self.written.err
    }

    /// Returns the fault of the answer, if it has one. `place` is a folder that an error about its
    /// files names.
    pub(super) fn check(&self, place: &Path) -> Result<(), String> {
        let Written { out, err } = &self.written;
        if let Some(line) = err.lines().find(|line| line.contains(PANIC)) {
            return Err(line.into());
        }
        if self.code > 2 {
            return Err(format!("exit code {}\n{err}", self.code));
        }
        if out.contains('\u{1b}') || err.contains('\u{1b}') {
            return Err(format!("an escape code\n{out}{err}"));
        }
        let named = place.to_string_lossy();
        let is_named = [out, err].iter().any(|text| text.contains(&*named));
        if self.code != 0 && !is_named && !is_about_others(err) {
            return Err(format!("the message does not name the file\n{out}{err}"));
        }
        // The steps of a plan have shares if they were timed.
        let is_answer = !out.contains("\"steps\":");
        let values = if is_answer { out.as_str() } else { "" };
        for value in serde_json::Deserializer::from_str(values).into_iter::<Value>() {
            let Ok(value) = value else { break };
            if let Some(name) = missing_number(&value) {
                return Err(format!("a {name} that is not finite\n{out}"));
            }
        }
        Ok(())
    }
}

/// Returns whether an error is about something else than the damaged file: a model's answer, which
/// names the model and the output; the one library of `index`; a photo that a damaged list names; a
/// word of the query, which no class of a damaged library has; the sidecar of a photo whose path in
/// a damaged library is another.
fn is_about_others(errors: &str) -> bool {
    const WORDS: [&str; 6] = [
        "has values that are not finite",
        "the library",
        ": cannot be read: ",
        "is a folder, not a photo",
        "nothing here is called",
        ".xmp: ",
    ];
    WORDS.iter().any(|words| errors.contains(words))
}

/// Returns the name of a member that is `null` and should be a number.
fn missing_number(value: &Value) -> Option<&str> {
    match value {
        Value::Array(items) => items.iter().find_map(missing_number),
        Value::Object(members) => members.iter().find_map(|(name, value)| {
            if NUMBERS.contains(&name.as_str()) && is_missing(value) {
                return Some(name.as_str());
            }
            missing_number(value)
        }),
        _ => None,
    }
}

/// Returns whether a number, or one of a list, is missing.
fn is_missing(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(Value::is_null),
        value => value.is_null(),
    }
}
