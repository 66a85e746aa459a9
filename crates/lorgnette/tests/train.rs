//! Training from end to end: made-up photos in folders, every fault, every interruption.

use std::collections::HashSet;
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use lorgnette::Observer;
use lorgnette::dataset::{
    Dataset, Grouping, Listing, ListingOptions, Nested, Note, PathPattern, RejectionReason, Split,
    SplitBy, SplitOptions,
};
use lorgnette::features::{
    AugmentationOptions, ExtractError, Extraction, Extractor, FeatureCache, FeatureRequest,
};
use lorgnette::head::{
    self, Checkpoint, ClassWeights, Event, Examples, HeadObserver, OutputKind, Recipe,
    TrainOptions, Trained, TrainingTask,
};
use lorgnette::kernels::{Level, ThreadPool};
use lorgnette::metrics::{ScoredPhoto, label_issues};
use lorgnette::net::zoo;
use lorgnette::picture::OpenOptions;
use lorgnette::{Model, ModelOptions, Picture};

/// A small picture of one colour, unlike others of another number.
fn photo(path: &Path, colour: [u8; 3], number: usize) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let level = |i: usize| colour[i % 3].wrapping_add((i * (2 * number + 1) % 251 / 10) as u8);
    Picture::from_rgb8(24, 20, (0..24 * 20 * 3).map(level).collect()).unwrap().save(path).unwrap();
}

fn reds_and_blues(folder: &Path, count: usize) {
    for number in 0..count {
        photo(&folder.join(format!("red/{number}.png")), [200, 20, 20], number);
        photo(&folder.join(format!("blue/{number}.png")), [20, 20, 200], number + 100);
    }
}

fn dataset(path: &Path, options: &ListingOptions) -> Dataset {
    Dataset::read(Listing::open(path, options).unwrap(), 2, &mut ()).unwrap()
}

fn plain(path: &Path) -> Dataset {
    dataset(path, &ListingOptions::default())
}

/// What each content is for.
fn by_content(dataset: &Dataset, options: &SplitOptions) -> HashSet<(String, Split)> {
    let splits = dataset.split(options).unwrap();
    dataset
        .examples
        .iter()
        .zip(splits)
        .map(|(example, split)| (example.digest.to_string(), split))
        .collect()
}

#[test]
fn moving_renaming_and_adding_photos_changes_no_split() {
    let folder = tempfile::tempdir().unwrap();
    let (here, there) = (folder.path().join("here"), folder.path().join("there/deep"));
    reds_and_blues(&here, 40);
    let options = SplitOptions::default();
    let before = by_content(&plain(&here), &options);
    fs::create_dir_all(there.parent().unwrap()).unwrap();
    fs::rename(&here, &there).unwrap();
    fs::rename(there.join("red/3.png"), there.join("red/été 🌹.png")).unwrap();
    assert_eq!(by_content(&plain(&there), &options), before);
    (200..240)
        .for_each(|number| photo(&there.join(format!("red/{number}.png")), [210, 30, 30], number));
    assert!(by_content(&plain(&there), &options).is_superset(&before));
    let other = by_content(&plain(&there), &SplitOptions { seed: 1, ..options });
    assert!(!other.is_superset(&before));
}

#[test]
fn groups_stay_together() {
    let folder = tempfile::tempdir().unwrap();
    for number in 0..60 {
        let (group, class) = (number / 6, if number % 12 < 6 { "a" } else { "b" });
        let colour = [number as u8 * 4, group as u8 * 9, 3];
        photo(&folder.path().join(format!("{class}/g{group}_nohash_{number}.png")), colour, number);
    }
    let pattern = Grouping::Pattern(r"/(g\d+)_".parse::<PathPattern>().unwrap());
    for groups in [Grouping::Nohash, pattern] {
        let dataset = plain(folder.path());
        let splits = dataset
            .split(&SplitOptions { groups, validation: 30.0, test: 30.0, ..Default::default() })
            .unwrap();
        let of_group = |group: usize| -> HashSet<Split> {
            let belongs = |path: &Path| path.to_string_lossy().contains(&format!("g{group}_"));
            let found =
                dataset.examples.iter().zip(&splits).filter(|(example, _)| belongs(&example.photo));
            found.map(|(_, &split)| split).collect()
        };
        assert!((0..10).all(|group| of_group(group).len() == 1));
        assert_eq!(splits.iter().copied().collect::<HashSet<_>>().len(), 3);
    }
}

