//! Finds the files of a checkpoint from any of its paths.

use std::ffi::OsString;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::table::{Table, is_table};
use super::{archive, format_error, state};
use crate::error::{Choice, Error, Result};
use crate::file::{open_regular, read_regular};
use crate::names::nearest;

/// Maximum bytes of a `checkpoint` file, which lists a few paths.
const MAX_STATE_BYTES: u64 = 1 << 20;

/// The files of one checkpoint.
pub(super) enum Files {
    /// V1: one file, or the shards of one.
    TensorSlices(Vec<PathBuf>),
    /// V2: the index, and the common prefix of the shards.
    Bundle { index: PathBuf, prefix: PathBuf },
}

impl Files {
    /// Returns the common prefix of the files, as it was given to the saver.
    pub(super) fn prefix(&self) -> PathBuf {
        match self {
            Self::Bundle { prefix, .. } => prefix_of(prefix).unwrap_or_else(|| prefix.clone()),
            Self::TensorSlices(files) => {
                let first = files.first().cloned().unwrap_or_default();
                let sharded =
                    first.file_name().and_then(|name| name.to_str()).and_then(parse_shard_name);
                sharded.map_or(first.clone(), |(name, ..)| first.with_file_name(name))
            }
        }
    }
}

/// Finds the checkpoint at `path`.
pub(super) fn locate(path: &Path) -> Result<Files> {
    if path.is_dir() {
        let index = with_suffix(path, ".index");
        return if index.is_file() {
            Ok(Files::Bundle { index, prefix: path.into() })
        } else {
            folder(path)
        };
    }
    if let Some(prefix) = prefix_of(path) {
        return bundle(path, prefix);
    }
    if path.is_file() {
        return file(path);
    }
    prefix(path)
}

/// Returns the path of a V2 checkpoint's shard (`DataFilename` in
/// `tensorflow/core/util/tensor_bundle/naming.cc`).
pub(super) fn shard_path(prefix: &Path, shard: i32, count: i32) -> PathBuf {
    with_suffix(prefix, &format!(".data-{shard:05}-of-{count:05}"))
}

pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

/// Returns the prefix of a V2 checkpoint from the name of one of its files.
fn prefix_of(path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?.to_str()?;
    let stem =
        name.strip_suffix(".index").or_else(|| name.strip_suffix(".meta")).or_else(|| {
            let (before, _, _) = parse_shard_name(name)?;
            before.strip_suffix(".data")
        })?;
    (!stem.is_empty()).then(|| path.with_file_name(stem))
}

/// Splits `NAME-00000-of-00002` into name, number and count.
fn parse_shard_name(name: &str) -> Option<(&str, &str, &str)> {
    let number = |text: &str| text.len() == 5 && text.bytes().all(|byte| byte.is_ascii_digit());
    let (rest, count) = name.rsplit_once("-of-")?;
    let (before, shard) = rest.rsplit_once('-')?;
    (number(count) && number(shard)).then_some((before, shard, count))
}

/// Returns the checkpoint that `given` belongs to, by its name.
fn bundle(given: &Path, prefix: PathBuf) -> Result<Files> {
    let index = with_suffix(&prefix, ".index");
    if index.is_file() {
        return Ok(Files::Bundle { index, prefix });
    }
    // V1 files too may have a graph's .meta in their folder.
    if prefix.is_file() && ends_as_table(&prefix) {
        return file(&prefix);
    }
    let index = index.display();
    if given.is_file() {
        return Err(format_error(
            given,
            format!("this is one file of a checkpoint whose index, {index}, is missing"),
        ));
    }
    no_such(given)
}

/// Returns the checkpoint of a file whose name is not conclusive.
fn file(path: &Path) -> Result<Files> {
    if path.file_name().is_some_and(|name| name == "checkpoint") && !ends_as_table(path) {
        return folder(&folder_of(path));
    }
    if ends_as_table(path) {
        return if is_bundle(path) {
            Ok(Files::Bundle { index: path.into(), prefix: path.into() })
        } else {
            Ok(Files::TensorSlices(shards_of(path)))
        };
    }
    let index = with_suffix(path, ".index");
    if index.is_file() {
        return Ok(Files::Bundle { index, prefix: path.into() });
    }
    Err(format_error(path, describe_non_checkpoint(path)?))
}

