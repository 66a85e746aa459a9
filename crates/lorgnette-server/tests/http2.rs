//! Hostile clients of HTTP/2 and gRPC, frame by frame.

mod common;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use common::{cat, connect, get, post, server};
use lorgnette_server::Server;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const GO_AWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

fn is_well(server: &Server) {
    let answer = post(server, "/v1/classify?top=1", cat());
    assert_eq!(answer.status, 200, "{}", answer.text());
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// Fields as literals that are not indexed.
fn fields(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            assert!(text.len() < 127, "{text}");
            block.push(text.len() as u8);
            block.extend(text.as_bytes());
        }
    }
    block
}

fn request(method: &str, path: &str, content_type: &str) -> Vec<u8> {
    fields(&[
        (":method", method),
        (":scheme", "http"),
        (":authority", "localhost"),
        (":path", path),
        ("content-type", content_type),
        ("te", "trailers"),
    ])
}

/// A connection after its preface, with settings.
fn begin(server: &Server, settings: &[u8]) -> TcpStream {
    let mut stream = connect(server.addresses()[0]);
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
    stream.write_all(PREFACE).expect("the server reads");
    stream.write_all(&frame(SETTINGS, 0, 0, settings)).expect("the server reads");
    stream
}

/// Reads a frame: kind, flags, stream and payload; `None` at the end.
fn read_frame(stream: &mut TcpStream) -> Option<(u8, u8, u32, Vec<u8>)> {
    let mut head = [0; 9];
    stream.read_exact(&mut head).ok()?;
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
    let mut payload = vec![0; length];
    stream.read_exact(&mut payload).ok()?;
    let number = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
    Some((head[3], head[4], number, payload))
}

/// Reads until the server ends a stream, resets it, or ends the connection. Returns whether the
/// connection goes on.
fn wait_for_end(stream: &mut TcpStream, number: u32) -> bool {
    while let Some((kind, flags, of, _)) = read_frame(stream) {
        let ends = matches!(kind, DATA | HEADERS) && flags & END_STREAM != 0;
        if of == number && (ends || kind == RESET) {
            return true;
        }
        if kind == GO_AWAY {
            return false;
        }
    }
    false
}

/// Reads until the server closes the connection; panics if it does not within a time.
fn wait_until_closed(stream: &mut TcpStream, limit: Duration) {
    let started = Instant::now();
    while read_frame(stream).is_some() {
        assert!(started.elapsed() < limit, "the connection goes on");
    }
    assert!(started.elapsed() < limit, "the connection went on");
}

#[test]
fn frames_of_this_client_are_understood() {
    let server = server(|_| {});
    let mut stream = begin(&server, &[]);
    let head = request("GET", "/livez", "text/plain");
    let head = frame(HEADERS, END_HEADERS | END_STREAM, 1, &head);
    stream.write_all(&head).expect("the server reads");
    assert!(wait_for_end(&mut stream, 1));
}

#[test]
fn connections_without_answers_to_pings_end() {
    let server = server(|options| options.head_timeout = Duration::from_millis(300));
    let mut stream = begin(&server, &[]);
    wait_until_closed(&mut stream, Duration::from_secs(15));
    let mut silent = connect(server.addresses()[0]);
    silent.write_all(PREFACE).expect("the server reads");
    wait_until_closed(&mut silent, Duration::from_secs(15));
    is_well(&server);
}

#[test]
fn streams_that_take_nothing_are_cut_off() {
    let server = server(|options| options.write_timeout = Duration::from_millis(300));
    // SETTINGS_INITIAL_WINDOW_SIZE of 0.
    let mut stream = begin(&server, &[0, 4, 0, 0, 0, 0]);
    for number in [1, 3, 5] {
        let head = request("GET", "/openapi.json", "text/plain");
        let head = frame(HEADERS, END_HEADERS | END_STREAM, number, &head);
        stream.write_all(&head).expect("the server reads");
    }
    wait_until_closed(&mut stream, Duration::from_secs(15));
    is_well(&server);
}

#[test]
fn resets_by_the_thousand_are_cut_off() {
    let server = server(|_| {});
    let mut stream = begin(&server, &[]);
    let head = request("POST", "/v1/classify", "image/jpeg");
    let mut is_open = true;
    for number in (1..20_001).step_by(2) {
        let open = frame(HEADERS, END_HEADERS, number, &head);
        let reset = frame(RESET, 0, number, &8u32.to_be_bytes());
        if stream.write_all(&[open, reset].concat()).is_err() {
            is_open = false;
            break;
        }
    }
    // Where the system took all of it, the server has still ended the connection.
    if is_open {
        let head = request("GET", "/livez", "text/plain");
        let last = frame(HEADERS, END_HEADERS | END_STREAM, 20_001, &head);
        let sent = stream.write_all(&last).is_ok();
        assert!(!sent || !wait_for_end(&mut stream, 20_001), "it is answered still");
    }
    is_well(&server);
}

