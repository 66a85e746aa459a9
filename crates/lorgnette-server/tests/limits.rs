//! Hostile and unlucky requests: each is refused clearly, and the server goes on.

mod common;

use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};

use common::{MODEL, cat, connect, get, post, read_answer, send, server};
use lorgnette::ModelRef;
use lorgnette_server::{ModelConfig, ModelSource, Server, ServerOptions, StartError};

fn is_well(server: &Server) {
    let answer = post(server, "/v1/classify?top=1", cat());
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// Reads until the server closes the connection, and returns how long that took.
fn time_until_closed(stream: &mut std::net::TcpStream) -> Duration {
    let started = Instant::now();
    let mut bytes = [0; 4096];
    while let Ok(1..) = stream.read(&mut bytes) {}
    started.elapsed()
}

#[test]
fn slow_heads_are_cut_off() {
    let server = server(|options| options.head_timeout = Duration::from_millis(300));
    let mut silent = connect(server.addresses()[0]);
    assert!(time_until_closed(&mut silent) < Duration::from_secs(20));
    let mut slow = connect(server.addresses()[0]);
    slow.write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\n").expect("the server reads");
    assert!(time_until_closed(&mut slow) < Duration::from_secs(20));
    let mut preface = connect(server.addresses()[0]);
    preface.write_all(b"PR").expect("the server reads");
    assert!(time_until_closed(&mut preface) < Duration::from_secs(20));
    is_well(&server);
}

#[test]
fn slow_bodies_end_with_504() {
    let server = server(|options| options.body_timeout = Duration::from_millis(300));
    let mut stream = connect(server.addresses()[0]);
    let head = "POST /v1/classify HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
                Content-Length: 9999\r\n\r\nabc";
    stream.write_all(head.as_bytes()).expect("the server reads");
    assert_eq!(read_answer(&mut stream).status, 504);
    is_well(&server);
}

#[test]
fn clients_that_take_nothing_are_cut_off() {
    let server = server(|options| options.write_timeout = Duration::from_millis(300));
    let mut stream = connect(server.addresses()[0]);
    // More answers than the buffers of a connection hold.
    let requests = "GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n".repeat(400);
    stream.write_all(requests.as_bytes()).expect("the server reads");
    let deadline = Instant::now() + Duration::from_secs(20);
    while !get(&server, "/metrics").text().contains("\nlorgnette_connections 1\n") {
        assert!(Instant::now() < deadline, "the connection goes on");
        std::thread::sleep(Duration::from_millis(20));
    }
    // What was on its way still comes, and then the end.
    time_until_closed(&mut stream);
    is_well(&server);
}

#[test]
fn connections_that_are_left_open_end() {
    let server = server(|options| {
        options.head_timeout = Duration::from_millis(300);
        options.body_timeout = Duration::from_millis(300);
    });
    let address = server.addresses()[0];
    // Idle after an answer.
    let mut idle = connect(address);
    idle.write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").expect("the server reads");
    assert!(time_until_closed(&mut idle) < Duration::from_secs(20));
    // Half closed: within a head, within a body, and after a request.
    let (head, body, whole) = (
        "GET /livez HTTP/1.1\r\nHo",
        "POST /v1/classify HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\nabc",
        "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n",
    );
    for text in [head, body, whole] {
        let mut half = connect(address);
        half.write_all(text.as_bytes()).expect("the server reads");
        half.shutdown(std::net::Shutdown::Write).expect("it is open");
        assert!(time_until_closed(&mut half) < Duration::from_secs(20), "{text}");
    }
    is_well(&server);
}

#[test]
fn heads_that_are_too_large_or_none_are_refused() {
    let server = server(|_| {});
    let long = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "x".repeat(1 << 20));
    let many = format!("GET /livez HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(10_000));
    let both = "POST /v1/classify HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\
                Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\n";
    let twice = "POST /v1/classify HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\
                 Content-Length: 4\r\n\r\nabcd";
    let chunk = "POST /v1/classify HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n\
                 ffffffffffffffffff\r\nabc\r\n";
    for text in [&long, &many, both, twice, chunk, "\0\0\0\0", "GET\r\n\r\n", "\r\n\r\n\r\n"] {
        let mut stream = connect(server.addresses()[0]);
        // A server that refuses a head need not read all of it.
        let _ = stream.write_all(text.as_bytes());
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        let answer = String::from_utf8_lossy(&bytes);
        let status = answer.split(' ').nth(1).unwrap_or_default();
        assert!(["", "400", "414", "431", "499"].contains(&status), "{answer}");
    }
    is_well(&server);
}

#[test]
fn endless_bodies_end_at_the_limit() {
    let server = server(|options| options.max_body = 1 << 20);
    let mut stream = connect(server.addresses()[0]);
    let head = "POST /v1/classify HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
                Transfer-Encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).expect("the server reads");
    let chunk = [b"10000\r\n".as_slice(), &[0; 0x10000], b"\r\n"].concat();
    let mut sent = 0;
    while stream.write_all(&chunk).is_ok() && sent < 64 << 20 {
        sent += chunk.len();
    }
    assert!(sent < 64 << 20, "the server read it all");
    let announced = format!("Content-Length: {}", 1u64 << 60);
    let answer = send(&server, "POST /v1/classify", &[&announced], b"");
    assert_eq!(answer.status, 413);
    is_well(&server);
}

