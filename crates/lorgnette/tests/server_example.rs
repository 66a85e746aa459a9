//! `examples/server.rs`: it answers as the library does, and gives up clients that are too slow.
#![cfg(feature = "embedded")]

#[allow(dead_code, reason = "the example's main is not called")]
#[path = "../examples/server.rs"]
mod example;

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use lorgnette::{Classifier, Model, ModelOptions, Picture};
use serde_json::Value;

const TIMEOUT: Duration = Duration::from_secs(20);

/// Starts the server, which ends with the tests.
fn start(timeout: Duration) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let model = Model::embedded(&ModelOptions::default()).unwrap();
    thread::spawn(move || example::serve(&listener, &model, timeout));
    address
}

/// Sends a request; returns the status and the JSON of the response.
fn ask(address: SocketAddr, request: &[u8]) -> (String, Value) {
    let mut stream = TcpStream::connect(address).unwrap();
    // The server answers some requests before it has read them.
    let _ = stream.write_all(request);
    response(stream)
}

fn response(mut stream: TcpStream) -> (String, Value) {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head.lines().next().unwrap().strip_prefix("HTTP/1.1 ").unwrap();
    (status.trim_end().to_owned(), serde_json::from_str(body).unwrap())
}

fn post(photo: &[u8]) -> Vec<u8> {
    let head = format!("POST /classify HTTP/1.1\r\nContent-Length: {}\r\n\r\n", photo.len());
    [head.as_bytes(), photo].concat()
}

#[test]
fn the_server_answers_as_the_library_does() {
    let address = start(TIMEOUT);
    let photo = fs::read("../../photos/chelsea.jpg").unwrap();
    let picture = Picture::from_bytes(&photo, "photo").unwrap();
    let classifier = Classifier::new(Model::embedded(&ModelOptions::default()).unwrap()).unwrap();
    let expected = serde_json::to_string(&classifier.answer(&picture, 5).unwrap()).unwrap();
    let expected: Value = serde_json::from_str(&expected).unwrap();
    let request = post(&photo);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                assert_eq!(ask(address, &request), ("200".to_owned(), expected.clone()));
            });
        }
    });
}

#[test]
fn wrong_requests_are_refused() {
    let address = start(TIMEOUT);
    let status = |request: &[u8]| {
        let (status, answer) = ask(address, request);
        assert!(answer["error"].is_string(), "{answer}");
        status
    };
    assert_eq!(status(b"GET / HTTP/1.1\r\n\r\n"), "404");
    assert_eq!(status(&post(b"no photo")), "422");
    let no_number = b"POST /classify HTTP/1.1\r\nContent-Length: many\r\n\r\n";
    assert_eq!(status(no_number), "400");
}

#[test]
fn a_photo_without_end_is_not_read_to_its_end() {
    let address = start(TIMEOUT);
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_write_timeout(Some(TIMEOUT)).unwrap();
    let length = u64::MAX;
    write!(stream, "POST /classify HTTP/1.1\r\nContent-Length: {length}\r\n\r\n").unwrap();
    let chunk = vec![0; 1 << 20];
    let sent = (0..1024).take_while(|_| stream.write_all(&chunk).is_ok()).count();
    assert!(sent < 64, "{sent} MiB were taken");
}

#[test]
fn a_slow_client_does_not_hold_a_worker() {
    let timeout = Duration::from_millis(500);
    let address = start(timeout);
    let started = Instant::now();
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "POST /classify HTTP/1.1\r\nContent-Length: 100\r\n\r\n").unwrap();
    let mut sender = stream.try_clone().unwrap();
    // A byte now and then does not extend the deadline.
    thread::spawn(move || {
        while sender.write_all(b".").is_ok() {
            thread::sleep(Duration::from_millis(50));
        }
    });
    assert_eq!(response(stream).0, "408");
    assert!(started.elapsed() < TIMEOUT, "{:?}", started.elapsed());
}
