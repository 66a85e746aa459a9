//! Pictures of the library's photos: reduced, upright, without anything else of the file.

use std::collections::{HashMap, VecDeque};
use std::path::Path;

use bytes::Bytes;
use lorgnette::picture::OpenOptions;

use crate::failure::{Failure, Outcome};

/// Quality of pictures.
const QUALITY: u8 = 82;
/// Maximum bytes of pictures that are kept.
const MAX_BYTES: usize = 32 << 20;

/// A picture of a photo as it was at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) photo: i64,
    /// When the file was changed, as the library knows it.
    pub(super) modified: i64,
    pub(super) side: usize,
}

/// Pictures that were made; the oldest go first.
#[derive(Default)]
pub(super) struct Cache {
    pictures: HashMap<Key, Bytes>,
    order: VecDeque<Key>,
    bytes: usize,
}

impl Cache {
    pub(super) fn get(&self, key: &Key) -> Option<Bytes> {
        self.pictures.get(key).cloned()
    }

    pub(super) fn put(&mut self, key: Key, picture: Bytes) {
        let added = picture.len();
        if added > MAX_BYTES || self.pictures.insert(key, picture).is_some() {
            return;
        }
        self.order.push_back(key);
        self.bytes += added;
        while self.bytes > MAX_BYTES {
            let Some(oldest) = self.order.pop_front() else { break };
            self.bytes -= self.pictures.remove(&oldest).map_or(0, |picture| picture.len());
        }
    }
}

/// Reads a photo and returns it as a JPEG whose longer side is at most `side`.
///
/// # Errors
/// If the file is gone or is no photo.
pub(super) fn reduced(path: &Path, side: usize, open: &OpenOptions) -> Outcome<Bytes> {
    // A pipe in the place of a photo would be waited for.
    if !path.is_file() {
        return Err(Failure::not_found(format!("{}: the file is gone", path.display())));
    }
    let options = OpenOptions { min_decode_size: Some([side, side]), ..open.clone() };
    let picture = options.open(path)?;
    let scale = side as f64 / picture.width().max(picture.height()) as f64;
    let reduced =
        if scale < 1.0 { picture.scaled(scale).to_jpeg(QUALITY) } else { picture.to_jpeg(QUALITY) };
    Ok(reduced?.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_pictures_go_first() {
        let mut cache = Cache::default();
        let key = |photo| Key { photo, modified: 0, side: 480 };
        let picture = Bytes::from(vec![0; MAX_BYTES / 3]);
        (0..4).for_each(|photo| cache.put(key(photo), picture.clone()));
        assert_eq!(cache.get(&key(0)), None);
        assert!((1..4).all(|photo| cache.get(&key(photo)).is_some()));
        assert!(cache.bytes <= MAX_BYTES);
        cache.put(key(9), Bytes::from(vec![0; MAX_BYTES + 1]));
        assert_eq!(cache.get(&key(9)), None);
    }

    #[test]
    fn only_files_are_read() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(reduced(folder.path(), 64, &OpenOptions::default()).is_err());
        assert!(reduced(&folder.path().join("gone.jpg"), 64, &OpenOptions::default()).is_err());
        let text = folder.path().join("text.jpg");
        std::fs::write(&text, "no photo").expect("a file");
        assert!(reduced(&text, 64, &OpenOptions::default()).is_err());
    }
}
