//! `lorgnette models pull`.

use std::env;
use std::io::IsTerminal as _;
use std::ops::ControlFlow;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use lorgnette::pull::{Event, Proxies, PullOptions, pull};
use lorgnette::{EMBEDDED_NAME, catalogue};
use lorgnette_library::short_size;

use super::model_store;
use crate::Outcome;
use crate::hints;
use crate::messages::Messages;

/// Download models from where they were published, from a mirror, or from a file
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Their names, as in `models list`
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,

    /// Use only this source: the file's address or a folder's, a file, or its folder; may be
    /// repeated
    #[arg(long, value_name = "URL|PATH")]
    from: Vec<String>,
}

const EXAMPLES: &str = "\
Examples:
  lorgnette models pull resnet_v2_50
  lorgnette models pull vgg_16 --from ~/Downloads/vgg_16_2016_08_28.tar.gz
  lorgnette models pull inception_v3 inception_v4 \\
      --from https://mirror.example/models/

What is broken off goes on the next time. LORGNETTE_MIRROR names an address or
folder to look in first. HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY are
honoured, and SSL_CERT_FILE.";

/// The environment variable with a mirror.
const MIRROR: &str = "LORGNETTE_MIRROR";

/// Downloads the models.
pub(super) fn run(arguments: &Arguments, messages: Messages) -> Result<Outcome> {
    let names = &arguments.names;
    if names.len() > 1 && arguments.from.iter().any(|from| std::path::Path::new(from).is_file()) {
        bail!("--from is one file, but {} models are named: give a folder", names.len());
    }
    let model_store = model_store()?;
    let mirrors = env::var(MIRROR).ok().filter(|mirror| !mirror.is_empty()).into_iter().collect();
    let options = PullOptions {
        from: arguments.from.clone(),
        mirrors,
        proxies: Proxies::from_env(),
        ..PullOptions::default()
    };
    let mut pulled = 0;
    for name in names {
        if name == EMBEDDED_NAME {
            messages.note(&format_args!("{name} is part of the program"));
            pulled += 1;
            continue;
        }
        let mut bar = Bar::new(messages);
        let result = catalogue::find(name).and_then(|entry| {
            pull(&entry, &model_store, &options, &mut |event: &Event<'_>| {
                bar.on_event(event);
                ControlFlow::Continue(())
            })
        });
        drop(bar);
        match result {
            Ok(model) => {
                let (how, path) = (
                    if model.already { "is here already" } else { "is here" },
                    model.path.display(),
                );
                let (bytes, sha256) =
                    (short_size(model.download_record.bytes), &model.download_record.sha256);
                messages.note(&format_args!("{name} {how}: {path}, {bytes}, SHA-256 {sha256}"));
                pulled += 1;
            }
            Err(error) => {
                let hint = hints::hint_of_pull(&error).unwrap_or_default();
                messages.error(&format_args!("{error}{hint}"));
            }
        }
    }
    super::outcome(pulled, names.len(), "pulled")
}

/// A progress bar of bytes, on a terminal.
struct Bar {
    messages: Messages,
    enabled: bool,
    bar: Option<ProgressBar>,
}

impl Bar {
    const REDRAWS_A_SECOND: u8 = 10;

    fn new(messages: Messages) -> Self {
        Self {
            messages,
            enabled: !messages.is_quiet() && std::io::stderr().is_terminal(),
            bar: None,
        }
    }

    fn on_event(&mut self, event: &Event<'_>) {
        match *event {
            Event::Trying(source) => self.messages.detail(&format_args!("from {source}")),
            Event::Received { bytes, total } if self.enabled => self.show(bytes, total),
            Event::Received { .. } => {}
            Event::Waiting { why, pause } => self.wait(why, pause),
            Event::Checking => self.clear(),
            _ => {}
        }
    }

    fn show(&mut self, bytes: u64, total: Option<u64>) {
        let bar = self.bar.get_or_insert_with(|| {
            let target = ProgressDrawTarget::stderr_with_hz(Self::REDRAWS_A_SECOND);
            let bar = ProgressBar::with_draw_target(total, target);
            let template = match total {
                Some(_) => {
                    "{wide_bar} {decimal_bytes} of {decimal_total_bytes}, {decimal_bytes_per_sec}, \
                     {eta} left"
                }
                None => "{spinner} {decimal_bytes}, {decimal_bytes_per_sec}",
            };
            // Bytes of an earlier download would distort the estimate of the remaining time.
            let style = ProgressStyle::with_template(template).expect("a sound template");
            bar.with_style(style).with_position(bytes)
        });
        bar.set_position(bytes);
    }

    fn wait(&mut self, why: &str, pause: Duration) {
        self.clear();
        self.messages.note(&format_args!("{why}; again in {} s", pause.as_secs_f32()));
    }

    fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.clear();
    }
}
