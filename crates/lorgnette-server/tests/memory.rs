//! Hostile requests cost no memory. In a process of its own, so that nothing else is counted.

mod common;

use std::io::Write as _;
use std::time::Duration;

use common::{MODEL, cat, connect, memory, post, send, server};
use lorgnette_server::Server;

fn bomb() -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    for _ in 0..2048 {
        encoder.write_all(&[b'['; 1 << 16]).expect("memory");
    }
    encoder.finish().expect("memory")
}

/// One of each hostile request.
fn attack(server: &Server, bomb: &[u8]) {
    let predict = format!("POST /v1/models/{MODEL}:predict");
    let infer = format!("POST /v2/models/{MODEL}/infer");
    let gzip = ["Content-Encoding: gzip"];
    let deep = [b"{\"instances\": ", &[b'['; 1 << 18][..]].concat();
    let shape = br#"{"inputs": [{"name": "input", "datatype": "FP32",
        "shape": [65536, 65536], "data": []}]}"#;
    let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
    png.extend([0, 1, 0x86, 0xa0, 0, 1, 0x86, 0xa0, 8, 2, 0, 0, 0, 0, 0, 0, 0]);
    for (line, head, body) in [
        (predict.as_str(), &gzip[..], bomb),
        (infer.as_str(), &gzip[..], bomb),
        ("POST /v1/classify", &gzip[..], bomb),
        (predict.as_str(), &[], &deep),
        (infer.as_str(), &[], &deep),
        (infer.as_str(), &[], shape),
        ("POST /v1/classify", &[], &png),
    ] {
        let answer = send(server, line, head, body);
        assert!(matches!(answer.status, 400 | 413), "{line}: {} {}", answer.status, answer.text());
    }
    // These say that a body of 4 MiB comes, and send a part of it.
    let mut waiting = Vec::new();
    for _ in 0..16 {
        let mut stream = connect(server.addresses()[0]);
        let head = "POST /v1/classify HTTP/1.1\r\nHost: x\r\nContent-Length: 4194304\r\n\r\nabc";
        stream.write_all(head.as_bytes()).expect("the server reads");
        waiting.push(stream);
    }
    // These take nothing of their answers.
    for _ in 0..16 {
        let mut stream = connect(server.addresses()[0]);
        let requests = "GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n".repeat(100);
        stream.write_all(requests.as_bytes()).expect("the server reads");
        waiting.push(stream);
    }
}

#[test]
fn hostile_requests_cost_no_memory() {
    if cfg!(not(target_os = "linux")) {
        println!("not tried: only Linux says a process's memory");
        return;
    }
    let server = server(|options| {
        options.max_body = 4 << 20;
        options.body_timeout = Duration::from_millis(500);
        options.write_timeout = Duration::from_millis(500);
    });
    let bomb = bomb();
    for _ in 0..3 {
        attack(&server, &bomb);
    }
    let before = memory().expect("Linux says it");
    for _ in 0..10 {
        attack(&server, &bomb);
    }
    let after = memory().expect("Linux says it");
    assert!(after < before + (48 << 20), "{before} bytes before, {after} after");
    // Those that waited were sent away.
    std::thread::sleep(Duration::from_secs(2));
    let metrics = common::get(&server, "/metrics").text();
    let connections = metrics.lines().find(|line| line.starts_with("lorgnette_connections "));
    assert_eq!(connections, Some("lorgnette_connections 1"), "{metrics}");
    assert_eq!(post(&server, "/v1/classify?top=1", cat()).status, 200);
}
