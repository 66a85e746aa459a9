//! What can be wrong with a picture, by whose fault it is.

use std::io;

use super::PictureFormat;

/// Why a picture could not be opened, made or saved. Every message names the file, what is wrong
/// and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PictureError {
    /// The system would not give us the file.
    #[error("{name}: cannot be read: {source}")]
    Read {
        /// The file, as the caller named it.
        name: String,
        /// What the system said.
        source: io::Error,
    },

    /// A folder was given where a file was meant.
    #[error("{name}: is a folder, not a photo: name the photos inside it")]
    Folder {
        /// The folder, as the caller named it.
        name: String,
    },

    /// The file has no bytes.
    #[error("{name}: the file is empty: get a whole copy of it")]
    Empty {
        /// The file, as the caller named it.
        name: String,
    },

    /// The content is no picture of any kind we know.
    #[error("{name}: not a picture: {what}")]
    NotAPicture {
        /// The file, as the caller named it.
        name: String,
        /// What the content looks like, and what to do.
        what: String,
    },

    /// A sound picture of a kind we do not decode.
    #[error("{name}: {what}, which is not supported: convert it to JPEG or PNG")]
    Unsupported {
        /// The file, as the caller named it.
        name: String,
        /// The kind or the feature of it.
        what: String,
    },

    /// The header promises more pixels, or the file has more bytes, than [`super::OpenOptions`]
    /// allow.
    #[error("{name}: {what}: shrink it, or raise the limit")]
    TooLarge {
        /// The file, as the caller named it.
        name: String,
        /// The size and the limit it passes.
        what: String,
    },

    /// The file ends before its picture does.
    #[error("{name}: the {format} ends early: {what}; get a whole copy of it")]
    EndsEarly {
        /// The file, as the caller named it.
        name: String,
        /// Its format.
        format: PictureFormat,
        /// Where it ends.
        what: String,
    },

    /// The content contradicts its format.
    #[error(
        "{name}: the {format} is damaged: {what}; get another copy of it, or open and save it in a picture editor"
    )]
    Damaged {
        /// The file, as the caller named it.
        name: String,
        /// Its format.
        format: PictureFormat,
        /// What the decoder said.
        what: String,
    },

    /// The decoder itself gave up in a way it never should: our fault, though only a damaged file
    /// brings it about.
    #[error(
        "{name}: the {format} decoder failed: {what}; the file is most likely damaged: please report it, with the file"
    )]
    Decoder {
        /// The file, as the caller named it.
        name: String,
        /// Its format.
        format: PictureFormat,
        /// The decoder's last words.
        what: String,
    },

    /// Pixels that do not fill the size given with them: the caller's fault.
    #[error(
        "{samples} samples do not make a {width} x {height} RGB picture: give width * height * 3 of them"
    )]
    WrongLength {
        /// Width in pixels.
        width: usize,
        /// Height in pixels.
        height: usize,
        /// Samples given.
        samples: usize,
    },

    /// The extension of a file to write does not say which format is meant.
    #[error("{name}: cannot tell which format to write: end the name in .png, .jpg or .jpeg")]
    UnknownExtension {
        /// The file to write.
        name: String,
    },

    /// A side longer than the format to write allows.
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
        /// What to do instead.
        advice: &'static str,
    },

    /// The system would not take the file.
    #[error("{name}: cannot be written: {source}")]
    Write {
        /// The file to write.
        name: String,
        /// What the system said.
        source: io::Error,
    },
}