#[test]
fn folders_and_lists_may_say_what_photos_are_for() {
    let folder = tempfile::tempdir().unwrap();
    for (split, count) in [("train", 8u8), ("val", 2), ("test", 3)] {
        for number in 0..count {
            photo(
                &folder.path().join(format!("{split}/a/{number}.png")),
                [number * 9, 1, count],
                usize::from(number),
            );
            photo(
                &folder.path().join(format!("{split}/b/{number}.png")),
                [number * 9, 90, count],
                usize::from(number),
            );
        }
    }
    let found = plain(folder.path());
    let splits = found.split(&SplitOptions::default()).unwrap();
    assert_eq!(found.classes, ["a", "b"]);
    assert_eq!(Split::ALL.map(|split| splits.iter().filter(|&&s| s == split).count()), [16, 4, 6]);
    // Without a folder for test, training's photos are dealt out.
    fs::remove_dir_all(folder.path().join("test")).unwrap();
    let found = plain(folder.path());
    assert!(found.split(&SplitOptions::default()).unwrap().contains(&Split::Test));
    let list = folder.path().join("photos.csv");
    fs::write(
        &list,
        "path,label,split\ntrain/a/1.png,x,test\ntrain/a/2.png,x,train\ntrain/b/1.png,y,val\ntrain/b/2.png,y,train\n",
    )
    .unwrap();
    let found = plain(&list);
    let splits = found.split(&SplitOptions::default()).unwrap();
    let by_name: HashSet<(String, Split)> = found
        .examples
        .iter()
        .zip(splits)
        .map(|(e, s)| (e.photo.file_name().unwrap().to_string_lossy().into(), s))
        .collect();
    assert!(
        by_name.contains(&("1.png".into(), Split::Test))
            && by_name.contains(&("1.png".into(), Split::Validation))
    );
}

#[test]
fn a_split_has_photos_or_it_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    reds_and_blues(folder.path(), 2);
    let splits = plain(folder.path()).split(&SplitOptions::default()).unwrap();
    assert!(Split::ALL.iter().all(|split| splits.contains(split)));
    fs::remove_file(folder.path().join("red/0.png")).unwrap();
    let message = plain(folder.path()).split(&SplitOptions::default()).unwrap_err().to_string();
    assert!(message.contains("3 photos of 2 classes are too few"), "{message}");
    fs::remove_dir_all(folder.path().join("red")).unwrap();
    let message = plain(folder.path()).split(&SplitOptions::default()).unwrap_err().to_string();
    assert!(message.contains("only 'blue'"), "{message}");
}

#[test]
fn every_fault_is_told_and_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let at = |path: &str| folder.path().join(path);
    reds_and_blues(folder.path(), 3);
    fs::copy(at("red/0.png"), at("red/copy.png")).unwrap();
    fs::copy(at("red/1.png"), at("blue/not blue.png")).unwrap();
    fs::write(at("red/empty.jpg"), "").unwrap();
    fs::create_dir_all(at("nothing")).unwrap();
    fs::create_dir_all(at("red/deeper")).unwrap();
    fs::copy(at("red/2.png"), at("red/deeper/2.png")).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink(folder.path(), at("red/loop")).unwrap();
    let mut found = plain(folder.path());
    let kinds = |kind| found.rejected.iter().filter(|rejection| rejection.reason == kind).count();
    assert_eq!(kinds(RejectionReason::Duplicate), 1);
    assert_eq!(kinds(RejectionReason::ConflictingLabels), 2);
    assert_eq!(kinds(RejectionReason::Unreadable), 1);
    assert!(
        found
            .rejected
            .iter()
            .all(|rejection| rejection.message.contains(&*rejection.photo.display().to_string()))
    );
    assert_eq!(found.examples.len(), 5);
    let nested = Note::NestedPhotos { class: "red".into(), photos: 1 };
    assert!(found.notes.contains(&nested), "{:?}", found.notes);
    found.drop_empty_classes();
    assert_eq!(found.classes, ["blue", "red"]);
    assert!(found.notes.contains(&Note::EmptyClass { class: "nothing".into() }));
    let nested = dataset(
        folder.path(),
        &ListingOptions { nested: Nested::Classes, multi_label: true, ..Default::default() },
    );
    assert!(nested.classes.contains(&"red/deeper".to_owned()));
    // Where a photo may be several things, it is.
    assert!(nested.examples.iter().any(|example| example.classes.len() == 2));
    assert!(
        nested
            .rejected
            .iter()
            .all(|rejection| rejection.reason != RejectionReason::ConflictingLabels)
    );
}

