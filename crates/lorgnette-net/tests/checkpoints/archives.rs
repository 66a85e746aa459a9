//! Checkpoints in archives: unpacked once, found again, and refused if hostile.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder};
use lorgnette_net::Error;
use lorgnette_net::weights::Weights;
use lorgnette_net::weights::archive::Cache;

use crate::fixtures::{empty_folder, fixtures, write_anew};

/// Names and contents.
type Files = Vec<(String, Vec<u8>)>;

fn files_of(fixture: &str, within: &str) -> Files {
    let entries = fixtures().path(fixture).read_dir().unwrap().map(Result::unwrap);
    let file = |entry: fs::DirEntry| {
        (
            format!("{within}{}", entry.file_name().to_string_lossy()),
            fs::read(entry.path()).unwrap(),
        )
    };
    entries.map(file).collect()
}

fn header(name: &str, size: u64) -> tar::Header {
    let mut header = tar::Header::new_ustar();
    // Written directly: the library's own setter would refuse the name.
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_size(size);
    header.set_mode(0o644);
    header.set_cksum();
    header
}

fn tar_of(files: &Files) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content) in files {
        builder.append(&header(name, content.len() as u64), content.as_slice()).unwrap();
    }
    builder.into_inner().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zip_of(files: &Files, method: rawzip::CompressionMethod) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut archive = rawzip::ZipArchiveWriter::new(&mut bytes);
    for (name, content) in files {
        let (mut entry, config) =
            archive.new_file(name).compression_method(method).start().unwrap();
        let descriptor = if method == rawzip::CompressionMethod::DEFLATE {
            let mut writer = config.wrap(DeflateEncoder::new(&mut entry, Compression::fast()));
            writer.write_all(content).unwrap();
            let (encoder, descriptor) = writer.finish().unwrap();
            encoder.finish().unwrap();
            descriptor
        } else {
            let mut writer = config.wrap(&mut entry);
            writer.write_all(content).unwrap();
            writer.finish().unwrap().1
        };
        entry.finish(descriptor).unwrap();
    }
    archive.finish().unwrap();
    bytes
}

/// Writes an archive next to a cache.
fn placed(name: &str, bytes: &[u8]) -> (PathBuf, PathBuf) {
    let folder = empty_folder("archive");
    fs::write(folder.join(name), bytes).unwrap();
    (folder.join(name), folder.join("cache"))
}

#[test]
fn every_kind_of_archive_opens() {
    let v2 = files_of("plain_v2", "./models/");
    let v1 = files_of("plain_v1", "");
    let archives = [
        ("a.tar.gz", gzip(&tar_of(&v2))),
        ("a.tgz", gzip(&tar_of(&v1))),
        ("a.tar", tar_of(&v2)),
        ("a.zip", zip_of(&v2, rawzip::CompressionMethod::DEFLATE)),
        ("b.zip", zip_of(&v1, rawzip::CompressionMethod::STORE)),
        ("unnamed", gzip(&tar_of(&files_of("sharded_v1", "deep/down/")))),
    ];
    for (name, bytes) in archives {
        let (path, cache) = placed(name, &bytes);
        let weights = Weights::open_archived(&path, &cache).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(weights.path(), path);
        assert_eq!(weights.get("global_step").unwrap().to_i64(), [4242], "{name}");
        let refused = Weights::open(&path).unwrap_err().to_string();
        assert!(refused.contains("this is an archive"), "{refused}");
    }
    Weights::open_archived(fixtures().open_path("plain_v1"), "never made").unwrap();
}

fn only_folder(cache: &Path) -> PathBuf {
    let folders: Vec<_> = cache.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(folders.len(), 1, "{folders:?}");
    folders[0].join("files")
}

#[test]
fn an_archive_is_unpacked_once() {
    let (path, cache) = placed("a.tgz", &gzip(&tar_of(&files_of("plain_v1", ""))));
    let open = || Weights::open_archived(&path, &cache).unwrap().get("global_step").unwrap();
    open();
    let unpacked = only_folder(&cache).join("tiny.ckpt");
    // A change that keeps the length is not detected here, since nothing is unpacked again;
    // checksums detect it.
    let mut bytes = fs::read(&unpacked).unwrap();
    bytes[3000] ^= 1;
    fs::write(&unpacked, &bytes).unwrap();
    let damaged = Weights::open_archived(&path, &cache).unwrap_err().to_string();
    assert!(
        damaged.contains("a.tgz/tiny.ckpt: ") && damaged.contains("checksum does not match"),
        "{damaged}"
    );
    // Another length is detected.
    fs::write(&unpacked, &bytes[..100]).unwrap();
    open();
    assert_eq!(only_folder(&cache).join("tiny.ckpt").metadata().unwrap().len(), bytes.len() as u64);
}

