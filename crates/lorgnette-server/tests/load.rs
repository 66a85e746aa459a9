//! More requests than can be answered, and models that change meanwhile.

mod common;

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use common::{cat, memory, post, send, server};
use lorgnette_server::{ModelConfig, ModelSource};
use serde_json::json;

/// Held by each test: memory is counted for the process.
static ALONE: Mutex<()> = Mutex::new(());

#[test]
fn overload_is_refused_and_what_is_accepted_is_answered() {
    const CLIENTS: usize = 16;
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let server = server(|options| {
        options.queue = 3;
        options.model_options.threads = Some(1);
    });
    let photo = cat();
    let expected = post(&server, "/v1/classify?top=3", &photo).body;
    let (accepted, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let run = |seconds: f64| {
        let end = Instant::now() + Duration::from_secs_f64(seconds);
        std::thread::scope(|scope| {
            let client = || {
                while Instant::now() < end {
                    let answer = post(&server, "/v1/classify?top=3", &photo);
                    match answer.status {
                        200 => {
                            assert_eq!(answer.body, expected);
                            accepted.fetch_add(1, Ordering::Relaxed);
                        }
                        429 => {
                            assert!(answer.header("retry-after").is_some());
                            refused.fetch_add(1, Ordering::Relaxed);
                            std::thread::sleep(Duration::from_millis(2));
                        }
                        status => panic!("{status}: {}", answer.text()),
                    }
                }
            };
            for _ in 0..CLIENTS {
                scope.spawn(client);
            }
        });
    };
    run(1.0);
    let before = memory();
    run(4.0);
    let after = memory();
    let counts = (accepted.into_inner(), refused.into_inner());
    assert!(counts.0 > 10 && counts.1 > 10, "{counts:?} accepted and refused");
    if let Some((before, after)) = before.zip(after) {
        let grown = after.saturating_sub(before);
        assert!(grown < 64 << 20, "{grown} bytes more after {counts:?}");
    }
}

/// The embedded network with another bias of its first class, by which its answers tell it.
fn variant(graph: &[u8], bias: f32) -> Vec<u8> {
    let name = b"MobilenetV1/Logits/Conv2d_1c_1x1/biases";
    let find = |part: &[u8], from: usize| {
        let at = graph[from..].windows(part.len()).position(|window| window == part);
        from + at.expect("the network has it")
    };
    // `tensor_content` of 1001 numbers.
    let content = find(b"\x22\xa4\x1f", find(name, 0)) + 3;
    let mut graph = graph.to_vec();
    graph[content..content + 4].copy_from_slice(&bias.to_le_bytes());
    graph
}

fn put(folder: &Path, version: u64, graph: &[u8]) {
    let staged = folder.join(format!(".{version}"));
    fs::create_dir_all(&staged).expect("a folder");
    fs::write(staged.join("graph.pb"), graph).expect("a file");
    fs::rename(&staged, folder.join(version.to_string())).expect("a name");
}

#[test]
fn every_answer_belongs_to_one_version() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    const VERSIONS: u64 = 20;
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../lorgnette/models/mobilenet_v1_1.0_224.pb");
    let graph = fs::read(path).expect("the network is in the repository");
    let folder = tempfile::tempdir().expect("a folder");
    put(folder.path(), 1, &variant(&graph, 1.0));
    let server = server(|options| {
        options.models = vec![ModelConfig::new("m", ModelSource::Path(folder.path().into()))];
    });
    let input = json!({
        "name": "input", "datatype": "BYTES", "shape": [1], "data": [STANDARD.encode(cat())],
        "parameters": {"content_type": "base64"},
    });
    let body = json!({"inputs": [input], "outputs": [{"name": "logits"}]}).to_string();
    // The version that says it answers, and the first logit.
    let ask = || {
        let answer = send(&server, "POST /v2/models/m/infer", &[], body.as_bytes());
        assert_eq!(answer.status, 200, "{}", answer.text());
        let json = answer.json();
        let version: u64 =
            json["model_version"].as_str().and_then(|v| v.parse().ok()).expect("a version");
        let logit = json["outputs"][0]["data"][0].as_f64().expect("a number");
        (version, logit)
    };
    let (version, base) = ask();
    assert_eq!(version, 1);
    let is_over = AtomicBool::new(false);
    let seen = std::thread::scope(|scope| {
        let client = || {
            let mut seen = Vec::new();
            while !is_over.load(Ordering::Relaxed) {
                let (version, logit) = ask();
                let expected = base + (version - 1) as f64;
                assert!((logit - expected).abs() < 1e-3, "version {version}: {logit}, {expected}");
                seen.push(version);
            }
            assert!(seen.is_sorted(), "{seen:?}");
            seen
        };
        let clients = [scope.spawn(client), scope.spawn(client)];
        for version in 2..=VERSIONS {
            put(folder.path(), version, &variant(&graph, version as f32));
            let deadline = Instant::now() + Duration::from_secs(60);
            while server.models() != [("m".to_owned(), version)] {
                assert!(Instant::now() < deadline, "version {version} is not served");
                std::thread::sleep(Duration::from_millis(10));
            }
            fs::remove_dir_all(folder.path().join((version - 1).to_string())).expect("it is there");
        }
        is_over.store(true, Ordering::Relaxed);
        clients.into_iter().flat_map(|client| client.join().expect("no request is lost")).collect()
    });
    let seen: Vec<u64> = seen;
    assert!(seen.len() > VERSIONS as usize, "{} answers", seen.len());
}