#[test]
fn lengths_that_are_wrong_are_refused() {
    let server = server(|_| {});
    let path = format!("POST /v2/models/{MODEL}/infer");
    for length in ["999", "-1", "x", "18446744073709551616"] {
        let head = format!("Inference-Header-Content-Length: {length}");
        assert_eq!(send(&server, &path, &[&head], b"{}").status, 400, "{length}");
    }
    let answer = send(&server, "POST /v1/classify", &["Content-Length: -1"], b"");
    assert_eq!(answer.status, 400);
    is_well(&server);
}

#[test]
fn bombs_do_not_unfold() {
    let server = server(|options| options.max_body = 4 << 20);
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    for _ in 0..1024 {
        encoder.write_all(&[b' '; 1 << 16]).expect("memory");
    }
    let bomb = encoder.finish().expect("memory");
    let path = format!("POST /v1/models/{MODEL}:predict");
    let answer = send(&server, &path, &["Content-Encoding: gzip"], &bomb);
    assert_eq!(answer.status, 413, "{}", answer.text());
    // A PNG that says it has ten thousand million pixels.
    let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
    png.extend([0, 1, 0x86, 0xa0, 0, 1, 0x86, 0xa0, 8, 2, 0, 0, 0, 0, 0, 0, 0]);
    let answer = post(&server, "/v1/classify", &png);
    assert_eq!(answer.status, 400, "{}", answer.text());
    is_well(&server);
}

#[test]
fn deep_json_huge_shapes_and_bad_utf8_are_refused() {
    let server = server(|_| {});
    let (predict, infer) =
        (format!("/v1/models/{MODEL}:predict"), format!("/v2/models/{MODEL}/infer"));
    let deep = format!("{{\"instances\": {}", "[".repeat(1 << 20));
    let shape = |shape: &str| {
        format!(
            r#"{{"inputs": [{{"name": "input", "datatype": "FP32", "shape": {shape}, "data": []}}]}}"#
        )
    };
    for (path, body) in [
        (&predict, deep.clone().into_bytes()),
        (&infer, deep.into_bytes()),
        (&predict, b"{\"instances\": [\"\xff\xfe\"]}".to_vec()),
        (&infer, b"{\"id\": \"\xc3\"}".to_vec()),
        (&infer, shape("[4294967296, 4294967296, 4294967296]").into_bytes()),
        (&infer, shape("[1e300]").into_bytes()),
        (&infer, shape("[0, 224, 224, 3]").into_bytes()),
    ] {
        let answer = post(&server, path, &body);
        assert_eq!(answer.status, 400, "{}", answer.text());
    }
    is_well(&server);
}

#[test]
fn names_are_no_paths() {
    let server = server(|options| options.model_control = true);
    for line in [
        "GET /v2/models/..%2f..%2fetc%2fpasswd",
        "GET /v2/models/%2e%2e",
        "GET /v1/models/..%2F..%2Fetc",
        "POST /v2/repository/models/..%2f..%2ftmp/load",
        "POST /v1/models/%00:predict",
        "POST /v1/classify?model=../../etc/passwd",
        "POST /v1/classify?model=%00",
        "GET /v2/models/a%2Fb/versions/..%2f1",
        "GET /v1/models/x/versions/99999999999999999999999",
    ] {
        let answer = send(&server, line, &[], b"{}");
        assert!(matches!(answer.status, 400 | 404), "{line}: {} {}", answer.status, answer.text());
    }
    is_well(&server);
}

