//! Converted networks give the same bits when they are opened again, and faults of a converted file
//! are reported.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lorgnette_net::zoo::{self, RandomWeights};
use lorgnette_net::{LoadOptions, Network, RunOptions, Tensor};
use lorgnette_oracle::made_up;

fn load() -> LoadOptions {
    LoadOptions::default()
}

fn run() -> RunOptions {
    RunOptions::with_threads(Some(2))
}

fn empty_folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("conversions").join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn lenet() -> Network {
    Network::from_architecture(zoo::find("lenet").unwrap(), Arc::new(RandomWeights), load(), run())
        .unwrap()
}

/// Writes LeNet's checkpoint into a folder.
fn lenet_in(folder: &Path) -> PathBuf {
    let prefix = folder.join("lenet.ckpt");
    lenet().write_checkpoint(&prefix, &["Logits"]).unwrap();
    prefix
}

/// Opens a model, and returns the bits of its output for two images.
fn answer(path: &Path) -> Vec<u32> {
    of(&Network::open(path, load(), run()).unwrap_or_else(|error| panic!("{error}")))
}

fn of(network: &Network) -> Vec<u32> {
    let signature = network.signature().unwrap();
    let side = network.net().map_or(28, |net| net.side);
    let channels = network.net().map_or(1, |net| net.channels);
    let shape = [2, side, side, channels];
    let pictures = Tensor::from_f32(&shape, made_up::image(&shape));
    let answers = network.run(&[(&signature.input.name, &pictures)], &[&signature.logits]).unwrap();
    answers[0].to_f32().iter().map(|value| value.to_bits()).collect()
}

#[test]
fn a_checkpoint_that_was_written_is_the_network_it_is_of() {
    for name in ["lenet", "cifarnet", "mobilenet_v1_025"] {
        let network = Network::from_architecture(
            zoo::find(name).unwrap(),
            Arc::new(RandomWeights),
            load(),
            run(),
        )
        .unwrap();
        let folder = empty_folder(&format!("checkpoint-{name}"));
        let signature = network.signature().unwrap();
        network.write_checkpoint(&folder.join("model.ckpt"), &[&signature.logits]).unwrap();
        for path in ["model.ckpt", "model.ckpt.index", ""] {
            assert_eq!(answer(&folder.join(path)), of(&network), "{name} by '{path}'");
        }
        assert_eq!(Network::open(&folder, load(), run()).unwrap().net().unwrap().name, name);
    }
}

#[test]
fn a_frozen_graph_and_its_own_conversions_give_the_same_bits() {
    let folder = empty_folder("frozen");
    let network = lenet();
    let signature = network.signature().unwrap();
    let graph = folder.join("lenet.pb");
    network.write_frozen(&graph, &[&signature.logits], [28, 28], &[]).unwrap();
    assert_eq!(answer(&graph), of(&network));
    let frozen = Network::open(&graph, load(), run()).unwrap();
    let again = folder.join("again.pb");
    frozen.write_frozen(&again, &[&signature.logits], [28, 28], &[]).unwrap();
    assert_eq!(answer(&again), of(&network));
}

#[test]
fn a_plan_file_starts_from_what_is_packed() {
    let folder = empty_folder("plan");
    let prefix = lenet_in(&folder);
    let network = Network::open(&prefix, load(), run()).unwrap();
    let wanted = of(&network);
    let plan = folder.join("lenet.plan");
    network.write_plan_file(&plan).unwrap();
    assert_eq!(answer(&plan), wanted);
    // The model is there, but nothing of it is needed.
    let opened = Network::open(&plan, load(), run()).unwrap();
    assert!(opened.stale_plan_file().is_none());
    assert_eq!((opened.name(), opened.net().unwrap().name), ("lenet", "lenet"));
    for file in ["lenet.ckpt.index", "lenet.ckpt.data-00000-of-00001"] {
        fs::remove_file(folder.join(file)).unwrap();
    }
    assert_eq!(answer(&plan), wanted);
    let gone = Network::open(&plan, load(), run())
        .unwrap()
        .run(&[], &["LeNet/conv1/weights"])
        .unwrap_err()
        .to_string();
    assert!(
        gone.contains("lenet.plan: variable 'LeNet/conv1/weights'")
            && gone.contains("the model is gone"),
        "{gone}"
    );
}

#[test]
fn a_plan_file_of_a_frozen_graph_keeps_every_node() {
    let folder = empty_folder("plan-of-graph");
    let network = lenet();
    let signature = network.signature().unwrap();
    let graph = folder.join("lenet.pb");
    network
        .write_frozen(&graph, &[signature.probabilities.as_ref().unwrap()], [28, 28], &[])
        .unwrap();
    let frozen = Network::open(&graph, load(), run()).unwrap();
    let wanted = of(&frozen);
    let plan = folder.join("lenet.plan");
    frozen.write_plan_file(&plan).unwrap();
    assert_eq!(answer(&plan), wanted);
    let opened = Network::open(&plan, load(), run()).unwrap();
    assert!(opened.node_names().eq(frozen.node_names()));
    // The weights are read from the graph when they are needed.
    let weights =
        |network: &Network| network.run(&[], &["LeNet/conv1/weights"]).unwrap()[0].to_f32();
    assert_eq!(weights(&opened), weights(&frozen));
}

