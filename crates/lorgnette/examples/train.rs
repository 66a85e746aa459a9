//! Trains a model on a folder of photos: `cargo run --example train -- PHOTOS MODEL`.
//!
//! `PHOTOS` has one folder of photos for each class. `MODEL` becomes a folder with the model and
//! its report, `report.html`. Photos are turned into features by the embedded MobileNet V1.

use std::env;
use std::error::Error;
use std::ops::ControlFlow;
use std::path::Path;
use std::process::ExitCode;

use lorgnette::dataset::{Dataset, Listing, ListingOptions, Split};
use lorgnette::features::Extractor;
use lorgnette::head;
use lorgnette::picture::OpenOptions;
use lorgnette::train::{Event, Existing, Trainer, TrainerOptions, TrainingFolder, TrainingResult};
use lorgnette::{Model, ModelOptions, Progress};

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [photos, model] = &arguments[..] else {
        eprintln!("usage: train PHOTOS MODEL");
        return ExitCode::from(2);
    };
    match train(Path::new(photos), Path::new(model)) {
        Ok(result) => {
            print_result(&result);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("train: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Trains on a folder of photos and writes the model's folder.
pub(crate) fn train(photos: &Path, model: &Path) -> Result<TrainingResult, Box<dyn Error>> {
    // Locked, so that a second training into the folder fails.
    let folder = TrainingFolder::open(model, Existing::Refuse)?;
    let options = TrainerOptions::new(folder);

    let listing = Listing::open(photos, &ListingOptions::default())?;
    let mut show_reading = |progress: &Progress| {
        eprint!("\rread {} of {} photos", progress.done, progress.total);
        ControlFlow::Continue(())
    };
    let dataset = Dataset::read(listing, options.threads, &mut show_reading)?;
    eprintln!();

    let network = Model::embedded(&ModelOptions::default())?;
    let extractor = Extractor::new(network, None, OpenOptions::default())?;
    Ok(Trainer::new(dataset, extractor, options).run(&mut show)?)
}

/// Prints progress. `Break` would cancel the training.
fn show(event: &Event<'_>) -> ControlFlow<()> {
    match event {
        Event::Extraction(extraction) => {
            eprint!("\rfeatures of {} of {} photos", extraction.done, extraction.total);
        }
        Event::Extracted { seconds, .. } => eprintln!(" in {seconds:.1} s"),
        Event::Usable(dataset) => {
            for rejected in &dataset.rejected {
                eprintln!("left out: {}", rejected.message);
            }
        }
        Event::Split { dataset, splits } => {
            for warning in dataset.warnings(splits) {
                eprintln!("{warning}");
            }
        }
        Event::Head(head::Event::Epoch(epoch)) => eprintln!(
            "epoch {}: validation loss {:.4}, accuracy {:.3}",
            epoch.epoch, epoch.validation_loss, epoch.validation_accuracy
        ),
        _ => {}
    }
    ControlFlow::Continue(())
}

fn print_result(result: &TrainingResult) {
    for split in Split::ALL {
        let accuracy = result.evaluation(split).accuracy();
        println!("{}: {} of {} correct", split.name(), accuracy.correct, accuracy.total);
    }
}
