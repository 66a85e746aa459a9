//! Photos that many machines analyse: shards, parts, and the library they make.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lorgnette::Picture;
use lorgnette::picture::OpenOptions;
use lorgnette_library::fleet::{
    Existing, FleetAnalyser, FleetRun, FleetWorker, LoadedPhoto, Manifest, MergeOptions, Shard,
    ShardSummary, merge,
};
use lorgnette_library::{
    Analysers, Detections, Error, IndexOptions, Library, ModelRecord, PhotoAnalyser, Region,
};
use parquet::data_type::{ByteArray, ByteArrayType};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

use crate::support::{Colours, everything, folder, model_record, paint};

/// Takes every photo for a face, as wide as its first pixel is red; fails if that is 7.
#[derive(Clone)]
struct Faces;

impl PhotoAnalyser for Faces {
    fn analyse(&mut self, picture: &Picture) -> lorgnette::Result<Detections> {
        let red = picture.to_rgb8()[0];
        if red == 7 {
            return Err(lorgnette::Error::NoCalibrationPhotos);
        }
        let share = f32::from(red) / 255.0;
        let bounds = [0.0, 0.0, f64::from(share), 1.0];
        let regions = vec![Region { class: 0, bounds, share, mean: 0.5, peak: 0.5 }];
        Ok(Detections { regions, ..Detections::default() })
    }
}

fn face_record() -> ModelRecord {
    let classes = vec![(None, "face, human face".into())];
    ModelRecord { classes, features: 0, ..model_record("faces") }
}

fn analyser(faces: bool) -> FleetAnalyser {
    FleetAnalyser {
        model: model_record("one"),
        faces: faces.then(face_record),
        level: "portable".into(),
        open: OpenOptions::default(),
    }
}

fn workers(count: usize, faces: bool) -> Vec<FleetWorker<'static>> {
    let worker = |_| FleetWorker {
        network: Box::new(Colours::default()),
        faces: faces.then(|| Box::new(Faces) as Box<dyn PhotoAnalyser>),
    };
    (0..count).map(worker).collect()
}

/// A shard run with so many workers.
struct Run<'a> {
    manifest: &'a Path,
    shard: Shard,
    out: &'a Path,
    threads: usize,
    faces: bool,
    existing: Existing,
}

impl<'a> Run<'a> {
    fn new(manifest: &'a Path, shard: &str, out: &'a Path) -> Self {
        let (threads, faces) = (2, false);
        let existing = Existing::Keep;
        Self { manifest, shard: shard.parse().unwrap(), out, threads, faces, existing }
    }

    fn run(&self) -> Result<ShardSummary, Error> {
        fs::create_dir_all(self.out).unwrap();
        let manifest = Manifest::open(self.manifest)?;
        let run = FleetRun {
            manifest: &manifest,
            shard: self.shard,
            out: self.out,
            root: None,
            existing: self.existing,
        };
        let workers = workers(self.threads, self.faces);
        Ok(run.run(&analyser(self.faces), workers, &mut ())?.unwrap())
    }
}

/// Runs all shards of a manifest.
fn run_all(manifest: &Path, count: usize, out: &Path, threads: usize, faces: bool) {
    for index in (0..count).rev() {
        let shard = Shard { index, count };
        Run { shard, threads, faces, ..Run::new(manifest, "0/1", out) }.run().unwrap();
    }
}

/// The files of a folder, by name.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| {
            let name = entry.file_name().into_string().unwrap();
            (name, fs::read(entry.path()).unwrap())
        })
        .collect();
    files.sort();
    files
}

/// Everything in a library but the indexed folders.
fn contents(library: &Path) -> Vec<String> {
    let rows = everything(library);
    rows.lines().filter(|row| !row.starts_with("folder ")).map(str::to_owned).collect()
}

