//! The part of HDF5 that Keras writes, read in place: groups of both styles, contiguous, compact
//! and chunked datasets, attributes of numbers and texts (HDF5 File Format Specification 3.0,
//! <https://docs.hdfgroup.org/>).
//!
//! ```text
//! bytes ─▶ superblock ─▶ object headers (header) ─┬─▶ links (group)
//!                                                 ├─▶ attributes (attribute), texts (heap)
//!                                                 └─▶ datasets (dataset): slices, or inflated
//! ```
//! A file may have other bytes in front: that is how it lies in a ZIP archive.
//!
//! # Memory
//! Names, links and attributes take at most 1 MiB and 16 times the file; so do chunks that are put
//! together, with 64 MiB. A contiguous dataset takes nothing. All of it is within the limit of
//! [`memory`](crate::memory), too.

mod attribute;
mod cursor;
mod dataset;
mod group;
mod header;
mod heap;

use std::cell::Cell;
use std::collections::BTreeMap;

use bytes::Bytes;

use crate::memory::Meter;

use self::cursor::Cursor;
pub(crate) use self::dataset::Dataset;
use self::header::Message;

/// A sentence that says what is damaged or not read.
pub(crate) type Damage = String;

const SIGNATURE: &[u8] = b"\x89HDF\r\n\x1a\n";
/// The address that stands for none.
const UNDEFINED: u64 = u64::MAX;

/// An HDF5 file.
#[derive(Debug)]
pub(crate) struct Hdf5 {
    bytes: Bytes,
    root: u64,
    /// Bytes of headers and names that may still be visited. Damaged files have loops.
    work: Cell<usize>,
    names: Meter,
}

/// A group or a dataset.
#[derive(Debug)]
pub(crate) struct Object<'f> {
    file: &'f Hdf5,
    messages: Vec<Message>,
}

/// Returns true if a file begins as HDF5 files do.
pub(crate) fn is_hdf5(bytes: &[u8]) -> bool {
    bytes.starts_with(SIGNATURE)
}

impl Hdf5 {
    /// Reads the superblock.
    ///
    /// # Errors
    /// If the bytes are no HDF5 file, or of a form that is not read.
    pub(crate) fn open(bytes: Bytes) -> Result<Self, Damage> {
        if !is_hdf5(&bytes) {
            return Err("it does not begin as HDF5 files do".into());
        }
        let work = Cell::new(bytes.len().saturating_mul(16).saturating_add(1 << 20));
        let names = Meter::new("the names and attributes in it");
        let mut file = Self { bytes, root: UNDEFINED, work, names };
        file.root = file.root_address()?;
        Ok(file)
    }

    fn root_address(&self) -> Result<u64, Damage> {
        let mut cursor = self.at(SIGNATURE.len() as u64)?;
        let version = cursor.u8()?;
        let sizes = match version {
            0 | 1 => {
                cursor.skip(4)?;
                [cursor.u8()?, cursor.u8()?]
            }
            2 | 3 => [cursor.u8()?, cursor.u8()?],
            _ => return Err(format!("version {version} of its superblock is not known")),
        };
        if sizes != [8, 8] {
            return Err("its addresses have not eight bytes, which is not read".into());
        }
        match version {
            0 | 1 => {
                // Reserved, two ranks, flags; version 1 has one more rank.
                cursor.skip(if version == 0 { 9 } else { 13 })?;
                self.check_base(cursor.u64()?)?;
                // Free space, end of file, driver, and the root's name.
                cursor.skip(32)?;
                cursor.u64()
            }
            _ => {
                cursor.skip(1)?;
                self.check_base(cursor.u64()?)?;
                // Extension and end of file.
                cursor.skip(16)?;
                cursor.u64()
            }
        }
    }

    fn check_base(&self, base: u64) -> Result<(), Damage> {
        if base == 0 { Ok(()) } else { Err("its addresses are shifted, which is not read".into()) }
    }

