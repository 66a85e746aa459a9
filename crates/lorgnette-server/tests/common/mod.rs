//! A server in this process, and a client of HTTP/1 that can be as wrong as a test needs.
#![allow(dead_code)] // Each test file uses a part.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use lorgnette::ModelRef;
use lorgnette_server::{ModelConfig, ModelSource, Server, ServerOptions};
use serde_json::Value;

/// The name of the embedded network in tests.
pub(crate) const MODEL: &str = "mobilenet";

/// Memory of this process in bytes, if the system says it.
pub(crate) fn memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib << 10)
}

/// Starts a server of the embedded network.
pub(crate) fn server(change: impl FnOnce(&mut ServerOptions)) -> Server {
    let mut options = ServerOptions {
        models: vec![ModelConfig::new(MODEL, ModelSource::Ref(ModelRef::Embedded))],
        addresses: vec!["127.0.0.1:0".parse().expect("an address")],
        poll: Duration::from_millis(50),
        ..ServerOptions::default()
    };
    change(&mut options);
    let server = Server::start(options).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(server.wait_until_loaded(), []);
    server
}

/// The path of a photo of the repository.
pub(crate) fn photo_path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../photos").join(name)
}

/// A photo of a cat.
pub(crate) fn cat() -> Vec<u8> {
    std::fs::read(photo_path("chelsea.jpg")).expect("the photo is in the repository")
}

/// An answer of HTTP.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The message of a failure.
    pub(crate) fn error(&self) -> String {
        self.json()["error"].as_str().expect("it failed").to_owned()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let line = self.head.lines().find(|line| {
            line.split_once(':').is_some_and(|(key, _)| key.eq_ignore_ascii_case(name))
        })?;
        line.split_once(':').map(|(_, value)| value.trim())
    }
}

pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("the server listens");
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
    stream
}

/// Sends a request with further lines for its head.
pub(crate) fn send(server: &Server, line: &str, head: &[&str], body: &[u8]) -> Answer {
    let mut stream = connect(server.addresses()[0]);
    let mut text = format!("{line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
    if !body.is_empty() {
        text += &format!("Content-Length: {}\r\n", body.len());
    }
    for line in head {
        text += &format!("{line}\r\n");
    }
    text += "\r\n";
    stream.write_all(text.as_bytes()).expect("the server reads");
    // A server that refuses a large body need not read all of it.
    let _ = stream.write_all(body);
    read_answer(&mut stream)
}

pub(crate) fn get(server: &Server, path: &str) -> Answer {
    send(server, &format!("GET {path}"), &[], b"")
}

pub(crate) fn post(server: &Server, path: &str, body: impl AsRef<[u8]>) -> Answer {
    send(server, &format!("POST {path}"), &[], body.as_ref())
}

/// Reads until the server closes the connection.
pub(crate) fn read_answer(stream: &mut TcpStream) -> Answer {
    let mut bytes = Vec::new();
    let mut piece = [0; 1 << 16];
    loop {
        match stream.read(&mut piece) {
            Ok(0) => break,
            Ok(length) => bytes.extend_from_slice(&piece[..length]),
            Err(error) if bytes.is_empty() => panic!("{error}"),
            Err(_) => break,
        }
    }
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
    let end = end.unwrap_or_else(|| panic!("no head: {:?}", String::from_utf8_lossy(&bytes)));
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    let mut body = bytes[end + 4..].to_vec();
    if head.to_lowercase().contains("transfer-encoding: chunked") {
        body = unchunked(&body);
    }
    Answer { status, head, body }
}

fn unchunked(mut body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    while let Some(end) = body.windows(2).position(|window| window == b"\r\n") {
        let text = String::from_utf8_lossy(&body[..end]).into_owned();
        let length = usize::from_str_radix(&text, 16).expect("the length of a chunk");
        out.extend_from_slice(&body[end + 2..end + 2 + length]);
        body = &body[(end + 4 + length).min(body.len())..];
        if length == 0 {
            break;
        }
    }
    out
}

/// The index of the largest number.
pub(crate) fn argmax(values: &Value) -> usize {
    let values: Vec<f64> = values
        .as_array()
        .expect("an array")
        .iter()
        .map(|v| v.as_f64().expect("a number"))
        .collect();
    (0..values.len()).max_by(|&a, &b| values[a].total_cmp(&values[b])).expect("not empty")
}