/// Twenty photos, a copy of one, three files that are no photos, and one without a face detection.
fn mixed_folder() -> (tempfile::TempDir, PathBuf, PathBuf) {
    let (folder, photos, manifest) = folder();
    fs::copy(photos.join("04.png"), photos.join("copy.png")).unwrap();
    fs::write(photos.join("empty.jpg"), "").unwrap();
    fs::write(photos.join("letter.jpg"), "Dear library").unwrap();
    fs::write(photos.join("deep/letter.jpg"), "Dear library").unwrap();
    let manifest = manifest.with_file_name("photos.parquet");
    Manifest::write(&manifest, std::slice::from_ref(&photos), &[]).unwrap();
    (folder, photos, manifest)
}

fn merged(parts: &Path, library: &Path) -> Vec<String> {
    let options = MergeOptions::default();
    merge(&[parts.to_owned()], library, &options, &mut ()).unwrap().unwrap();
    contents(library)
}

#[test]
fn a_shard_gives_the_same_bytes_whoever_runs_it() {
    let (folder, _photos, manifest) = mixed_folder();
    let [one, two] = ["one", "two"].map(|name| folder.path().join(name));
    run_all(&manifest, 3, &one, 1, true);
    run_all(&manifest, 3, &two, 3, true);
    assert_eq!(files(&one).len(), 6);
    assert!(files(&one) == files(&two));
    // What is there stays.
    let again = Run { faces: true, ..Run::new(&manifest, "1/3", &one) }.run().unwrap();
    assert!(again.existed && again.analysed + again.failed == 8, "{again:?}");
    assert!(files(&one) == files(&two));
}

#[test]
fn the_merged_library_is_that_of_index() {
    for faces in [false, true] {
        let (folder, photos, manifest) = mixed_folder();
        let parts = folder.path().join("parts");
        run_all(&manifest, 4, &parts, 2, faces);
        let merged = merged(&parts, &folder.path().join("merged.lgn"));

        let indexed = folder.path().join("indexed.lgn");
        let mut library = Library::create(&indexed).unwrap();
        let folders = [photos.clone()];
        let options = IndexOptions::default();
        let model = model_record("one");
        let analysers = Analysers { model: &model, workers: vec![Colours::default(); 2] };
        lorgnette_library::index(&mut library, &folders, analysers, &options, &mut ()).unwrap();
        if faces {
            let model = face_record();
            let analysers = Analysers { model: &model, workers: vec![Faces; 2] };
            lorgnette_library::index(&mut library, &folders, analysers, &options, &mut ()).unwrap();
        }
        drop(library);
        assert_eq!(merged, contents(&indexed));
        let letter = photos.join("letter.jpg");
        let library = Library::open_read_only(&indexed).unwrap();
        let reason = library.photo(&letter).unwrap().reason.unwrap();
        assert!(reason.contains("it is text"), "{reason}");
    }
}

#[test]
fn parquet_csv_and_text_list_the_same_photos() {
    let (folder, photos, parquet) = mixed_folder();
    let mut libraries = Vec::new();
    for name in ["photos.parquet", "photos.csv", "photos.txt"] {
        let manifest = folder.path().join(name);
        if manifest != parquet {
            Manifest::write(&manifest, std::slice::from_ref(&photos), &[]).unwrap();
        }
        let parts = folder.path().join(format!("{name}.parts"));
        run_all(&manifest, 2, &parts, 2, false);
        libraries.push(merged(&parts, &folder.path().join(format!("{name}.lgn"))));
    }
    assert_eq!(libraries[0], libraries[1]);
    assert_eq!(libraries[0], libraries[2]);
}