/// Returns true for V2: the value of a table's empty key starts with the number of shards (field 1,
/// a number). In V1 it starts with the list of variables (field 1, a message). Damaged files count
/// as V1, whose reader reports the damage.
fn is_bundle(path: &Path) -> bool {
    let table = crate::file::map(path).ok().and_then(|bytes| Table::open(bytes).ok());
    let header = table.and_then(|table| table.get(b"").ok()?);
    header.is_some_and(|header| header.first() == Some(&0x08))
}

/// Returns all files of a sharded V1 checkpoint from one of them; any other file alone.
fn shards_of(path: &Path) -> Vec<PathBuf> {
    let name = path.file_name().and_then(|name| name.to_str());
    let sharded = name
        .and_then(parse_shard_name)
        .and_then(|(name, _, count)| Some((name, count, count.parse::<u32>().ok()?)));
    match sharded {
        Some((name, digits, count)) => (0..count)
            .map(|shard| path.with_file_name(format!("{name}-{shard:05}-of-{digits}")))
            .collect(),
        None => vec![path.into()],
    }
}

/// Returns the checkpoint of an incomplete name.
fn prefix(path: &Path) -> Result<Files> {
    for suffix in [".index", ".ckpt", ".ckpt.index"] {
        let longer = with_suffix(path, suffix);
        if longer.is_file() {
            return locate(&longer);
        }
    }
    if let Some(shard) = first_shard(path) {
        return file(&shard);
    }
    no_such(path)
}

/// Returns the first file of the sharded V1 checkpoint of this name.
fn first_shard(path: &Path) -> Option<PathBuf> {
    let name_wanted = path.file_name()?.to_str()?;
    entries(&folder_of(path)).ok()?.into_iter().find(|file: &PathBuf| {
        let name = file.file_name().and_then(|name| name.to_str()).and_then(parse_shard_name);
        name.is_some_and(|(name, shard, _)| name == name_wanted && shard == "00000")
            && ends_as_table(file)
    })
}

fn no_such(path: &Path) -> Result<Files> {
    let siblings = own_candidates(&folder_of(path)).unwrap_or_default();
    let names: Vec<String> = siblings
        .iter()
        .filter_map(|path| Some(display_path(path).file_name()?.to_str()?.to_owned()))
        .collect();
    let name_wanted =
        path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let nearby = match nearest(&name_wanted, names.iter().map(String::as_str)) {
        none if none.is_empty() => "nor is there any other in its folder".to_owned(),
        some => format!("in its folder there are: {}", some.join(", ")),
    };
    Err(format_error(
        path,
        format!("there is no such checkpoint, neither the file nor its .index; {nearby}"),
    ))
}

/// The maximum depth of the search for a checkpoint; archives contain nested folders.
const MAX_DEPTH: usize = 4;

fn folder(path: &Path) -> Result<Files> {
    let candidates = candidates(path, MAX_DEPTH)?;
    match candidates.as_slice() {
        [] => Err(format_error(
            path,
            "there is no checkpoint in this folder: no V1 file, no .index, no 'checkpoint' file",
        )),
        [one] => locate(one),
        several => Err(Error::Ambiguous {
            choice: Choice::Path,
            what: format!("{}: there are several checkpoints; give one of them", path.display()),
            candidates: several
                .iter()
                .map(|path| display_path(path).display().to_string())
                .collect(),
        }),
    }
}

/// Returns a checkpoint's path as users write it.
fn display_path(path: &Path) -> PathBuf {
    prefix_of(path).unwrap_or_else(|| path.into())
}

/// Returns the checkpoint that a `checkpoint` file names; otherwise all in the folder; otherwise
/// all in the folders below it.
fn candidates(folder: &Path, depth: usize) -> Result<Vec<PathBuf>> {
    let own = own_candidates(folder)?;
    if let Some(named) = named_by_state(folder, &own) {
        return Ok(vec![named]);
    }
    if !own.is_empty() || depth == 0 {
        return Ok(own);
    }
    let mut nested = Vec::new();
    for path in entries(folder)? {
        if path.symlink_metadata().is_ok_and(|metadata| metadata.is_dir()) {
            nested.extend(candidates(&path, depth - 1)?);
        }
    }
    Ok(nested)
}

