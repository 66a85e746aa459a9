//! Version folders, labels and configuration files; versions that come and go under load.

mod common;

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use common::{cat, get, post, server};
use lorgnette_server::{ModelConfig, ModelSource, Server};
use serde_json::json;

/// Puts the embedded network into a version's folder, in one step as a careful administrator does.
fn put_version(folder: &Path, version: u64) {
    let staged = folder.join(format!(".{version}"));
    fs::create_dir_all(&staged).expect("a folder");
    let graph =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../lorgnette/models/mobilenet_v1_1.0_224.pb");
    fs::copy(graph, staged.join("graph.pb")).expect("a copy");
    fs::rename(&staged, folder.join(version.to_string())).expect("a name");
}

fn version_of(server: &Server) -> u64 {
    let head = ["Inference-Header-Content-Length: 0"];
    let answer = common::send(server, "POST /v2/models/m/infer", &head, &cat());
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.header("x-model-version").and_then(|version| version.parse().ok()).expect("a version")
}

fn wait_for(what: &str, is_true: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_true() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn versions_come_and_go_without_a_lost_request() {
    let folder = tempfile::tempdir().expect("a folder");
    put_version(folder.path(), 1);
    let server = server(|options| {
        options.models = vec![ModelConfig::new("m", ModelSource::Path(folder.path().into()))];
    });
    assert_eq!(version_of(&server), 1);
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let client = || {
            let mut last = 0;
            while !is_over.load(Ordering::Relaxed) {
                let version = version_of(&server);
                assert!(version >= last, "version {version} after {last}");
                last = version;
            }
        };
        let clients = [scope.spawn(client), scope.spawn(client)];
        for version in 2..=5 {
            put_version(folder.path(), version);
            wait_for("the new version", || server.models() == [("m".to_owned(), version)]);
            fs::remove_dir_all(folder.path().join((version - 1).to_string())).expect("it is there");
        }
        is_over.store(true, Ordering::Relaxed);
        for client in clients {
            client.join().expect("no request is lost");
        }
    });
    let states = get(&server, "/v1/models/m").json();
    let states = states["model_version_status"].as_array().expect("a list").clone();
    assert_eq!((&states[0]["version"], &states[0]["state"]), (&json!("5"), &json!("AVAILABLE")));
    assert!(states[1..].iter().all(|state| state["state"] == "END"), "{states:?}");
}

#[test]
fn a_version_that_cannot_be_loaded_leaves_the_old_one() {
    let folder = tempfile::tempdir().expect("a folder");
    put_version(folder.path(), 1);
    let server = server(|options| {
        options.models = vec![ModelConfig::new("m", ModelSource::Path(folder.path().into()))];
    });
    fs::create_dir(folder.path().join("2")).expect("a folder");
    fs::write(folder.path().join("2/graph.pb"), "no graph").expect("a file");
    wait_for("the failure", || get(&server, "/v1/models/m").text().contains("INVALID_ARGUMENT"));
    assert_eq!(version_of(&server), 1);
    assert_eq!(get(&server, "/readyz").status, 200);
    let index = post(&server, "/v2/repository/index", "").json();
    assert_eq!((&index[1]["version"], &index[1]["state"]), (&json!("2"), &json!("UNAVAILABLE")));
    assert!(
        index[1]["reason"].as_str().is_some_and(|reason| reason.contains("graph.pb")),
        "{index}"
    );
}

#[test]
fn labels_and_policies_of_a_configuration_file_hold() {
    let folder = tempfile::tempdir().expect("a folder");
    for version in [3, 5, 9] {
        put_version(&folder.path().join("flowers"), version);
    }
    let text =
        "model_config_list { config { name: 'm' base_path: 'flowers' model_platform: 'tensorflow'
        model_version_policy { specific { versions: 3 versions: 5 } }
        version_labels { key: 'stable' value: 3 } version_labels { key: 'canary' value: 5 } } }";
    let path = folder.path().join("models.config");
    fs::write(&path, text).expect("a file");
    let server = server(|options| options.models = ModelConfig::read(&path).expect("it is right"));
    for (path, version) in [
        ("/v1/models/m/labels/stable/metadata", "3"),
        ("/v1/models/m/labels/canary/metadata", "5"),
        ("/v1/models/m/versions/3/metadata", "3"),
        ("/v1/models/m/metadata", "5"),
    ] {
        assert_eq!(get(&server, path).json()["model_spec"]["version"], version, "{path}");
    }
    assert_eq!(get(&server, "/v2/models/m").json()["versions"], json!(["3", "5"]));
    assert_eq!(get(&server, "/v1/models/m/versions/9/metadata").status, 404);
}

#[test]
fn a_server_is_not_ready_before_its_models_are() {
    let folder = tempfile::tempdir().expect("a folder");
    let options = lorgnette_server::ServerOptions {
        models: vec![ModelConfig::new("m", ModelSource::Path(folder.path().into()))],
        addresses: vec!["127.0.0.1:0".parse().expect("an address")],
        poll: Duration::from_millis(50),
        ..Default::default()
    };
    let server = Server::start(options).expect("it starts");
    let faults = server.wait_until_loaded();
    assert!(faults[0].message.contains("is no model"), "{faults:?}");
    assert_eq!(get(&server, "/livez").status, 200);
    for path in ["/readyz", "/v2/health/ready"] {
        assert_ne!(get(&server, path).status, 200, "{path}");
    }
    put_version(folder.path(), 1);
    wait_for("readiness", || get(&server, "/readyz").status == 200);
    assert_eq!(version_of(&server), 1);
}