#[test]
fn lists_have_labels_of_any_kind() {
    let folder = tempfile::tempdir().unwrap();
    reds_and_blues(folder.path(), 2);
    let list = folder.path().join("list.csv");
    fs::write(
        &list,
        "red/0.png,\"a/b, c\"\nred/1.png,\"🌹|x\"\nblue/0.png,\nblue/1.png,x\nblue/1.png,y\n",
    )
    .unwrap();
    let found = plain(&list);
    assert!(
        found.classes.contains(&"a/b, c".to_owned()) && found.classes.contains(&"🌹|x".to_owned())
    );
    let kinds: Vec<RejectionReason> =
        found.rejected.iter().map(|rejection| rejection.reason).collect();
    assert!(
        kinds.contains(&RejectionReason::Unlabelled)
            && kinds.contains(&RejectionReason::ConflictingLabels),
        "{kinds:?}"
    );
    let several = dataset(&list, &ListingOptions { multi_label: true, ..Default::default() });
    assert!(several.examples.iter().any(|example| example.classes.len() == 2));
    fs::write(&list, "filename;label\nred/0.png;x, y\nblue/0.png;z\n").unwrap();
    assert_eq!(plain(&list).classes, ["x, y", "z"]);
    fs::write(&list, "no,such\nfile,here\n").unwrap();
    assert_eq!(plain(&list).rejected.len(), 2);
    fs::write(&list, [0xff, 0xfe, 0x00]).unwrap();
    assert!(Listing::open(&list, &ListingOptions::default()).is_err());
}

#[test]
fn the_split_of_retrain_is_its_own() {
    let folder = tempfile::tempdir().unwrap();
    reds_and_blues(folder.path(), 30);
    let dataset = plain(folder.path());
    let splits =
        dataset.split(&SplitOptions { by: SplitBy::Retrain, ..Default::default() }).unwrap();
    assert!(Split::ALL.iter().all(|split| splits.contains(split)));
}

fn small_model() -> Model {
    Model::with_random_weights(
        zoo::find("mobilenet_v1_025").unwrap(),
        &ModelOptions { size: Some([64, 64]), ..Default::default() },
    )
    .unwrap()
}

fn extract_all(
    extractor: &Extractor,
    dataset: &Dataset,
    cache: &mut FeatureCache,
    threads: usize,
) -> (Vec<Vec<f32>>, usize) {
    let requests: Vec<FeatureRequest> = dataset
        .examples
        .iter()
        .map(|example| FeatureRequest { example: example.clone(), augmentation: None })
        .collect();
    let mut computed = 0;
    let found = extractor.extract_all(&requests, cache, threads, &mut |event: &Extraction| {
        computed = event.computed;
        ControlFlow::Continue(())
    });
    (found.unwrap().into_iter().map(Result::unwrap).collect(), computed)
}