#[test]
fn relative_paths_give_the_same_bytes_on_another_machine() {
    let (folder, photos, _) = folder();
    let mut parts = Vec::new();
    for machine in ["a", "b"] {
        let root = folder.path().join(machine);
        fs::create_dir(&root).unwrap();
        for name in ["01.png", "02.png"] {
            let copy = root.join(name);
            fs::copy(photos.join(name), &copy).unwrap();
            let modified = photos.join(name).metadata().unwrap().modified().unwrap();
            fs::File::options().write(true).open(copy).unwrap().set_modified(modified).unwrap();
        }
        fs::write(root.join("photos.txt"), "01.png\nmissing.png\n02.png\n").unwrap();
        let out = root.join("parts");
        Run::new(&root.join("photos.txt"), "0/1", &out).run().unwrap();
        parts.push(files(&out));
    }
    assert!(parts[0] == parts[1]);
    let out = folder.path().join("a/parts");
    let library = folder.path().join("library.lgn");
    let options = MergeOptions::default();
    let error = merge(std::slice::from_ref(&out), &library, &options, &mut ()).unwrap_err();
    assert!(error.to_string().contains("01.png: a relative path"), "{error}");
    assert!(!library.exists());
    let options = MergeOptions { root: Some("/photos".into()), partial: false };
    let summary = merge(&[out], &library, &options, &mut ()).unwrap().unwrap();
    assert_eq!((summary.photos, summary.analysed, summary.failed), (3, 2, 1));
    let library = Library::open_read_only(&library).unwrap();
    assert!(library.photo(Path::new("/photos/02.png")).is_ok());
}

/// Photos in the manifest itself, as another program that reads object stores would write it.
#[test]
fn photos_may_be_in_the_manifest() {
    let (folder, photos, _) = folder();
    let names: Vec<PathBuf> = (0..20_u8)
        .map(|number| format!("{}{number:02}.png", if number % 3 == 0 { "deep/" } else { "" }))
        .map(|name| photos.join(name))
        .collect();
    let manifest = folder.path().join("photos.parquet");
    let schema = "message m { REQUIRED BYTE_ARRAY uri (UTF8); OPTIONAL BYTE_ARRAY bytes; }";
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let properties = Arc::new(WriterProperties::builder().build());
    let file = fs::File::create(&manifest).unwrap();
    let mut writer = SerializedFileWriter::new(file, schema, properties).unwrap();
    for names in names.chunks(6) {
        let mut group = writer.next_row_group().unwrap();
        let uris = names.iter().map(|name| {
            let name = name.file_name().unwrap().to_str().unwrap();
            ByteArray::from(format!("s3://bucket/{name}").into_bytes())
        });
        let contents = names.iter().map(|name| ByteArray::from(fs::read(name).unwrap()));
        for values in [uris.collect::<Vec<_>>(), contents.collect()] {
            let mut column = group.next_column().unwrap().unwrap();
            let levels = vec![1; values.len()];
            column.typed::<ByteArrayType>().write_batch(&values, Some(&levels), None).unwrap();
            column.close().unwrap();
        }
        group.close().unwrap();
    }
    writer.close().unwrap();
    let parts = folder.path().join("parts");
    run_all(&manifest, 3, &parts, 2, false);
    let rows = merged(&parts, &folder.path().join("library.lgn"));
    let photos = rows.iter().filter(|row| row.starts_with("photo ") && row.contains("Integer(16)"));
    assert_eq!(photos.count(), 20);
}

#[test]
fn parts_of_another_manifest_are_refused() {
    let (folder, photos, manifest) = mixed_folder();
    let parts = folder.path().join("parts");
    Run::new(&manifest, "0/3", &parts).run().unwrap();
    let refused = |run: Run<'_>| run.run().unwrap_err().to_string();
    let error = refused(Run::new(&manifest, "0/4", &parts));
    assert!(error.contains("another number of shards"), "{error}");
    let error = refused(Run { faces: true, ..Run::new(&manifest, "1/3", &parts) });
    assert!(error.contains("another face detector"), "{error}");
    paint(&photos.join("new.png"), [1, 2, 3], [4, 5, 6], 99);
    Manifest::write(&manifest, &[photos], &[]).unwrap();
    for shard in ["0/3", "1/3"] {
        let error = refused(Run::new(&manifest, shard, &parts));
        assert!(error.contains("part-00000-of-00003"), "{error}");
        assert!(error.contains("another manifest: name another folder"), "{error}");
    }
    // Put together by hand, they are refused, too.
    let other = folder.path().join("other");
    Run::new(&manifest, "1/3", &other).run().unwrap();
    let library = folder.path().join("library.lgn");
    let error = merge(&[parts, other], &library, &MergeOptions::default(), &mut ()).unwrap_err();
    assert!(error.to_string().contains("another manifest"), "{error}");
    assert!(!library.exists());
}

