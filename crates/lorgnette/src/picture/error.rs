//! Errors of opening, making and saving pictures.

use std::io;

use super::PictureFormat;

/// Why a picture cannot be opened, made or saved. Every message names the file, the problem and a
/// remedy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PictureError {
    /// The file cannot be read.
    #[error("{name}: cannot be read: {source}")]
    Read {
        /// The file, as the caller named it.
        name: String,
        /// The system's error.
        source: io::Error,
    },

    /// The path is a folder.
    #[error("{name}: is a folder, not a photo: name the photos inside it")]
    Folder {
        /// The folder, as the caller named it.
        name: String,
    },

    /// The path is a pipe, device or socket, which is not opened: reading it may never end.
    #[error("{name}: is a pipe or a device, neither a file nor a folder: name a photo's file")]
    NotAFile {
        /// The path, as the caller named it.
        name: String,
    },

    /// The file is empty.
    #[error("{name}: the file is empty: get a whole copy of it")]
    Empty {
        /// The file, as the caller named it.
        name: String,
    },

    /// The content is no supported picture format.
    #[error("{name}: not a picture: {what}")]
    NotAPicture {
        /// The file, as the caller named it.
        name: String,
        /// A description of the content, and a remedy.
        what: String,
    },

    /// A valid picture of an unsupported format or feature.
    #[error("{name}: {what}, which is not supported: convert it to JPEG or PNG")]
    Unsupported {
        /// The file, as the caller named it.
        name: String,
        /// The format or feature.
        what: String,
    },

    /// The header states more pixels, or the file has more bytes, than [`super::OpenOptions`]
    /// allow.
    #[error("{name}: {what}: shrink it, or raise the limit")]
    TooLarge {
        /// The file, as the caller named it.
        name: String,
        /// The size and the limit it exceeds.
        what: String,
    },

    /// The file is truncated.
    #[error("{name}: the {format} ends early: {what}; get a whole copy of it")]
    EndsEarly {
        /// The file, as the caller named it.
        name: String,
        /// Its format.
        format: PictureFormat,
        /// Where it ends.
        what: String,
    },

    /// The content violates its format.
    #[error(
        "{name}: the {format} is damaged: {what}; get another copy of it, or open and save it in \
         a picture editor"
    )]
    Damaged {
        /// The file, as the caller named it.
        name: String,
        /// Its format.
        format: PictureFormat,
        /// The decoder's message.
        what: String,
    },

    /// The decoder panicked: a bug, triggered by a damaged file.
    #[error(
        "{name}: the {format} is damaged in a way that its decoder does not foresee: get another \
         copy of it, or open and save it in a picture editor; please report it, with the file"
    )]
    Decoder {
        /// The file, as the caller named it.
        name: String,
        /// Its format.
        format: PictureFormat,
        /// The panic's message, for programmers.
        what: String,
    },

    /// The number of samples differs from the given size.
    #[error(
        "{samples} samples do not make a {width} x {height} picture of {channels} channels: \
         give width * height * {channels} of them"
    )]
    WrongLength {
        /// Width in pixels.
        width: usize,
        /// Height in pixels.
        height: usize,
        /// Samples of a pixel.
        channels: usize,
        /// Samples given.
        samples: usize,
    },

    /// The extension of the output file names no known format.
    #[error("{name}: cannot tell which format to write: end the name in .png, .jpg or .jpeg")]
    UnknownExtension {
        /// The file to write.
        name: String,
    },

    /// A side exceeds the limit of the output format.
    #[error("{name}: {width} x {height} pixels are too many for a {format}: {advice}")]
    TooLargeToSave {
        /// The file to write.
        name: String,
        /// Width in pixels.
        width: usize,
        /// Height in pixels.
        height: usize,
        /// The format.
        format: PictureFormat,
        /// A remedy.
        advice: &'static str,
    },

    /// The file cannot be written.
    #[error("{name}: cannot be written: {source}")]
    Write {
        /// The file to write.
        name: String,
        /// The system's error.
        source: io::Error,
    },
}
