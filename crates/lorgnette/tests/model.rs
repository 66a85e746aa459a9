//! Opening models: from memory, from plan files, without side effects.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Barrier};
use std::thread;

use lorgnette::kernels::{Level, ThreadPool};
use lorgnette::net::zoo;
use lorgnette::{
    Classifier, EMBEDDED_NAME, Embedder, Error, Model, ModelOptions, Picture, PictureRef, Progress,
};

fn chelsea() -> Picture {
    Picture::open("../../photos/chelsea.jpg").unwrap()
}

fn lenet(folder: &Path) -> PathBuf {
    let file = folder.join("lenet.pb");
    let lenet = zoo::find("lenet").unwrap();
    let model = Model::with_random_weights(lenet, &ModelOptions::default()).unwrap();
    model.write_frozen(&file).unwrap();
    file
}

/// Writes a plan file and changes the model it was made from.
fn stale_plan_file(folder: &Path) -> PathBuf {
    let file = lenet(folder);
    let plan = folder.join("lenet.plan");
    let options = ModelOptions { size: Some([28, 28]), ..ModelOptions::default() };
    Model::open(&file, &options).unwrap().write_plan_file(&plan).unwrap();
    let mut bytes = fs::read(&file).unwrap();
    // An unknown field, which readers of protocol buffers skip.
    bytes.extend([0xfa, 0x7f, 0]);
    fs::write(&file, bytes).unwrap();
    plan
}

#[test]
fn a_model_is_opened_from_memory() {
    let bytes = fs::read("models/mobilenet_v1_1.0_224.pb").unwrap();
    let options = ModelOptions::default();
    let model = Model::from_bytes(bytes, "mobilenet_v1_1.0_224.pb", &options).unwrap();
    assert_eq!(model.name(), EMBEDDED_NAME);
    let answer =
        |model: Model| Classifier::new(model).unwrap().classify(&chelsea(), 5).unwrap().predictions;
    assert_eq!(answer(model), answer(Model::embedded(&options).unwrap()));
    let error = Model::from_bytes(b"no model".as_slice(), "noise", &options).unwrap_err();
    assert!(error.to_string().contains("noise"), "{error}");
}

#[test]
fn models_share_a_thread_pool() {
    let pool = Arc::new(ThreadPool::new(1));
    let options = ModelOptions { pool: Some(pool.clone()), ..ModelOptions::default() };
    let model = Model::embedded(&options).unwrap();
    assert!(Arc::ptr_eq(&model.network().run_options().pool, &pool));
}

#[test]
fn a_stale_plan_file_is_rewritten_only_when_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let plan = stale_plan_file(folder.path());
    let before = fs::read(&plan).unwrap();
    let model = Model::open(&plan, &ModelOptions::default()).unwrap();
    let note = "the model it is from has changed: the model itself is used";
    assert!(model.notes().iter().any(|line| line.contains(note)), "{:?}", model.notes());
    assert_eq!(fs::read(&plan).unwrap(), before);

    assert_eq!(model.refresh_plan_file().unwrap(), Some(plan.as_path()));
    let fresh = Model::open(&plan, &ModelOptions::default()).unwrap();
    assert!(!fresh.notes().iter().any(|line| line.contains("changed")), "{:?}", fresh.notes());
    assert_eq!(fresh.refresh_plan_file().unwrap(), None);
}

#[test]
fn a_plan_file_for_a_chosen_level_is_not_rewritten() {
    let folder = tempfile::tempdir().unwrap();
    let plan = stale_plan_file(folder.path());
    let options = ModelOptions { level: Some(Level::Portable), ..ModelOptions::default() };
    let model = Model::open(&plan, &options).unwrap();
    if Level::best() != Level::Portable {
        assert_eq!(model.refresh_plan_file().unwrap(), None);
    }
}

/// Runs as root, to which every folder is writable, cannot show the error of refreshing.
#[cfg(unix)]
#[test]
fn a_stale_plan_file_in_a_read_only_folder_is_opened() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let plan = stale_plan_file(folder.path());
    let before = fs::read(&plan).unwrap();
    let set_mode = |mode| {
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(mode)).unwrap();
    };
    set_mode(0o555);
    let model = Model::open(&plan, &ModelOptions::default());
    let is_writable = fs::write(folder.path().join("probe"), "").is_ok();
    let refreshed = model.as_ref().ok().map(|model| model.refresh_plan_file().is_ok());
    let after = fs::read(&plan).unwrap();
    set_mode(0o755);

    let model = model.unwrap();
    let classifier = Classifier::new(model.clone()).unwrap();
    assert_eq!(classifier.classify(&chelsea(), 3).unwrap().predictions.len(), 3);
    assert!(model.notes().iter().any(|note| note.contains("has changed")), "{:?}", model.notes());
    if is_writable {
        println!("not tried: refreshing in a read-only folder, which root may write");
    } else {
        assert_eq!((refreshed, after), (Some(false), before));
    }
}