#[test]
fn every_shard_must_be_there() {
    let (folder, _photos, manifest) = mixed_folder();
    let parts = folder.path().join("parts");
    for shard in ["0/4", "3/4"] {
        Run::new(&manifest, shard, &parts).run().unwrap();
    }
    let library = folder.path().join("library.lgn");
    let merge_with =
        |options: MergeOptions| merge(std::slice::from_ref(&parts), &library, &options, &mut ());
    let error = merge_with(MergeOptions::default()).unwrap_err().to_string();
    assert!(error.contains("2 of 4 shards are missing: 1/4, 2/4: run them first"), "{error}");
    let partial = MergeOptions { partial: true, root: None };
    let summary = merge_with(partial.clone()).unwrap().unwrap();
    assert_eq!((summary.shards, summary.missing_shards, summary.photos), (4, 2, 12));
    let error = merge_with(partial.clone()).unwrap_err().to_string();
    assert!(error.contains("it exists"), "{error}");
    fs::remove_file(&library).unwrap();
    fs::remove_file(parts.join("part-00003-of-00004.failed.parquet")).unwrap();
    let error = merge_with(partial).unwrap_err().to_string();
    assert!(error.contains("failures"), "{error}");
    // Half a shard is run again.
    let summary = Run::new(&manifest, "3/4", &parts).run().unwrap();
    assert!(!summary.existed && summary.failed == 3);
}

#[test]
fn a_shard_without_its_storage_is_not_done() {
    let (folder, photos, manifest) = mixed_folder();
    let parts = folder.path().join("parts");
    let away = photos.with_file_name("away");
    fs::rename(&photos, &away).unwrap();
    let error = Run::new(&manifest, "0/2", &parts).run().unwrap_err().to_string();
    assert!(error.contains("none of 12 photos could be opened, so nothing was written"), "{error}");
    assert_eq!(files(&parts), []);
    // One that comes back is analysed if that is asked for.
    fs::create_dir_all(photos.join("deep")).unwrap();
    fs::copy(away.join("01.png"), photos.join("01.png")).unwrap();
    let summary = Run::new(&manifest, "0/2", &parts).run().unwrap();
    assert_eq!((summary.analysed, summary.failed), (1, 11));
    fs::remove_dir_all(&photos).unwrap();
    fs::rename(&away, &photos).unwrap();
    assert!(Run::new(&manifest, "0/2", &parts).run().unwrap().existed);
    let retry = Run { existing: Existing::RetryUnread, ..Run::new(&manifest, "0/2", &parts) };
    let summary = retry.run().unwrap();
    assert!(!summary.existed && summary.analysed > 1, "{summary:?}");
    // Those that failed for good are not tried again.
    assert!(retry.run().unwrap().existed);
}

#[test]
fn a_photo_of_another_size_than_listed_fails() {
    let (folder, photos, manifest) = mixed_folder();
    paint(&photos.join("01.png"), [1, 2, 3], [200, 5, 6], 98);
    let mut content = fs::read(photos.join("01.png")).unwrap();
    content.push(0);
    fs::write(photos.join("01.png"), content).unwrap();
    let parts = folder.path().join("parts");
    run_all(&manifest, 1, &parts, 2, false);
    let library = folder.path().join("library.lgn");
    merged(&parts, &library);
    let photo = Library::open_read_only(&library).unwrap().photo(&photos.join("01.png")).unwrap();
    let reason = photo.reason.unwrap();
    assert!(reason.contains(" bytes, and the manifest says "), "{reason}");
}

