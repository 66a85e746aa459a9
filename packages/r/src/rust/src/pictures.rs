//! Pictures: decoding, resizing, names drawn on photos, files of folders.

use std::path::Path;

use lorgnette::draw::{self, Placement};
use lorgnette::photos::{Walk, WalkOptions};
use lorgnette::picture::OpenOptions;
use lorgnette::preprocess::{Preprocessing, Preprocessor};
use lorgnette::Picture;
use savvy::{savvy, ListSexp, OwnedStringSexp, RealSexp, Sexp, StringSexp};

use crate::arrays::{self, pixels};
use crate::error::{Failure, OrFail as _};
use crate::photo::Photo;

/// Decodes a photo.
/// @noRd
#[savvy]
fn decode_photo(photo: ListSexp, ignore_orientation: bool) -> savvy::Result<Sexp> {
    Ok(pixels(&open(&photo, ignore_orientation)?)?.into())
}

/// Resizes a whole photo as TensorFlow 1 does, without keeping its aspect ratio.
/// @noRd
#[savvy]
fn resize_photo(photo: ListSexp, height: f64, width: f64) -> savvy::Result<Sexp> {
    let picture = open(&photo, false)?;
    let (height, width) = (height as usize, width as usize);
    let levels = Preprocessor::new(Preprocessing::Raw, height, width).input(&picture);
    let mut array = arrays::to_r(&levels, &[height, width, 3])?;
    // In 64 bits, so that 255 times the result is the level again.
    array.iter_mut().for_each(|value| *value /= 255.0);
    Ok(array.into())
}

/// Draws names with their probabilities on a photo.
/// @noRd
#[savvy]
fn annotate_photo(
    photo: ListSexp,
    names: StringSexp,
    probabilities: RealSexp,
    below: bool,
) -> savvy::Result<Sexp> {
    let picture = open(&photo, false)?;
    let probabilities = probabilities.iter().map(|&probability| probability as f32);
    let answers: Vec<(&str, f32)> = names.iter().zip(probabilities).collect();
    let placement = if below { Placement::Below } else { Placement::Automatic };
    Ok(pixels(&draw::annotate(&picture, &answers, placement))?.into())
}

/// Writes a photo's pixels as PNG or JPEG, by the extension.
/// @noRd
#[savvy]
fn save_photo(photo: ListSexp, path: &str) -> savvy::Result<()> {
    Ok(open(&photo, false)?.save(path).or_fail()?)
}

/// Finds the photos in folders, in the order of their paths, as the program does.
/// @noRd
#[savvy]
fn find_photos(folders: StringSexp) -> savvy::Result<Sexp> {
    let folders: Vec<&Path> = folders.iter().map(Path::new).collect();
    if let Some(missing) = folders.iter().find(|folder| !folder.is_dir()) {
        let sentence = format!("{}: there is no such folder", missing.display());
        return Err(Failure::new(sentence).into());
    }
    let walk = Walk::new(&folders, &WalkOptions::default());
    let paths: Vec<String> = walk.photos().map(|path| path.display().to_string()).collect();
    Ok(OwnedStringSexp::try_from_slice(paths)?.into())
}

fn open(photo: &ListSexp, ignore_orientation: bool) -> Result<Picture, Failure> {
    let options = OpenOptions { ignore_orientation, ..OpenOptions::default() };
    Photo::one_from_r(photo)?.open(&options).or_fail()
}
