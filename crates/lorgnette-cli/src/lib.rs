//! The program `lorgnette`: pictures and TensorFlow-Slim networks on the command line.
//!
//! | topic | module |
//! |---|---|
//! | a verb's arguments and output | `verbs/`, one file each |
//! | options of every verb | `arguments` |
//! | options of what a library keeps of photos | `analysis` |
//! | `--model` | `model` |
//! | `PHOTO...` | `photos` |
//! | workers and the order of answers | `stream` |
//! | Ctrl-C during long work | `interrupt` |
//! | the option that mends an error | `hints` |
//! | files of `--picture` and `--show-input` | `output_paths` |
//!
//! Results go to standard output, everything else to standard error (`messages`, `progress`).
//!
//! [`run`] is all of it; `main.rs` and the Python package call it.

#![forbid(unsafe_code)]

mod analysis;
mod arguments;
mod bar;
mod hints;
mod html;
mod interrupt;
mod memory_limit;
mod messages;
mod model;
mod output_paths;
mod pattern;
mod photos;
mod printable;
mod progress;
mod stream;
mod table;
mod verbs;

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process;

use clap::{CommandFactory as _, FromArgMatches as _, Parser};
use console::Term;
use lorgnette::net::file::{exit_on_shortened_files, report_file_size_limit};

use self::arguments::Global;
use self::messages::Messages;
use self::verbs::Verb;

/// The command line.
#[derive(Debug, Parser)]
#[command(name = "lorgnette", version, about = ABOUT, long_about = None, after_help = EXAMPLES)]
#[command(subcommand_value_name = "VERB", subcommand_help_heading = "Verbs")]
struct Command {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    global: Global,
}

const ABOUT: &str = "Looks at pictures with TensorFlow-Slim networks, without TensorFlow.";
const EXAMPLES: &str = "\
Examples:
  lorgnette classify photo.jpg                  five names for a photo
  lorgnette classify holidays/ --format json    a folder, one JSON object a photo
  lorgnette classify cat.jpg --picture cat.png  the names drawn on the photo
  lorgnette explain --time                      the network's steps and times

Exit codes: 0, all went well; 1, some inputs failed (each said why), or a check
did; 2, wrong usage, or nothing could be done. Files in folders that are no
photos are counted, and change no code. `lorgnette VERB --help` explains a verb.";

/// The outcome of a verb that could do its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// Everything succeeded.
    Done,
    /// Some inputs failed, and each said why; or something that was asked for is left out.
    SomeFailed,
    /// All inputs failed, and each said why.
    AllFailed,
    /// Ctrl-C ended it where it can be resumed.
    Interrupted,
    /// The reader of standard output closed it before the end, as `head` does.
    StdoutClosed,
}

impl Outcome {
    /// Returns the outcome of work on so many inputs, of which some failed.
    fn of_inputs(inputs: usize, failed: usize) -> Self {
        match failed {
            0 => Self::Done,
            failed if failed < inputs => Self::SomeFailed,
            _ => Self::AllFailed,
        }
    }
}

/// Returns the definition of the command line.
fn command_line() -> clap::Command {
    Command::command()
}

/// Maximum columns of help.
const HELP_COLUMNS: usize = 80;

/// Runs the program with `arguments`, of which the first is its name, and returns its exit code.
/// `--memory-limit` holds if the executable has installed `lorgnette::net::memory`'s allocator.
/// Ends the process after help and after usage errors.
pub fn run<A: Into<OsString> + Clone>(arguments: impl IntoIterator<Item = A>) -> u8 {
    exit_on_shortened_files();
    report_file_size_limit();
    messages::set_panic_hook();
    let Command { verb, global } = parse(arguments);
    memory_limit::set(global.memory_limit);
    let messages = Messages::new(global.quiet, global.verbose);
    // A fault of the program could do nothing, too; its message is written by the hook.
    let outcome = catch_unwind(AssertUnwindSafe(|| verb.run(&global, &messages)));
    match outcome.unwrap_or(Ok(Outcome::AllFailed)) {
        Ok(Outcome::Done | Outcome::StdoutClosed) => 0,
        Ok(Outcome::SomeFailed) => 1,
        Ok(Outcome::AllFailed) => 2,
        Ok(Outcome::Interrupted) => interrupt::EXIT_CODE,
        Err(error) => {
            let message = lorgnette::error_chain(error.as_ref());
            messages.error(&format!("{message}{}", hints::hint(&error)));
            2
        }
    }
}

/// Parses the arguments; prints help and usage errors wrapped to the terminal, and ends, where
/// there is nothing to run.
fn parse<A: Into<OsString> + Clone>(arguments: impl IntoIterator<Item = A>) -> Command {
    let columns =
        Term::stdout().size_checked().map_or(HELP_COLUMNS, |(_, columns)| usize::from(columns));
    let matches =
        command_line().term_width(columns.min(HELP_COLUMNS)).try_get_matches_from(arguments);
    let command = matches.and_then(|matches| Command::from_arg_matches(&matches));
    command.unwrap_or_else(|error| exit(&error))
}

/// Prints a usage error, or help, and ends. An argument may be the name of a stranger's file.
fn exit(error: &clap::Error) -> ! {
    let message = error.render().to_string();
    let printable = printable::printable(&message);
    if printable == message {
        error.exit()
    }
    let _ = write!(io::stderr(), "{printable}");
    process::exit(error.exit_code())
}