    /// Returns the root group.
    ///
    /// # Errors
    /// If its header is damaged.
    pub(crate) fn root(&self) -> Result<Object<'_>, Damage> {
        self.object(self.root)
    }

    /// Returns the datasets in the groups below `start`, by their paths from there.
    ///
    /// # Errors
    /// If a header is damaged; if groups contain one another.
    pub(crate) fn datasets(&self, start: &str) -> Result<BTreeMap<String, Object<'_>>, Damage> {
        let mut found = BTreeMap::new();
        let mut waiting = Vec::from_iter(self.find(start)?.map(|object| (String::new(), object)));
        while let Some((path, object)) = waiting.pop() {
            if object.is_dataset() {
                found.insert(path, object);
                continue;
            }
            for link in group::links(self, &object.messages)? {
                let path = match path.as_str() {
                    "" => link.name,
                    path => format!("{path}/{}", link.name),
                };
                self.spend(path.len())?;
                waiting.push((path, self.object(link.address)?));
            }
        }
        Ok(found)
    }

    /// Returns the group or dataset at `path`; `None` if it does not exist.
    ///
    /// # Errors
    /// If a header on the way is damaged.
    pub(crate) fn find(&self, path: &str) -> Result<Option<Object<'_>>, Damage> {
        let mut object = self.root()?;
        for name in path.split('/').filter(|name| !name.is_empty()) {
            match object.child(name)? {
                Some(child) => object = child,
                None => return Ok(None),
            }
        }
        Ok(Some(object))
    }

    fn object(&self, address: u64) -> Result<Object<'_>, Damage> {
        Ok(Object { file: self, messages: header::messages(self, address)? })
    }

    /// Returns a cursor from an address to the end of the file.
    fn at(&self, address: u64) -> Result<Cursor, Damage> {
        let start = usize::try_from(address).ok().filter(|&start| start <= self.bytes.len());
        let start = start.ok_or_else(|| format!("an address of {address} is beyond its end"))?;
        Ok(Cursor::new(self.bytes.slice(start..)))
    }

    /// Returns `length` bytes at an address.
    fn slice(&self, address: u64, length: u64) -> Result<Bytes, Damage> {
        let length = usize::try_from(length).map_err(|_| "a length beyond its end")?;
        self.at(address)?.take(length)
    }

    /// Counts bytes that are visited.
    fn spend(&self, bytes: usize) -> Result<(), Damage> {
        let left = self.work.get().checked_sub(bytes);
        self.work.set(left.ok_or("it has more names than fit into a file of its size")?);
        // A name is in several lists, each of which grows.
        self.names.add(4 * bytes as u64).map_err(|error| error.to_string())
    }
}

impl<'f> Object<'f> {
    fn is_dataset(&self) -> bool {
        self.messages.iter().any(|message| message.kind == header::kind::LAYOUT)
    }

    /// Returns what is in a group, by name; nothing for a dataset.
    ///
    /// # Errors
    /// As [`Hdf5::datasets`].
    pub(crate) fn children(&self) -> Result<BTreeMap<String, Object<'f>>, Damage> {
        let links = group::links(self.file, &self.messages)?;
        links.into_iter().map(|link| Ok((link.name, self.file.object(link.address)?))).collect()
    }

    /// Returns what a group calls `name`.
    ///
    /// # Errors
    /// If the group is damaged or of a form that is not read.
    fn child(&self, name: &str) -> Result<Option<Object<'f>>, Damage> {
        let links = group::links(self.file, &self.messages)?;
        let link = links.into_iter().find(|link| link.name == name);
        link.map(|link| self.file.object(link.address)).transpose()
    }

    /// Returns the texts of the attribute `name`; `None` if there is none.
    ///
    /// # Errors
    /// If it is damaged, or has no texts.
    pub(crate) fn texts(&self, name: &str) -> Result<Option<Vec<String>>, Damage> {
        let attribute = attribute::find(self.file, &self.messages, name)?;
        attribute.map(|attribute| heap::texts(self.file, &attribute)).transpose()
    }

    /// Returns the dataset; `None` for a group.
    ///
    /// # Errors
    /// If it is damaged, or of a form that is not read.
    pub(crate) fn dataset(&self) -> Result<Option<Dataset>, Damage> {
        dataset::dataset(self.file, &self.messages)
    }
}
