//! `lorgnette completions`: completions of verbs and options for shells.

use anyhow::Result;
use clap::Args;
use clap_complete::{Shell, generate};

use crate::Outcome;
use crate::stream::write_report;

/// Print completions of verbs and options for a shell
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The shell
    #[arg(value_name = "SHELL", value_enum)]
    shell: Shell,
}

const EXAMPLES: &str = "\
Examples:
  lorgnette completions bash > ~/.local/share/bash-completion/completions/lorgnette
  lorgnette completions zsh > ~/.zfunc/_lorgnette
      with `fpath+=~/.zfunc` in ~/.zshrc, before compinit
  lorgnette completions fish > ~/.config/fish/completions/lorgnette.fish";

/// Prints the completions.
pub(crate) fn run(arguments: &Arguments) -> Result<Outcome> {
    let mut command = crate::command_line();
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    generate(arguments.shell, &mut command, name, &mut script);
    write_report(|out| out.write_all(&script))?;
    Ok(Outcome::Done)
}