#[test]
fn features_are_computed_once_and_never_stale() {
    let folder = tempfile::tempdir().unwrap();
    let photos = folder.path().join("photos");
    reds_and_blues(&photos, 4);
    let extractor = Extractor::new(small_model(), None, OpenOptions::default()).unwrap();
    let mut cache = FeatureCache::open(&folder.path().join("cache")).unwrap();
    let (first, computed) = extract_all(&extractor, &plain(&photos), &mut cache, 2);
    assert_eq!(computed, 8);
    assert_eq!(extract_all(&extractor, &plain(&photos), &mut cache, 1), (first.clone(), 0));
    photo(&photos.join("red/1.png"), [1, 2, 3], 77);
    let (changed, computed) = extract_all(&extractor, &plain(&photos), &mut cache, 1);
    assert!(computed == 1 && changed != first);
    // Another end point, or another size, is another thing.
    let other =
        Extractor::new(small_model(), Some("Conv2d_11_pointwise"), OpenOptions::default()).unwrap();
    assert_eq!(extract_all(&other, &plain(&photos), &mut cache, 1).1, 8);
    let turned = Extractor::new(
        small_model(),
        None,
        OpenOptions { ignore_orientation: true, ..Default::default() },
    );
    assert_ne!(turned.unwrap().source(), extractor.source());
    let reduced = Extractor::new(
        small_model(),
        None,
        OpenOptions { min_decode_size: Some([64; 2]), ..Default::default() },
    );
    assert_ne!(reduced.unwrap().source(), extractor.source());
    // So is a distorted copy.
    let augmentations =
        AugmentationOptions { flip: true, crop: 10.0, copies: 1, ..Default::default() };
    let example = plain(&photos).examples[0].clone();
    let augmentation = Some(augmentations.for_copy(example.digest, 0));
    let mut computed = 0;
    for _ in 0..2 {
        let requests = [FeatureRequest { example: example.clone(), augmentation }];
        extractor
            .extract_all(&requests, &mut cache, 1, &mut |event: &Extraction| {
                computed += event.computed;
                ControlFlow::Continue(())
            })
            .unwrap();
    }
    assert_eq!(computed, 1);
}

#[test]
fn stopping_keeps_what_was_computed() {
    let folder = tempfile::tempdir().unwrap();
    reds_and_blues(folder.path(), 6);
    let dataset = plain(folder.path());
    let extractor = Extractor::new(small_model(), None, OpenOptions::default()).unwrap();
    let mut cache = FeatureCache::open(&folder.path().join("cache")).unwrap();
    let requests: Vec<FeatureRequest> = dataset
        .examples
        .iter()
        .map(|example| FeatureRequest { example: example.clone(), augmentation: None })
        .collect();
    let stopped = extractor
        .extract_all(&requests, &mut cache, 1, &mut |event: &Extraction| {
            if event.done < 5 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })
        .unwrap_err();
    assert!(matches!(stopped, ExtractError::Cancelled), "{stopped}");
    let (_, computed) = extract_all(&extractor, &dataset, &mut cache, 1);
    assert!((1..=7).contains(&computed), "{computed}");
}