#[test]
fn a_plan_file_is_stale_when_its_model_changes() {
    let folder = empty_folder("stale");
    let prefix = lenet_in(&folder);
    let network = Network::open(&prefix, load(), run()).unwrap();
    of(&network);
    let plan = folder.join("lenet.plan");
    network.write_plan_file(&plan).unwrap();
    let index = fs::read(folder.join("lenet.ckpt.index")).unwrap();
    fs::remove_file(folder.join("lenet.ckpt.index")).unwrap();
    fs::write(folder.join("lenet.ckpt.index"), index).unwrap();
    let changed = Network::open(&plan, load(), run()).unwrap();
    let (path, why) = changed.stale_plan_file().unwrap();
    assert_eq!((path, why), (plan.as_path(), "the model it is from has changed"));
    assert_eq!(of(&changed), of(&network));
    changed.write_plan_file(&plan).unwrap();
    assert!(Network::open(&plan, load(), run()).unwrap().stale_plan_file().is_none());
}

#[test]
fn a_plan_file_for_another_level_is_not_used() {
    let folder = empty_folder("level");
    let prefix = lenet_in(&folder);
    let portable = RunOptions { level: lorgnette_kernels::Level::Portable, ..run() };
    let network = Network::open(&prefix, load(), portable.clone()).unwrap();
    of(&network);
    let plan = folder.join("lenet.plan");
    network.write_plan_file(&plan).unwrap();
    assert!(Network::open(&plan, load(), portable).unwrap().stale_plan_file().is_none());
    if lorgnette_kernels::Level::best() != lorgnette_kernels::Level::Portable {
        let (_, why) = Network::open(&plan, load(), run())
            .unwrap()
            .stale_plan_file()
            .map(|(_, why)| ((), why.to_owned()))
            .unwrap();
        assert!(why.starts_with("it was packed for portable, not for "), "{why}");
        fs::remove_file(folder.join("lenet.ckpt.index")).unwrap();
        let error = Network::open(&plan, load(), run()).unwrap_err().to_string();
        assert!(error.contains("is gone: convert the model again"), "{error}");
    }
}

#[test]
fn a_damaged_plan_file_says_so() {
    let folder = empty_folder("damaged");
    let prefix = lenet_in(&folder);
    let network = Network::open(&prefix, load(), run()).unwrap();
    of(&network);
    let plan = folder.join("lenet.plan");
    network.write_plan_file(&plan).unwrap();
    let whole = fs::read(&plan).unwrap();
    let refused = |bytes: &[u8]| {
        fs::remove_file(&plan).unwrap();
        fs::write(&plan, bytes).unwrap();
        Network::open(&plan, load(), run()).err().map(|error| error.to_string())
    };
    for length in [8, 20, 100, whole.len() / 2] {
        let message = refused(&whole[..length]).unwrap();
        assert!(message.contains("lenet.plan: a damaged plan file: it ends"), "{message}");
    }
    for (at, wanted) in [(8, "its format is version"), (40, "checksum does not match")] {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x40;
        let message = refused(&bytes).unwrap();
        assert!(message.contains(wanted), "{message}");
    }
    assert_eq!(refused(&whole), None);
}

#[test]
fn what_was_settled_when_a_plan_file_was_made_is_not_asked_of_it() {
    let folder = empty_folder("settled");
    let prefix = lenet_in(&folder);
    let network = Network::open(&prefix, load(), run()).unwrap();
    of(&network);
    let plan = folder.join("lenet.plan");
    network.write_plan_file(&plan).unwrap();
    let named = LoadOptions { net: Some("lenet".into()), ..load() };
    let message = Network::open(&plan, named, run()).unwrap_err().to_string();
    assert!(message.contains("a plan file is as it was made: choose the network"), "{message}");
    let nothing = Network::open(&prefix, load(), run())
        .unwrap()
        .write_plan_file(&plan)
        .unwrap_err()
        .to_string();
    assert!(nothing.contains("nothing is planned yet"), "{nothing}");
}

#[test]
fn a_checkpoint_of_another_network_says_which_variable_is_amiss() {
    let folder = empty_folder("another");
    let network = Network::from_architecture(
        zoo::find("mobilenet_v1_025").unwrap(),
        Arc::new(RandomWeights),
        load(),
        run(),
    )
    .unwrap();
    let prefix = folder.join("model.ckpt");
    network.write_checkpoint(&prefix, &[]).unwrap();
    let refused = |net: &str| {
        let load = LoadOptions { net: Some(net.into()), ..load() };
        Network::open(&prefix, load, run()).unwrap_err().to_string()
    };
    let misshapen = refused("mobilenet_v1_050");
    assert!(
        misshapen.contains("model.ckpt: variable 'MobilenetV1/Conv2d_0/weights'"),
        "{misshapen}"
    );
    assert!(
        misshapen.contains("has the shape [3, 3, 3, 8]; the network needs [3, 3, 3, 16]"),
        "{misshapen}"
    );
    let missing = refused("mobilenet_v2");
    assert!(
        missing.contains("model.ckpt: variable 'MobilenetV2/Conv/weights': is not there"),
        "{missing}"
    );
    assert!(
        missing.contains("needed in shape [3, 3, 3, ") && missing.contains("the nearest are '"),
        "{missing}"
    );
}
