//! `lorgnette manual`: manual pages of all verbs.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::{Args, Command};
use clap_mangen::Man;
use lorgnette::net::write_atomically;

use crate::Outcome;
use crate::messages::{Messages, count};

/// Write a manual page for each verb
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The folder for the pages, lorgnette.1, lorgnette-classify.1 and so on
    #[arg(value_name = "DIR")]
    out: PathBuf,
}

const EXAMPLES: &str = "\
Examples:
  lorgnette manual ~/.local/share/man/man1
  man lorgnette-classify";

/// Writes the pages.
pub(crate) fn run(arguments: &Arguments, messages: Messages) -> Result<Outcome> {
    fs::create_dir_all(&arguments.out)
        .with_context(|| format!("{}: cannot be made", arguments.out.display()))?;
    let mut command = crate::command_line();
    command.build();
    let pages = write_pages(&command, &arguments.out)?;
    messages.note(&format_args!("{} in {}", count(pages, "page"), arguments.out.display()));
    Ok(Outcome::Done)
}

/// Writes the page of a command and those of its verbs; returns their number.
fn write_pages(command: &Command, folder: &Path) -> Result<usize> {
    let name = command.get_display_name().unwrap_or(command.get_name()).to_owned();
    let mut page = Vec::new();
    Man::new(command.clone()).render(&mut page)?;
    let path = folder.join(format!("{name}.1"));
    write_atomically(&path, &page)
        .with_context(|| format!("{}: cannot be written", path.display()))?;
    let mut pages = 1;
    for verb in command.get_subcommands().filter(|verb| verb.get_name() != "help") {
        pages += write_pages(verb, folder)?;
    }
    Ok(pages)
}