/// Two sessions of one size that are asked for at once are made from one plan.
#[test]
fn two_first_requests_of_one_size_plan_once() {
    let folder = tempfile::tempdir().unwrap();
    let options = ModelOptions { size: Some([28, 28]), ..ModelOptions::default() };
    let model = Model::open(&lenet(folder.path()), &options).unwrap();
    let input = model.signature().input.name.clone();
    let barrier = Barrier::new(4);
    let plan = || {
        barrier.wait();
        let shape = [5, 28, 28, 1];
        let session = model.network().session(&[(&input, &shape)], &[&model.signature().logits]);
        session.unwrap().plan().clone()
    };
    let plans: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(plan)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(plans.iter().all(|plan| Arc::ptr_eq(plan, &plans[0])));
}

fn photos() -> Vec<Picture> {
    let names = ["chelsea.jpg", "coffee.jpg", "rocket.jpg"];
    let exists = |name: &&str| Path::new("../../photos").join(name).is_file();
    let open = |name| Picture::open(Path::new("../../photos").join(name)).unwrap();
    let photos: Vec<Picture> = names.into_iter().filter(exists).map(open).collect();
    // Seven of them: batches of four, two and one.
    photos.iter().cycle().take(7).cloned().collect()
}

/// A network of the zoo computes several pictures at once, a graph one after another.
fn networks() -> [Model; 2] {
    let options = ModelOptions { size: Some([128, 128]), ..ModelOptions::default() };
    let zoo = Model::with_random_weights(zoo::find("mobilenet_v1_025").unwrap(), &options);
    [zoo.unwrap(), Model::embedded(&ModelOptions::default()).unwrap()]
}

#[test]
fn batches_have_the_bits_of_single_pictures() {
    let photos = photos();
    let pictures: Vec<PictureRef<'_>> = photos.iter().map(PictureRef::from).collect();
    for model in networks() {
        let classifier = Classifier::new(model.clone()).unwrap();
        let mut done = Vec::new();
        let mut observer = |progress: &Progress| {
            assert_eq!(progress.total, 7);
            done.push(progress.done);
            ControlFlow::Continue(())
        };
        let batch = classifier.classify_batch(&pictures, 3, &mut observer).unwrap();
        let single = |photo| classifier.classify(photo, 3).unwrap();
        assert_eq!(batch, photos.iter().map(single).collect::<Vec<_>>());
        let expected: &[usize] =
            if model.network().net().is_some() { &[0, 4, 6, 7] } else { &[0, 1, 2, 3, 4, 5, 6, 7] };
        assert_eq!(done, expected);

        let embedder = Embedder::new(model, None).unwrap();
        let batch = embedder.embed_batch(&pictures, &mut ()).unwrap();
        let single = |photo| embedder.embed(photo).unwrap();
        assert_eq!(batch, photos.iter().map(single).collect::<Vec<_>>());
    }
}

#[test]
fn a_batch_can_be_cancelled() {
    let photos = photos();
    let pictures: Vec<PictureRef<'_>> = photos.iter().map(PictureRef::from).collect();
    for model in networks() {
        let mut stop = |progress: &Progress| {
            if progress.done == 0 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        };
        let classifier = Classifier::new(model).unwrap();
        let error = classifier.classify_batch(&pictures, 3, &mut stop).unwrap_err();
        assert!(matches!(error, Error::Cancelled), "{error}");
    }
}

/// Where a batch would take too much memory, fewer pictures are computed at once.
#[test]
fn a_batch_stays_within_the_memory_limit() {
    let photos = photos();
    let pictures: Vec<PictureRef<'_>> = photos.iter().map(PictureRef::from).collect();
    let net = zoo::find("vgg_a").unwrap();
    let options = ModelOptions { size: Some([64, 64]), ..ModelOptions::default() };
    let single = Model::with_random_weights(net, &options).map(|model| {
        let shape = [1, 64, 64, 3];
        let input = model.signature().input.name.clone();
        model.network().plan(&[(&input, &shape)], &[&model.signature().logits]).unwrap()
    });
    let Ok(single) = single else { return };
    let memory_limit = 2 * single.activation_bytes(2) as u64;
    let limited = ModelOptions { memory_limit, threads: Some(1), ..options };
    let model = Model::with_random_weights(net, &limited).unwrap();
    let classifier = Classifier::new(model).unwrap();
    let batch = classifier.classify_batch(&pictures, 3, &mut ()).unwrap();
    assert_eq!(batch.len(), 7);
}

#[test]
fn borrowed_pixels_are_read_as_those_of_a_photo() {
    let classifier = Classifier::new(Model::embedded(&ModelOptions::default()).unwrap()).unwrap();
    let photo = chelsea();
    let rgb = photo.to_rgb8();
    let borrowed = PictureRef::from_rgb8(photo.width(), photo.height(), &rgb).unwrap();
    assert_eq!(classifier.classify(borrowed, 5).unwrap(), classifier.classify(&photo, 5).unwrap());
    let grey: Vec<u8> = rgb.chunks_exact(3).map(|pixel| pixel[1]).collect();
    let replicated = grey.iter().flat_map(|&level| [level; 3]).collect();
    let replicated = Picture::from_rgb8(photo.width(), photo.height(), replicated).unwrap();
    let borrowed = PictureRef::from_grey8(photo.width(), photo.height(), &grey).unwrap();
    let answer = classifier.classify(borrowed, 5).unwrap();
    assert_eq!(answer, classifier.classify(&replicated, 5).unwrap());
    assert!(
        PictureRef::from_rgb8(3, 3, &rgb).is_err() && PictureRef::from_grey8(0, 1, &[]).is_err()
    );
}
