//! What the tests share: small photos, a network that is none, and the whole of a library as text.
#![allow(dead_code, reason = "each test takes what it needs")]

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use lorgnette::Picture;
use lorgnette_library::{
    Analysers, Detections, Event, ImageScore, IndexOptions, Library, ModelRecord, PhotoAnalyser,
    Region, Summary,
};
use rusqlite::types::ValueRef;

/// Tells colours, and counts how many photos it was shown.
#[derive(Clone, Default)]
pub(crate) struct Colours {
    pub(crate) shown: std::sync::Arc<std::sync::atomic::AtomicUsize>,
}

pub(crate) const CLASSES: [(Option<&str>, &str); 4] =
    [(Some("n01"), "red, crimson"), (Some("n02"), "green"), (Some("n03"), "blue"), (None, "grey")];

impl PhotoAnalyser for Colours {
    /// The colour of the whole, and of each half.
    fn analyse(&mut self, picture: &Picture) -> lorgnette::Result<Detections> {
        self.shown.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let pixels = picture.to_rgb8();
        let row = picture.width() * 3;
        let half = |from: usize, to: usize| {
            let mut sums = [0.0_f32; 3];
            for line in pixels.chunks(row) {
                for pixel in line[from * 3..to * 3].chunks(3) {
                    (0..3).for_each(|channel| sums[channel] += f32::from(pixel[channel]));
                }
            }
            let all = sums.iter().sum::<f32>().max(1.0);
            sums.map(|sum| sum / all)
        };
        let (middle, width) = (picture.width() / 2, picture.width());
        let whole = half(0, width);
        let best = |sums: [f32; 3]| (0..3).max_by(|&a, &b| sums[a].total_cmp(&sums[b])).unwrap();
        let region = |sums: [f32; 3], bounds| {
            let class = best(sums);
            Region { class, bounds, share: 0.5, mean: sums[class], peak: sums[class] }
        };
        let regions = vec![
            region(half(0, middle), [0.0, 0.0, 0.5, 1.0]),
            region(half(middle, width), [0.5, 0.0, 1.0, 1.0]),
        ];
        let classes = vec![ImageScore { class: best(whole), probability: whole[best(whole)] }];
        let features = (0..64).map(|i| whole[i % 3] * (1 + i / 3) as f32).collect();
        Ok(Detections { classes, regions, features })
    }
}

pub(crate) fn model_record(name: &str) -> ModelRecord {
    let mut fingerprint = [0; 32];
    fingerprint[..name.len()].copy_from_slice(name.as_bytes());
    let classes = CLASSES
        .iter()
        .map(|(synset, name)| (synset.map(str::to_owned), (*name).to_owned()))
        .collect();
    ModelRecord {
        name: name.into(),
        fingerprint,
        former_fingerprint: None,
        settings: "{}".into(),
        classes,
        features: 64,
    }
}

/// A photo whose halves have these colours, and whose pixels are nobody else's.
pub(crate) fn paint(path: &Path, left: [u8; 3], right: [u8; 3], number: u8) {
    let mut pixels = Vec::new();
    for i in 0..16 * 8 {
        pixels.extend(if i % 16 < 8 { left } else { right });
    }
    pixels[..3].copy_from_slice(&[number; 3]);
    Picture::from_rgb8(16, 8, pixels).unwrap().save(path.with_extension("png")).unwrap();
}

/// A folder of twenty photos and a library that is not there yet.
pub(crate) fn folder() -> (tempfile::TempDir, PathBuf, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let photos = folder.path().canonicalize().unwrap().join("photos");
    std::fs::create_dir_all(photos.join("deep")).unwrap();
    const COLOURS: [[u8; 3]; 3] = [[200, 10, 20], [10, 200, 30], [20, 10, 200]];
    for number in 0..20_u8 {
        let deep = if number % 3 == 0 { "deep/" } else { "" };
        let (left, right) =
            (COLOURS[usize::from(number) % 3], COLOURS[usize::from(number / 3) % 3]);
        paint(&photos.join(format!("{deep}{number:02}.png")), left, right, number);
    }
    let library = folder.path().join("library.lgn");
    (folder, photos, library)
}

/// Indexes, and says what became of the photos and what was shown to the network.
pub(crate) fn index(
    library: &mut Library,
    folder: &Path,
    model: &str,
) -> (Summary, usize, Vec<String>) {
    let colours = Colours::default();
    let mut errors = Vec::new();
    let mut on_event = |event: &Event<'_>| {
        match event {
            Event::Done { error: Some(error), .. } | Event::Inaccessible { error, .. } => {
                errors.push((*error).to_owned());
            }
            _ => {}
        }
        ControlFlow::Continue(())
    };
    let workers = vec![colours.clone(), colours.clone(), colours.clone()];
    let folders = [folder.to_owned()];
    let options = IndexOptions::default();
    let summary = lorgnette_library::index(
        library,
        &folders,
        Analysers { model: &model_record(model), workers },
        &options,
        &mut on_event,
    )
    .unwrap();
    (summary, colours.shown.load(std::sync::atomic::Ordering::SeqCst), errors)
}

/// Every row of every table, SQLite's own included.
pub(crate) fn everything(path: &Path) -> String {
    let connection = rusqlite::Connection::open(path).unwrap();
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' \
               AND name NOT LIKE 'region_box_%' AND name NOT LIKE 'class_name_%' ORDER BY name";
    let mut statement = connection.prepare(sql).unwrap();
    let names: Vec<String> =
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let mut text = String::new();
    for name in names {
        let mut statement = connection
            .prepare(&format!(
                "SELECT * FROM {name} ORDER BY 1{}",
                if ["folder", "class_name"].contains(&name.as_str()) { "" } else { ", 2" }
            ))
            .unwrap();
        let columns = statement.column_count();
        let mut rows = statement.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            text += &name;
            for column in 0..columns {
                text += &match row.get_ref(column).unwrap() {
                    ValueRef::Blob(bytes) => {
                        format!(
                            " x{}",
                            bytes.iter().map(|b| format!("{b:02x}")).collect::<String>()
                        )
                    }
                    other => format!(" {other:?}"),
                };
            }
            text.push('\n');
        }
    }
    text
}
