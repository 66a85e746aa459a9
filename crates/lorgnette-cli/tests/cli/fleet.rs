//! `lorgnette fleet`: shards, parts, one library of them.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::program::{Ended, Folder, lorgnette, program};

/// Photos, a copy, a file that is no photo, and their manifest.
fn folder() -> Folder {
    let folder = Folder::new()
        .with_photo("photos/cat.jpg", "chelsea.jpg")
        .with_photo("photos/cup.jpg", "coffee.jpg")
        .with_photo("photos/deep/copy.jpg", "chelsea.jpg")
        .with_photo("photos/deep/rocket.jpg", "rocket.jpg")
        .with("photos/letter.jpg", b"Dear library");
    let (photos, manifest) = (folder.text("photos"), folder.text("photos.parquet"));
    let ended = lorgnette(&["fleet", "manifest", &photos, "--out", &manifest]).well();
    assert!(ended.err.contains("photos.parquet: 5 photos"), "{}", ended.err);
    folder
}

fn arguments(folder: &Folder, shard: &str, out: &str, more: &[&str]) -> Vec<String> {
    let (manifest, out) = (folder.text("photos.parquet"), folder.text(out));
    let words = ["fleet", "run", "--manifest", &manifest, "--shard", shard, "--out", &out];
    let words = words.into_iter().chain(["--map-side", "256", "--format", "json"]);
    words.chain(more.iter().copied()).map(str::to_owned).collect()
}

fn run(folder: &Folder, shard: &str, out: &str, more: &[&str]) -> Ended {
    lorgnette(&arguments(folder, shard, out, more))
}

fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
        .collect();
    files.sort();
    files
}

#[test]
fn a_merged_library_answers_as_an_indexed_one() {
    let folder = folder();
    for shard in ["1/3", "0/3", "2/3"] {
        let ended = run(&folder, shard, "parts", &["--faces"]).well();
        assert_eq!(ended.json()[0]["existed"], false);
    }
    let again = run(&folder, "1/3", "parts", &["--faces"]).well();
    assert_eq!(again.json()[0]["existed"], true);
    let (parts, merged) = (folder.text("parts"), folder.text("merged.lgn"));
    let ended = lorgnette(&["fleet", "merge", &parts, "--library", &merged]).well();
    assert!(ended.out.contains("merged.lgn: 5 photos, 1 failed"), "{}", ended.out);
    let (photos, indexed) = (folder.text("photos"), folder.text("indexed.lgn"));
    let index = ["index", &photos, "--library", &indexed, "--map-side", "256", "--faces"];
    assert_eq!(lorgnette(&index).code, Some(1));
    for query in ["cat", "cat in the middle", "cup OR rocket", "no faces", "NOT cat"] {
        let search = |library: &str| {
            let words = ["search", query, "--library", library, "--format", "json"];
            lorgnette(&words).out
        };
        assert_eq!(search(&merged), search(&indexed), "{query}");
    }
    let similar = |library: &str| {
        let cat = folder.text("photos/cat.jpg");
        lorgnette(&["library", "similar", &cat, "--library", library]).well().out
    };
    assert_eq!(similar(&merged), similar(&indexed));
    // Photos that were analysed elsewhere are known here.
    let again = [&index[..3], &[&merged[..]], &index[4..], &["--format", "json"]].concat();
    let again = lorgnette(&again).well();
    assert_eq!(
        (&again.json()[0]["unchanged"], &again.json()[0]["analysed"]),
        (&5.into(), &0.into())
    );
}

#[test]
fn bytes_do_not_depend_on_threads_or_repeats() {
    let folder = folder();
    for (out, threads) in [("one", "1"), ("three", "3"), ("again", "3")] {
        run(&folder, "0/1", out, &["--threads", threads, "--faces"]).well();
    }
    let one = files(&folder.path("one"));
    assert_eq!(one.len(), 2);
    assert!(one == files(&folder.path("three")) && one == files(&folder.path("again")));
}

/// Killed at any time, a shard is there or it is not, and running it again gives the same bytes.
#[cfg(unix)]
#[test]
fn a_killed_run_leaves_no_part() {
    let folder = folder();
    let started = Instant::now();
    run(&folder, "0/1", "whole", &[]).well();
    let (whole, time) = (files(&folder.path("whole")), started.elapsed());
    let mut killed = 0;
    for number in 0..8_u32 {
        let out = format!("killed-{number}");
        let mut command = program(&arguments(&folder, "0/1", &out, &[]));
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        sleep(time * number / 8 + Duration::from_millis(1));
        child.kill().unwrap();
        killed += u32::from(!child.wait().unwrap().success());
        let out_path = folder.path(&out);
        let parts = || {
            let is_part = |name: &str| name.starts_with("part-");
            let files = if out_path.exists() { files(&out_path) } else { Vec::new() };
            files.into_iter().filter(|(name, _)| is_part(name)).collect::<Vec<_>>()
        };
        assert!(parts().iter().all(|file| whole.contains(file)), "no half files");
        run(&folder, "0/1", &out, &[]).well();
        assert!(parts() == whole);
    }
    assert!(killed > 0, "no run was killed");
}

#[test]
fn what_does_not_belong_together_is_refused() {
    let folder = folder();
    run(&folder, "0/2", "parts", &[]).well();
    let refused = |ended: Ended, what: &str| {
        assert_eq!(ended.code, Some(2), "{}", ended.err);
        assert!(ended.err.contains(what), "{}", ended.err);
    };
    refused(run(&folder, "1/3", "parts", &[]), "another number of shards");
    refused(
        run(&folder, "1/2", "parts", &["--decode", "reduced"]),
        "another model, or other options",
    );
    refused(run(&folder, "2/2", "parts", &[]), "of 2 shards the last is 1/2");
    let (parts, library) = (folder.text("parts"), folder.text("library.lgn"));
    let merge = ["fleet", "merge", &parts, "--library", &library];
    refused(lorgnette(&merge), "1 of 2 shards are missing: 1/2: run them first");
    let partial = lorgnette(&[&merge[..], &["--partial"]].concat());
    assert_eq!(partial.code, Some(1), "{}", partial.err);
    fs::remove_file(folder.path("photos/cup.jpg")).unwrap();
    let (photos, manifest) = (folder.text("photos"), folder.text("photos.parquet"));
    lorgnette(&["fleet", "manifest", &photos, "--out", &manifest]).well();
    refused(run(&folder, "1/2", "parts", &[]), "another manifest");
}