#[test]
fn an_archive_that_changed_is_unpacked_anew() {
    let (path, cache) = placed("a.tgz", &gzip(&tar_of(&files_of("plain_v1", ""))));
    assert_eq!(Weights::open_archived(&path, &cache).unwrap().version(), 1);
    fs::write(&path, gzip(&tar_of(&files_of("plain_v2", "")))).unwrap();
    assert_eq!(Weights::open_archived(&path, &cache).unwrap().version(), 2);
}

#[test]
fn a_path_goes_on_within_an_archive() {
    let files = [files_of("plain_v2", "v3/ema/"), files_of("plain_v1", "v3/pristine/")].concat();
    let (path, cache) = placed("v3.tgz", &gzip(&tar_of(&files)));
    let Err(Error::Ambiguous { candidates, .. }) = Weights::open_archived(&path, &cache) else {
        panic!("a choice")
    };
    let wanted = ["v3/ema/tiny.ckpt", "v3/pristine/tiny.ckpt"]
        .map(|inner| path.join(inner).display().to_string());
    assert_eq!(candidates, wanted);
    for (candidate, version) in candidates.iter().zip([2, 1]) {
        assert_eq!(Weights::open_archived(candidate, &cache).unwrap().version(), version);
    }
    let refused =
        Weights::open_archived(path.join("v3/emu/tiny.ckpt"), &cache).unwrap_err().to_string();
    assert!(refused.starts_with(&path.join("v3/emu/tiny.ckpt").display().to_string()), "{refused}");
}

#[test]
fn long_names_are_read() {
    let long = format!("{}/tiny.ckpt", "folder/".repeat(40).trim_end_matches('/'));
    let content = files_of("plain_v1", "")[0].1.clone();
    let mut gnu = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    gnu.append_data(&mut header, &long, content.as_slice()).unwrap();
    let mut pax = tar::Builder::new(Vec::new());
    pax.append_pax_extensions([("path", long.as_bytes())]).unwrap();
    pax.append(&self::header("short", content.len() as u64), content.as_slice()).unwrap();
    for archive in [gnu.into_inner().unwrap(), pax.into_inner().unwrap()] {
        let (path, cache) = placed("long.tar", &archive);
        Cache::new(&cache).unpack(&path).unwrap();
        assert!(only_folder(&cache).join(&long).is_file());
    }
}

fn refused(name: &str, bytes: &[u8]) -> String {
    let (path, cache) = placed(name, bytes);
    let small = Cache::new(&cache).with_max_bytes(1 << 20).with_max_files(20);
    let refused = small.unpack(&path).unwrap_err().to_string();
    let left: Vec<_> = cache.read_dir().unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
    assert!(refused.contains(name), "{refused}");
    refused
}

#[test]
fn hostile_names_are_refused() {
    for name in ["../escaped", "/tmp/escaped", "a/../../escaped", "c:escaped", "a\\b", "a\nb"] {
        let files = vec![(name.to_owned(), b"x".to_vec())];
        assert!(refused("a.tar", &tar_of(&files)).contains("no name within a folder: refused"));
        if !name.contains("..") && !name.starts_with('/') {
            continue;
        }
        let zip = zip_of(
            &vec![("AAAAAAAAAAAAAAAAAAAA"[..name.len()].to_owned(), b"x".to_vec())],
            rawzip::CompressionMethod::STORE,
        );
        let zip = replaced(&zip, &b"AAAAAAAAAAAAAAAAAAAA"[..name.len()], name.as_bytes());
        assert!(refused("a.zip", &zip).contains("no name within a folder: refused"));
    }
}

fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for at in 0..bytes.len() - from.len() {
        if bytes[at..].starts_with(from) {
            bytes[at..at + to.len()].copy_from_slice(to);
        }
    }
    bytes
}

#[test]
fn links_and_devices_are_refused() {
    for kind in [
        tar::EntryType::Symlink,
        tar::EntryType::Link,
        tar::EntryType::Char,
        tar::EntryType::GNUSparse,
    ] {
        let mut header = header("tiny.ckpt", 0);
        header.set_entry_type(kind);
        header.set_link_name("/etc/passwd").unwrap();
        header.set_cksum();
        let mut builder = tar::Builder::new(Vec::new());
        builder.append(&header, &[][..]).unwrap();
        let message = refused("a.tar", &builder.into_inner().unwrap());
        assert!(
            message.contains("'tiny.ckpt' in the archive is a link or a device: refused"),
            "{message}"
        );
    }
}