#[test]
fn a_full_queue_answers_429_and_when_to_come_back() {
    let server = server(|options| {
        options.queue = 1;
        options.model_options.threads = Some(1);
    });
    let statuses: Vec<(u16, bool)> = std::thread::scope(|scope| {
        let request = || {
            // The map of a photo takes a while.
            let answer = post(&server, "/v1/map?scale=2", cat());
            (answer.status, answer.header("retry-after").is_some())
        };
        let clients: Vec<_> = (0..12).map(|_| scope.spawn(request)).collect();
        clients.into_iter().map(|client| client.join().expect("no panic")).collect()
    });
    assert!(statuses.contains(&(200, false)), "{statuses:?}");
    assert!(statuses.contains(&(429, true)), "{statuses:?}");
    assert!(statuses.iter().all(|(status, _)| matches!(status, 200 | 429)), "{statuses:?}");
    let metrics = get(&server, "/metrics").text();
    let refused = metrics.lines().find(|line| line.starts_with("lorgnette_refused_requests "));
    assert_ne!(refused, Some("lorgnette_refused_requests 0"), "{metrics}");
    is_well(&server);
}

#[test]
fn what_was_accepted_is_answered_before_the_end() {
    let server = server(|options| options.model_options.threads = Some(1));
    let address = server.addresses()[0];
    let photo = cat();
    let mut streams: Vec<_> = (0..4).map(|_| connect(address)).collect();
    for stream in &mut streams {
        let head = format!(
            "POST /v1/map HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            photo.len()
        );
        stream.write_all(head.as_bytes()).expect("the server reads");
        stream.write_all(&photo).expect("the server reads");
    }
    // Until they wait or run.
    let deadline = Instant::now() + Duration::from_secs(30);
    let accepted = |text: &str| {
        let value = |name: &str| {
            let line = text.lines().find(|line| line.starts_with(name)).expect("the metric");
            line.rsplit(' ').next().and_then(|value| value.parse::<usize>().ok()).expect("a number")
        };
        let done = value("nv_inference_request_success");
        done + value("lorgnette_queue_length") + value("lorgnette_running_requests")
    };
    while accepted(&get(&server, "/metrics").text()) < 4 {
        assert!(Instant::now() < deadline, "they do not arrive");
        std::thread::sleep(Duration::from_millis(5));
    }
    server.stop();
    for stream in &mut streams {
        assert_eq!(read_answer(stream).status, 200);
    }
    assert!(std::net::TcpStream::connect(address).is_err(), "it still listens");
}

#[test]
fn tokens_are_asked_for() {
    let server = server(|options| options.token = Some("secret".into()));
    for (head, status) in [
        (&[][..], 401),
        (&["Authorization: Bearer wrong!"][..], 401),
        (&["Authorization: Basic secret"][..], 401),
        (&["Authorization: bearer secret"][..], 200),
        // As a browser sends what a person types: any name, and the token as the password.
        (&["Authorization: Basic YW5uOnNlY3JldA=="][..], 200),
        (&["Authorization: Basic YW5uOndyb25n"][..], 401),
    ] {
        assert_eq!(send(&server, "GET /v2", head, b"").status, status, "{head:?}");
    }
    let page = send(&server, "GET /", &["Accept: text/html"], b"");
    assert!(page.head.contains("Basic realm="), "a browser asks for it: {}", page.head);
    assert_eq!(get(&server, "/readyz").status, 200, "probes have no token");
    assert_eq!(get(&server, "/metrics").status, 401);
}

#[test]
fn ids_and_trace_contexts_come_back() {
    let server = server(|_| {});
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let head = [&format!("traceparent: {trace}")[..], "X-Request-Id: abc-7"];
    let answer = send(&server, "GET /livez", &head, b"");
    assert_eq!(answer.header("x-request-id"), Some("abc-7"));
    assert_eq!(answer.header("traceparent"), Some(trace));
    let (one, two) = (get(&server, "/livez"), get(&server, "/livez"));
    assert_ne!(one.header("x-request-id"), two.header("x-request-id"));
}

#[test]
fn other_machines_are_kept_out_unless_they_are_let_in() {
    let options = |allow_remote| ServerOptions {
        models: vec![ModelConfig::new(MODEL, ModelSource::Ref(ModelRef::Embedded))],
        addresses: vec!["0.0.0.0:0".parse().expect("an address")],
        allow_remote,
        ..ServerOptions::default()
    };
    assert!(matches!(Server::start(options(false)), Err(StartError::Remote(_))));
    assert!(Server::start(options(true)).is_ok());
}