/// Examples of `classes` clouds.
fn clouds(count: usize, width: usize, classes: usize) -> Examples {
    let noise = |i: usize| {
        ((i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    let value = |i: usize| {
        let (row, feature) = (i / width, i % width);
        0.8 * noise(i + 17) + if feature % classes == row % classes { 0.5 } else { 0.0 }
    };
    let features = (0..count * width).map(value).collect();
    Examples::new(width, features, (0..count).map(|row| vec![row % classes]).collect())
}

fn trained(
    options: &TrainOptions,
    threads: usize,
    from: Option<Checkpoint>,
    observer: &mut HeadObserver<'_>,
) -> Trained {
    let (training, validation) =
        (clouds(300, 20, 3), clouds(90, 20, 3).select(&(3..90).collect::<Vec<_>>()));
    let pool = ThreadPool::new(threads);
    let task = TrainingTask {
        training: &training,
        validation: &validation,
        classes: 3,
        options,
        pool: &pool,
        level: Level::best(),
    };
    head::train(&task, from, observer).unwrap()
}

fn every_way() -> Vec<TrainOptions> {
    let usual = TrainOptions { epochs: 30, ..Default::default() };
    vec![
        usual.clone(),
        TrainOptions {
            label_smoothing: 0.1,
            class_weights: ClassWeights::Balanced,
            ..usual.clone()
        },
        TrainOptions { hidden: Some(16), ..usual.clone() },
        TrainOptions {
            recipe: Recipe::Tutorial,
            steps: Some(60),
            rate: Some(0.5),
            ..usual.clone()
        },
        TrainOptions { recipe: Recipe::Retrain, steps: Some(40), rate: Some(0.5), ..usual.clone() },
        TrainOptions { answer: OutputKind::Sigmoid, ..usual },
    ]
}

#[test]
fn every_way_learns_and_threads_do_not_matter() {
    for options in every_way() {
        let one = trained(&options, 1, None, &mut ());
        let three = trained(&options, 3, None, &mut ());
        assert_eq!(one.layers, three.layers, "{options:?}");
        let best = one.epochs.iter().map(|epoch| epoch.validation_accuracy).fold(0.0, f64::max);
        assert!(best > 0.9, "{best} {options:?}");
        let seeded = trained(&TrainOptions { seed: 1, ..options.clone() }, 1, None, &mut ());
        let is_convex = options.recipe == Recipe::Default && options.hidden.is_none();
        assert_eq!(seeded.layers == one.layers, is_convex, "{options:?}");
    }
}

/// Stops a training whenever it is asked, and keeps where it stood.
struct Stopper {
    after: usize,
    asked: usize,
    state: Option<Checkpoint>,
}

impl Observer<Event<'_>> for Stopper {
    fn event(&mut self, event: &Event<'_>) -> ControlFlow<()> {
        match event {
            Event::Checkpoint(checkpoint) => self.state = Some(checkpoint()),
            Event::Iteration => {
                self.asked += 1;
                if self.asked > self.after {
                    return ControlFlow::Break(());
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// Wherever it is stopped, it ends in the same weights, to the last bit, as if it had not been.
#[test]
fn an_interrupted_training_ends_as_any() {
    for options in every_way() {
        let whole = trained(&options, 2, None, &mut ());
        for after in [0, 1, 3, 7, 12, 19, 33] {
            let mut stopper = Stopper { after, asked: 0, state: None };
            let stopped = trained(&options, 1, None, &mut stopper);
            // Through a file, as the program does it.
            let state = stopper.state.map(|state| {
                let file = tempfile::NamedTempFile::new().unwrap();
                let digest = lorgnette::dataset::Digest([1; 32]);
                state.write(file.path(), digest).unwrap();
                Checkpoint::read(file.path(), digest).unwrap()
            });
            let resumed = trained(&options, 2, state, &mut ());
            assert!(stopped.interrupted || stopped.layers == whole.layers);
            assert_eq!(resumed.layers, whole.layers, "stopped after {after}: {options:?}");
            assert_eq!(resumed.best_epoch, whole.best_epoch);
            assert_eq!(resumed.epochs.len(), whole.epochs.len());
        }
    }
}

/// A layer that did not learn a wrong label tells what it should have been.
#[test]
fn labels_that_are_wrong_are_told_by_layers_that_did_not_learn_them() {
    let (sound, validation) = (clouds(300, 20, 3), clouds(90, 20, 3));
    let is_wrong = |row: usize| row % 40 == 7;
    let truth =
        (0..300).map(|row| vec![if is_wrong(row) { (row + 1) % 3 } else { row % 3 }]).collect();
    let training = Examples::new(20, sound.features().to_vec(), truth);
    let folds: Vec<usize> = (0..300).map(|row| row / 7 % 5).collect();
    let held_out = |threads: usize, observer: &mut HeadObserver<'_>| {
        let (pool, options, level) =
            (ThreadPool::new(threads), TrainOptions::default(), Level::best());
        let task = TrainingTask {
            training: &training,
            validation: &validation,
            classes: 3,
            options: &options,
            pool: &pool,
            level,
        };
        head::out_of_fold_scores(&task, &folds, Some(0.03), observer)
    };
    let scores = held_out(1, &mut ()).unwrap();
    assert_eq!(held_out(3, &mut ()).unwrap(), scores);
    let scored: Vec<ScoredPhoto> = scores
        .chunks_exact(3)
        .zip(training.truth())
        .map(|(scores, truth)| ScoredPhoto {
            photo: "a".into(),
            truth: truth.clone(),
            probabilities: head::probabilities(scores, OutputKind::Softmax),
        })
        .collect();
    let found: Vec<usize> =
        label_issues(3, &scored).into_iter().map(|suspect| suspect.photo).collect();
    assert!(found.len() >= 4 && found.iter().all(|&row| is_wrong(row)), "{found:?}");
    assert!(held_out(1, &mut Stopper { after: 3, asked: 0, state: None }).is_none());
}

/// Where the loss cannot be defended against too large a rate, it says so.
#[test]
fn a_loss_without_limit_is_an_error() {
    let options =
        TrainOptions { recipe: Recipe::Tutorial, rate: Some(1e300), ..Default::default() };
    let (training, validation) = (clouds(60, 8, 2), clouds(20, 8, 2));
    let pool = ThreadPool::new(1);
    let task = TrainingTask {
        training: &training,
        validation: &validation,
        classes: 2,
        options: &options,
        pool: &pool,
        level: Level::best(),
    };
    let message = head::train(&task, None, &mut ()).unwrap_err().to_string();
    assert!(message.contains("lower the learning rate"), "{message}");
}

/// Biases are penalised, but not so much that they could not say how frequent a class is.
#[test]
fn features_that_say_nothing_leave_classes_as_frequent_as_they_were() {
    let frequent = |examples: Examples| {
        let truth = (0..examples.len()).map(|row| vec![usize::from(row % 10 == 0)]).collect();
        Examples::new(examples.width(), examples.features().to_vec(), truth)
    };
    // Of three classes' clouds, whose turns have nothing to do with tens.
    let (training, validation) = (frequent(clouds(600, 20, 3)), frequent(clouds(150, 20, 3)));
    let (pool, options, level) = (ThreadPool::new(1), TrainOptions::default(), Level::best());
    let task = TrainingTask {
        training: &training,
        validation: &validation,
        classes: 2,
        options: &options,
        pool: &pool,
        level,
    };
    let trained = head::train(&task, None, &mut ()).unwrap();
    let said = trained.layers.probabilities(&validation, OutputKind::Softmax, level, &pool);
    let mean = said.iter().map(|row| row[0]).sum::<f32>() / said.len() as f32;
    assert!((mean - 0.9).abs() < 0.03, "{mean}");
}

/// Prints what was reached when.
struct Clock(std::time::Instant);

impl Observer<Event<'_>> for Clock {
    fn event(&mut self, event: &Event<'_>) -> ControlFlow<()> {
        let seconds = self.0.elapsed().as_secs_f64();
        match event {
            Event::Trial(trial) => {
                println!("{seconds:5.1} s: penalty {:.1e}, loss {:.4}", trial.penalty, trial.loss);
            }
            Event::Epoch(epoch) => println!(
                "{seconds:5.1} s: epoch {}, losses {:.4} and {:.4}, accuracy {:.4}",
                epoch.epoch, epoch.training_loss, epoch.validation_loss, epoch.validation_accuracy
            ),
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// The size of the tutorial's dataset and more. Prints how long it takes, which must be under a
/// minute; on a machine that does something else too, look at the share it got.
#[test]
#[ignore = "a minute and a gigabyte; .ci/run does it"]
fn a_hundred_thousand_photos_of_257_classes_are_told_apart() {
    let (count, width, classes) = (100_000, 1024, 257);
    let training = clouds(count, width, classes);
    let validation = clouds(count / 10, width, classes);
    let pool = ThreadPool::new(std::thread::available_parallelism().map_or(1, usize::from));
    let options = TrainOptions::default();
    let task = TrainingTask {
        training: &training,
        validation: &validation,
        classes,
        options: &options,
        pool: &pool,
        level: Level::best(),
    };
    let started = std::time::Instant::now();
    let trained = head::train(&task, None, &mut Clock(started)).unwrap();
    let seconds = started.elapsed().as_secs_f64();
    let last = trained.epochs[trained.best_epoch - 1];
    println!(
        "{count} x {width}, {classes} classes: {seconds:.1} s on {} threads; {} penalties, {} epochs, validation accuracy {:.4}",
        pool.threads(),
        trained.tried.len(),
        trained.epochs.len(),
        last.validation_accuracy
    );
    assert!(last.validation_accuracy > 0.99, "{}", last.validation_accuracy);
}