#[test]
fn a_cancelled_run_leaves_nothing() {
    let (folder, _photos, manifest) = mixed_folder();
    let out = folder.path().join("parts");
    fs::create_dir(&out).unwrap();
    let manifest = Manifest::open(&manifest).unwrap();
    let (shard, existing) = (Shard::WHOLE, Existing::Keep);
    let run = FleetRun { manifest: &manifest, shard, out: &out, root: None, existing };
    let mut cancel = |progress: &lorgnette::Progress| {
        if progress.done < 5 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    assert_eq!(run.run(&analyser(false), workers(2, false), &mut cancel).unwrap(), None);
    assert_eq!(files(&out), []);
    // A merge is cancelled as well.
    run.run(&analyser(false), workers(2, false), &mut ()).unwrap();
    let library = folder.path().join("library.lgn");
    let cancelled = merge(&[out], &library, &MergeOptions::default(), &mut cancel).unwrap();
    assert!(cancelled.is_none() && !library.exists());
    let names: Vec<String> = files_of(folder.path());
    assert!(!names.iter().any(|name| name.contains("library")), "{names:?}");
}

fn files_of(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// Rows that another scheduler distributes.
#[test]
fn parts_in_memory_merge_as_those_of_shards() {
    let (folder, photos, manifest) = mixed_folder();
    let parts = folder.path().join("parts");
    run_all(&manifest, 2, &parts, 2, true);
    let expected = merged(&parts, &folder.path().join("expected.lgn"));

    let analyser = analyser(true);
    let mut loaded = Vec::new();
    for path in Manifest::open(&manifest).unwrap().paths().unwrap() {
        let modified = path.metadata().unwrap().modified().unwrap();
        let modified = modified.duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as i64;
        let contents = fs::read(&path).map_err(|error| error.to_string());
        loaded.push(LoadedPhoto { path, modified: Some(modified), contents });
    }
    assert!(loaded.iter().all(|photo| photo.path.starts_with(&photos)));
    let others = folder.path().join("others");
    fs::create_dir(&others).unwrap();
    for (number, batch) in loaded.chunks(7).enumerate() {
        let part = analyser.part(batch.to_vec(), &mut workers(1, true)[0]).unwrap();
        fs::write(others.join(format!("{number}.parquet")), part).unwrap();
    }
    assert_eq!(merged(&others, &folder.path().join("library.lgn")), expected);
}

#[test]
fn damaged_parts_are_errors() {
    let (folder, _photos, manifest) = mixed_folder();
    let parts = folder.path().join("parts");
    run_all(&manifest, 1, &parts, 2, true);
    let part = parts.join("part-00000-of-00001.parquet");
    let whole = fs::read(&part).unwrap();
    let library = folder.path().join("library.lgn");
    let merge_now = || {
        let _ = fs::remove_file(&library);
        merge(std::slice::from_ref(&parts), &library, &MergeOptions::default(), &mut ())
    };
    for length in [0, 4, 8, whole.len() / 2, whole.len() - 1] {
        fs::write(&part, &whole[..length]).unwrap();
        let error = merge_now().unwrap_err().to_string();
        assert!(error.contains("part-00000-of-00001.parquet: "), "{error}");
        assert!(!library.exists());
    }
    let error = Run::new(&manifest, "0/1", &parts).run().unwrap_err().to_string();
    assert!(error.contains("not a whole Parquet file"), "{error}");
    // Whatever a bit is changed to, there is an answer or an error.
    let mut failed = 0;
    for number in 0..400 {
        let mut changed = whole.clone();
        let at = number * 7919 % changed.len();
        changed[at] ^= 1 << (number % 8);
        fs::write(&part, &changed).unwrap();
        failed += usize::from(merge_now().is_err());
    }
    assert!(failed > 0);
}

#[test]
fn manifests_without_photos_are_errors() {
    let (folder, photos, _) = folder();
    let open = |name: &str, content: &str| {
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        Manifest::open(path).unwrap_err().to_string()
    };
    assert!(open("m.txt", "\n\n").contains("m.txt: the manifest lists no photos"));
    assert!(open("m.csv", "name\na\n").contains("m.csv: the manifest has no column of paths"));
    assert!(open("m.parquet", "path\n").contains("m.parquet: not a whole Parquet file"));
    assert!(Manifest::open(&photos).unwrap_err().to_string().contains("a file is needed"));
    let remote = folder.path().join("remote.txt");
    fs::write(&remote, "s3://bucket/photo.jpg\n").unwrap();
    let parts = folder.path().join("parts");
    let error = Run::new(&remote, "0/1", &parts).run().unwrap_err().to_string();
    assert!(error.contains("s3://bucket/photo.jpg: only files of this machine"), "{error}");
}