#[test]
fn heads_without_end_are_refused() {
    let server = server(|_| {});
    let mut stream = begin(&server, &[]);
    let start = request("GET", "/livez", "text/plain");
    let mut sent = stream.write_all(&frame(HEADERS, END_STREAM, 1, &start));
    let more = fields(&[("x-padding", &"x".repeat(120))]).repeat(100);
    let (mut bytes, limit) = (0, 64 << 20);
    while sent.is_ok() && bytes < limit {
        sent = stream.write_all(&frame(CONTINUATION, 0, 1, &more));
        bytes += more.len();
    }
    assert!(bytes < limit, "the server read {bytes} bytes of a head");
    is_well(&server);
}

#[test]
fn frames_that_are_none_end_the_connection() {
    let server = server(|_| {});
    for wrong in [
        frame(SETTINGS, 0, 0, &[0; 5]),
        frame(DATA, 0, 0, b"for no stream"),
        frame(HEADERS, END_HEADERS, 2, &request("GET", "/", "text/plain")),
        frame(HEADERS, END_HEADERS, 1, &[0xff; 64]),
        frame(CONTINUATION, END_HEADERS, 1, b""),
        vec![0xff; 4096],
    ] {
        let mut stream = begin(&server, &[]);
        stream.write_all(&wrong).expect("the server reads");
        wait_until_closed(&mut stream, Duration::from_secs(15));
    }
    is_well(&server);
}

/// Sends a message as gRPC frames it, with a length of the caller's choice.
fn grpc(server: &Server, path: &str, compressed: u8, length: u32, message: &[u8]) {
    let mut stream = begin(server, &[]);
    let head = request("POST", path, "application/grpc");
    let mut head = [head, fields(&[("grpc-encoding", "gzip")])].concat();
    head.extend(fields(&[("grpc-timeout", "10S")]));
    let body = [&[compressed][..], &length.to_be_bytes(), message].concat();
    let mut sent = stream.write_all(&frame(HEADERS, END_HEADERS, 1, &head));
    let pieces: Vec<&[u8]> = body.chunks(16_000).collect();
    for (number, piece) in pieces.iter().enumerate() {
        let flags = if number + 1 == pieces.len() { END_STREAM } else { 0 };
        sent = sent.and_then(|()| stream.write_all(&frame(DATA, flags, 1, piece)));
    }
    assert!(wait_for_end(&mut stream, 1), "{path}: the stream does not end");
}

#[test]
fn messages_of_grpc_that_lie_end_their_stream_alone() {
    let server = server(|options| options.max_body = 4 << 20);
    let infer = "/inference.GRPCInferenceService/ModelInfer";
    let predict = "/tensorflow.serving.PredictionService/Predict";
    let classify = "/tensorflow.serving.PredictionService/Classify";
    let bomb = {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        for _ in 0..1024 {
            encoder.write_all(&[0; 1 << 16]).expect("memory");
        }
        encoder.finish().expect("memory")
    };
    // A group within a group, and so on; and messages within messages.
    let groups = [0x0b].repeat(10_000);
    let nested = (0..12).fold(Vec::new(), |inner: Vec<u8>, _| {
        let length = [0x80 | (inner.len() & 0x7f) as u8, (inner.len() >> 7) as u8];
        [&[0x12][..], &length, &inner].concat()
    });
    for path in [infer, predict, classify] {
        grpc(&server, path, 0, u32::MAX, b"short");
        grpc(&server, path, 0, 1 << 30, &[0; 1000]);
        grpc(&server, path, 0, 2, b"\xff");
        grpc(&server, path, 7, 4, b"none");
        grpc(&server, path, 1, 4, b"none");
        grpc(&server, path, 1, bomb.len() as u32, &bomb);
        grpc(&server, path, 0, groups.len() as u32, &groups);
        grpc(&server, path, 0, nested.len() as u32, &nested);
        // A name that is no UTF-8.
        grpc(&server, path, 0, 4, b"\x0a\x02\xff\xfe");
    }
    assert_eq!(get(&server, "/livez").status, 200);
    is_well(&server);
}
