//! `lorgnette library correct`.

use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Result, ensure};
use clap::Args;
use lorgnette_library::{Correction, Library, StoredCorrection, printable};

use super::{known_path, printable_path};
use crate::Outcome;
use crate::messages::{Messages, count};
use crate::stream::write_report;

/// Correct detections in photos; corrections stay when photos are indexed again
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Photos in the library; without any, all corrections are listed
    #[arg(value_name = "PHOTO")]
    photos: Vec<PathBuf>,

    /// A detected class that is wrong: a name or a synset
    #[arg(long, value_name = "NAME", requires = "photos")]
    wrong: Option<String>,

    /// A class that is in the photo; with --wrong, at the places where that was detected
    #[arg(long, value_name = "NAME", requires = "photos")]
    right: Option<String>,

    /// Box of the class: left, top, right, bottom as fractions of the photo
    #[arg(long, value_name = "L,T,R,B", requires = "right")]
    r#box: Option<Bounds>,

    /// Allow a name for --right that no network has
    #[arg(long, requires = "right")]
    new_name: bool,

    /// Remove all corrections of these photos
    #[arg(long, requires = "photos", conflicts_with_all = ["wrong", "right"])]
    undo: bool,
}

/// Left, top, right and bottom as fractions of a photo.
#[derive(Clone, Copy, Debug)]
struct Bounds([f64; 4]);

impl FromStr for Bounds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let sides: Vec<f64> = text.split(',').filter_map(|side| side.trim().parse().ok()).collect();
        let bounds = sides.try_into().map(Self);
        bounds.map_err(|_| "give four numbers with commas between them, such as 0,0,0.5,0.5".into())
    }
}

/// Runs the verb.
pub(super) fn run(
    arguments: &Arguments,
    library: &mut Library,
    messages: Messages,
) -> Result<Outcome> {
    if arguments.photos.is_empty() {
        return list(library);
    }
    for photo in &arguments.photos {
        let photo = &known_path(photo);
        if arguments.undo {
            let taken_back = library.uncorrect(photo)?;
            messages.note(&format_args!(
                "{}: {} taken back",
                printable_path(photo),
                count(taken_back, "correction")
            ));
            continue;
        }
        ensure!(
            arguments.wrong.is_some() || arguments.right.is_some(),
            "say what is --wrong, or what is --right"
        );
        let correction = Correction {
            wrong: arguments.wrong.clone(),
            right: arguments.right.clone(),
            bounds: arguments.r#box.map(|Bounds(bounds)| bounds),
            new_name: arguments.new_name,
        };
        library.correct(photo, &correction)?;
    }
    Ok(Outcome::Done)
}

fn list(library: &Library) -> Result<Outcome> {
    let corrections = library.corrections()?;
    write_report(|out| {
        corrections.iter().try_for_each(|StoredCorrection { photo, wrong, right }| {
            let wrong = wrong.as_ref().map(|wrong| format!("not {}", printable(wrong)));
            let right = right.as_ref().map(|right| printable(right));
            let parts: Vec<String> = [right, wrong].into_iter().flatten().collect();
            writeln!(out, "{}: {}", printable_path(photo), parts.join(", "))
        })
    })?;
    Ok(Outcome::Done)
}