/// Returns the checkpoint that the folder's `checkpoint` file names: by its full path, or by its
/// name in this folder, because folders are moved. If none exists, returns the newest of `own`.
fn named_by_state(folder: &Path, own: &[PathBuf]) -> Option<PathBuf> {
    let path = folder.join("checkpoint");
    let text = read_regular(&path, MAX_STATE_BYTES).ok().filter(|_| !ends_as_table(&path))?;
    let named = state::paths(&String::from_utf8_lossy(&text));
    named
        .iter()
        .find_map(|name: &String| {
            let last = Path::new(name.rsplit(['/', '\\']).next().unwrap_or(name));
            [folder.join(name), folder.join(last)].into_iter().find_map(|path| existing(&path))
        })
        .or_else(|| own.iter().max_by_key(|path| recency(path)).cloned())
}

/// Returns the file of a name in a `checkpoint` file, if it exists.
fn existing(path: &Path) -> Option<PathBuf> {
    let index = with_suffix(path, ".index");
    index
        .is_file()
        .then_some(index)
        .or_else(|| (path.is_file() && ends_as_table(path)).then(|| path.to_owned()))
        .or_else(|| first_shard(path))
}

/// Orders checkpoints by the step in the name (`model.ckpt-5000`), then by modification time.
fn recency(path: &Path) -> (Option<u64>, Option<SystemTime>) {
    let name = display_path(path);
    let step = name.to_str().and_then(|name| name.rsplit_once('-')?.1.parse().ok());
    (step, path.metadata().and_then(|metadata| metadata.modified()).ok())
}

/// Returns the checkpoints directly in a folder: each V2's index, each V1's file, the first file of
/// each sharded V1.
fn own_candidates(folder: &Path) -> Result<Vec<PathBuf>> {
    Ok(entries(folder)?
        .into_iter()
        .filter(|path: &PathBuf| {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let later = parse_shard_name(name)
                .is_some_and(|(before, shard, _)| before.ends_with(".data") || shard != "00000");
            !later && path.is_file() && ends_as_table(path)
        })
        .collect())
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let io = |source| Error::Io { path: folder.into(), source };
    let entries = std::fs::read_dir(folder).map_err(io)?;
    let mut paths: Vec<PathBuf> =
        entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>().map_err(io)?;
    paths.sort();
    Ok(paths)
}

fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.into(),
        _ => ".".into(),
    }
}

fn ends_as_table(path: &Path) -> bool {
    let mut end = [0; 8];
    let read = open_regular(path).and_then(|mut file| {
        file.seek(SeekFrom::End(-8))?;
        file.read_exact(&mut end)
    });
    read.is_ok() && is_table(&end)
}

/// Describes a file that is not a checkpoint.
fn describe_non_checkpoint(path: &Path) -> Result<String> {
    let io = |source| Error::Io { path: path.into(), source };
    let mut start = Vec::new();
    open_regular(path).map_err(io)?.take(512).read_to_end(&mut start).map_err(io)?;
    if archive::ArchiveKind::from_magic(&start).is_some() {
        return Ok("this is an archive; it has to be opened with a folder to unpack it to".into());
    }
    Ok(match start.as_slice() {
        [] => "the file is empty",
        [0x89, b'H', b'D', b'F', ..] => {
            "this is a Keras HDF5 file, not a checkpoint of \
             TensorFlow's"
        }
        [b'P', b'K', ..] => {
            "this is a .zip that ends early, or a PyTorch file; not a checkpoint \
             of TensorFlow's"
        }
        [b'<', ..] => "this is a web page, not a checkpoint; the download went wrong",
        [0x0a, ..] => {
            "this looks like a graph (.pb), not a checkpoint; or it is a checkpoint that \
             ends early"
        }
        _ => {
            "not a checkpoint (the magic number at its end is wrong): damaged, ended early, or \
             the data of a V2 checkpoint under another name"
        }
    }
    .into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_a_checkpoint_leads_to_its_prefix() {
        for name in ["a/m.ckpt.index", "a/m.ckpt.meta", "a/m.ckpt.data-00001-of-00002"] {
            assert_eq!(
                prefix_of(Path::new(name)).as_deref(),
                Some(Path::new("a/m.ckpt")),
                "{name}"
            );
        }
        for name in ["m.ckpt", "m-00000-of-00002", "m.data-0-of-1", ".index"] {
            assert_eq!(prefix_of(Path::new(name)), None, "{name}");
        }
    }
}
