//! Reads zip files by their central directory: stored, or compressed by deflate.

use rawzip::{CompressionMethod, ZipArchive, ZipFileHeaderRecord};

use super::Visit;

/// Calls `visit` with each file, whose checksum is verified at its end. Links and encrypted files
/// are refused.
pub(super) fn each(archive: &[u8], visit: &mut Visit<'_>) -> Result<(), String> {
    let damaged = |_: rawzip::Error| "a damaged zip archive: get another copy of it".to_owned();
    let archive = ZipArchive::from_slice(archive).map_err(damaged)?;
    let mut entries = archive.entries();
    while let Some(entry) = entries.next_entry().map_err(damaged)? {
        let path = entry.file_path();
        let name: &[u8] = path.as_ref();
        let refused =
            |what: &str| format!("'{}' in the archive {what}: refused", name.escape_ascii());
        if entry.is_dir() {
            continue;
        }
        check(&entry).map_err(refused)?;
        let content = archive.get_entry(entry.wayfinder()).map_err(damaged)?;
        let size = entry.uncompressed_size_hint();
        match entry.compression_method() {
            CompressionMethod::STORE => {
                visit(name, size, &mut content.verifying_reader(content.data()))?;
            }
            CompressionMethod::DEFLATE => {
                let inflated = flate2::bufread::DeflateDecoder::new(content.data());
                visit(name, size, &mut content.verifying_reader(inflated))?;
            }
            _ => return Err(refused("is compressed in another way than deflate")),
        }
    }
    Ok(())
}

fn check(entry: &ZipFileHeaderRecord<'_>) -> Result<(), &'static str> {
    if entry.mode().is_symlink() {
        return Err("is a link");
    }
    if entry.flags().is_encrypted() {
        return Err("is encrypted");
    }
    Ok(())
}
