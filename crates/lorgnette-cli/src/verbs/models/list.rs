//! `lorgnette models list`.

use std::io::{self, Write};

use anyhow::Result;
use clap::Args;
use lorgnette::catalogue::{self, Entry};
use lorgnette::net::zoo::Cost;
use lorgnette::{EMBEDDED_NAME, ModelStore};
use lorgnette_library::{short_number, short_size};
use serde::Serialize;

use crate::Outcome;
use crate::arguments::ReportFormat;
use crate::messages::count;
use crate::stream::{write_json, write_report};
use crate::table::{Align, Fit, Table, width};

/// List the published models, and which are installed
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Only installed models
    #[arg(long)]
    installed: bool,

    /// How to write the list: a table, or one JSON object a model
    #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
    format: ReportFormat,
}

/// The columns that are dropped on narrow terminals: source, top-5, classes, size, side.
const DROPPABLE: [usize; 5] = [9, 7, 5, 1, 4];

/// The JSON of a model.
#[derive(Serialize)]
struct Row {
    name: String,
    network: &'static str,
    source: Option<String>,
    /// Size of the file, if known.
    bytes: Option<u64>,
    sha256: Option<String>,
    parameters: u64,
    macs: u64,
    side: usize,
    classes: usize,
    top1: Option<f32>,
    top5: Option<f32>,
    installed: bool,
    embedded: bool,
    path: Option<String>,
}

/// Lists the models.
pub(super) fn run(arguments: &Arguments) -> Result<Outcome> {
    let model_store = ModelStore::from_env();
    let entries = catalogue::entries();
    let here = |entry: &&Entry| {
        !arguments.installed
            || model_store
                .as_ref()
                .is_some_and(|model_store| model_store.installed(entry).is_some())
    };
    let mut rows = vec![Row::embedded()?];
    for entry in entries.iter().filter(here) {
        rows.push(Row::from_entry(entry, model_store.as_ref())?);
    }
    write_report(|out| match arguments.format {
        ReportFormat::Json => rows.iter().try_for_each(|row| write_json(out, row)),
        ReportFormat::Text => write_table(out, &rows),
    })?;
    Ok(Outcome::Done)
}

impl Row {
    fn from_entry(entry: &Entry, model_store: Option<&ModelStore>) -> Result<Self> {
        let Cost { parameters, macs, .. } = entry.net.cost(entry.published)?;
        let path = model_store.and_then(|model_store| model_store.installed(entry));
        let download_record =
            model_store.and_then(|model_store| model_store.download_record(entry));
        let there = path.as_ref().and_then(|path| Some(path.metadata().ok()?.len()));
        Ok(Self {
            name: entry.name.clone(),
            network: entry.net.name,
            source: Some(entry.published.url.into()),
            bytes: there.or(entry.published.bytes),
            sha256: download_record.map(|download_record| download_record.sha256),
            parameters,
            macs,
            side: entry.side(),
            classes: entry.net.classes,
            top1: entry.published.top1,
            top5: entry.published.top5,
            installed: path.is_some(),
            embedded: false,
            path: path.map(|path| path.display().to_string()),
        })
    }

    /// The embedded network: the published one of that name, as a frozen graph.
    fn embedded() -> Result<Self> {
        let published = catalogue::find("mobilenet_v1")?;
        let row = Self::from_entry(&published, None)?;
        Ok(Self {
            name: EMBEDDED_NAME.into(),
            source: None,
            bytes: None,
            installed: true,
            embedded: true,
            ..row
        })
    }

    fn cells(&self) -> Vec<String> {
        let percent =
            |value: Option<f32>| value.map_or("–".into(), |value| format!("{value:.1}"));
        vec![
            self.name.clone(),
            self.bytes.map_or("–".into(), short_size),
            short_number(self.parameters),
            short_number(self.macs),
            self.side.to_string(),
            self.classes.to_string(),
            percent(self.top1),
            percent(self.top5),
            if self.embedded {
                "built in"
            } else if self.installed {
                "yes"
            } else {
                "no"
            }
            .into(),
            self.source.clone().unwrap_or_default(),
        ]
    }
}

fn write_table(out: &mut dyn Write, rows: &[Row]) -> io::Result<()> {
    use Align::{Left, Right};
    let mut table = Table::new(&[
        ("name", Left),
        ("size", Right),
        ("parameters", Right),
        ("MACs", Right),
        ("side", Right),
        ("classes", Right),
        ("top-1", Right),
        ("top-5", Right),
        ("installed", Left),
        ("source", Left),
    ]);
    rows.iter().for_each(|row| table.row(row.cells()));
    let here = rows.iter().filter(|row| row.installed).count();
    let mut total = vec![String::new(); 10];
    total[0] = format!("{}, {here} here", count(rows.len(), "model"));
    table.total(total);
    table.write(out, Fit { width: width(), elastic: 0, droppable: &DROPPABLE })
}