#[test]
fn too_much_is_refused() {
    let named = |name: &str, size: usize| (name.to_owned(), vec![0; size]);
    let twice = vec![named("a", 1), named("a", 1)];
    assert!(
        refused("a.tar", &tar_of(&twice))
            .contains("'a' in the archive: it is there twice: refused")
    );
    let many: Files = (0..21).map(|number| named(&number.to_string(), 1)).collect();
    assert!(refused("a.tgz", &gzip(&tar_of(&many))).contains("more than 20 files: refused"));
    let large = vec![named("a", 1 << 19), named("b", (1 << 19) + 1)];
    assert!(refused("a.tgz", &gzip(&tar_of(&large))).contains("takes more than 1 MiB: refused"));
    assert!(
        refused("a.zip", &zip_of(&large, rawzip::CompressionMethod::DEFLATE))
            .contains("takes more than 1 MiB")
    );
    let mut claim = header("a", 0);
    claim.set_size(1 << 62);
    claim.set_cksum();
    assert!(refused("a.tar", claim.as_bytes()).contains("takes more than 1 MiB: refused"));
    let mut name = header("a", 0);
    name.set_entry_type(tar::EntryType::GNULongName);
    name.set_size(1 << 30);
    name.set_cksum();
    let bomb = gzip(&[&name.as_bytes()[..], &vec![b'a'; 1 << 20]].concat());
    assert!(refused("a.tgz", &bomb).contains("a name of over 64 KiB: refused"));
}

#[test]
fn damaged_archives_are_refused() {
    let files = files_of("plain_v1", "");
    let whole = gzip(&tar_of(&files));
    refused("a.tgz", &whole[..whole.len() / 2]);
    refused("a.tgz", &whole[..30]);
    refused("a.tgz", &gzip(b"no tar at all"));
    let mut tar = tar_of(&files);
    tar.truncate(2000);
    assert!(
        refused("a.tar", &tar)
            .contains("'tiny.ckpt' in the archive: it should have 5515 bytes, and has fewer")
    );
    let mut zip = zip_of(&files, rawzip::CompressionMethod::STORE);
    zip[3000] ^= 1;
    let message = refused("a.zip", &zip);
    assert!(message.contains("'tiny.ckpt' in the archive: "), "{message}");
    refused("a.zip", &zip[..zip.len() - 30]);
}

#[test]
fn archives_mutate_without_harm() {
    let files = files_of("plain_v2", "");
    let archives =
        [tar_of(&files), gzip(&tar_of(&files)), zip_of(&files, rawzip::CompressionMethod::DEFLATE)];
    let (path, cache) = placed("a", b"");
    let cache = Cache::new(cache).with_max_bytes(1 << 20);
    for archive in &archives {
        for round in 0..150 {
            let mut bytes = archive.clone();
            let at = (round * 7919) % bytes.len();
            bytes[at] = bytes[at].wrapping_add(1 + round as u8);
            write_anew(&path, &bytes);
            let (_, most) = crate::memory::peak(|| cache.unpack(&path).is_ok());
            assert!(most < 1 << 20, "{most} bytes of memory");
        }
    }
}

#[test]
fn the_oldest_archives_make_room() {
    let folder = empty_folder("room");
    let cache = Cache::new(folder.join("cache")).with_max_bytes(12_000);
    let unpacked: Vec<PathBuf> = ["a.tar", "b.tar", "c.tar"]
        .iter()
        .map(|name| {
            fs::write(folder.join(name), tar_of(&files_of("plain_v1", ""))).unwrap();
            std::thread::sleep(std::time::Duration::from_millis(20));
            cache.unpack(&folder.join(name)).unwrap()
        })
        .collect();
    let there: Vec<bool> = unpacked.iter().map(|files| files.is_dir()).collect();
    assert_eq!(there, [false, true, true], "two of 5515 bytes fit");
    // The cache does not remove files of other origin.
    let foreign = folder.join("cache/foreign");
    fs::create_dir(&foreign).unwrap();
    cache.unpack(&folder.join("a.tar")).unwrap();
    assert!(foreign.is_dir());
}

#[test]
fn programs_may_unpack_at_once() {
    let (path, cache) = placed("a.tgz", &gzip(&tar_of(&files_of("plain_v1", ""))));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                Weights::open_archived(&path, &cache).unwrap().get("global_step").unwrap()
            });
        }
    });
    only_folder(&cache);
}
