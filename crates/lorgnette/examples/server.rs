//! Classifies photos over HTTP: `cargo run --release -p lorgnette --example server`, and then
//! `curl --data-binary @cat.jpg http://127.0.0.1:8080/classify`.

use std::io::{self, BufRead as _, BufReader, ErrorKind, Read, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use lorgnette::{Classifier, FailedPhoto, Model, ModelOptions, ModelRef, ModelStore, Picture};

/// Threads that serve one request at a time each. Answers do not depend on their number.
const WORKERS: usize = 8;
/// Maximum bytes of a request's head and of a photo.
const MAX_HEAD: u64 = 16 << 10;
const MAX_PHOTO: u64 = 32 << 20;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:8080".into());
    let model = arguments.next().map_or(Ok(ModelRef::Embedded), ModelRef::parse)?;
    let options = ModelOptions { model_store: ModelStore::from_env(), ..ModelOptions::default() };
    Ok(serve(&TcpListener::bind(address)?, &model.open(&options)?, Duration::from_secs(10))?)
}

/// Serves for ever. Requests must arrive, and responses be taken, within `timeout`.
pub(crate) fn serve(listener: &TcpListener, model: &Model, timeout: Duration) -> io::Result<()> {
    // Clones share the weights. Each call computes on the worker's own thread.
    let classifier = Classifier::new(model.with_threads(1)).map_err(io::Error::other)?;
    let work = || {
        for stream in listener.incoming().flatten() {
            let client = Client { stream, deadline: Instant::now() + timeout };
            let _ = client.stream.set_write_timeout(Some(timeout));
            let _ = respond(client, &classifier);
        }
    };
    thread::scope(|scope| (0..WORKERS).for_each(|_| drop(scope.spawn(work))));
    Ok(())
}

fn respond(mut client: Client, classifier: &Classifier) -> io::Result<()> {
    let (status, body) = match read_photo(&mut client) {
        Ok(photo) => match classify(&photo, classifier) {
            Ok(answer) => (200, serde_json::to_string(&answer)?),
            Err(error) => (422, failure(&error)?),
        },
        Err(error) => match error.kind() {
            ErrorKind::NotFound => (404, failure(&error)?),
            ErrorKind::FileTooLarge => (413, failure(&error)?),
            ErrorKind::TimedOut | ErrorKind::WouldBlock => (408, failure(&error)?),
            _ => (400, failure(&error)?),
        },
    };
    let head = format!("Content-Type: application/json\r\nContent-Length: {}", body.len());
    write!(client.stream, "HTTP/1.1 {status} \r\n{head}\r\nConnection: close\r\n\r\n{body}")
}

fn classify(photo: &[u8], classifier: &Classifier) -> lorgnette::Result<lorgnette::ClassifyAnswer> {
    classifier.answer(&Picture::from_bytes(photo, "photo")?, 5)
}

fn failure(error: &dyn std::error::Error) -> serde_json::Result<String> {
    serde_json::to_string(&FailedPhoto::new("photo", error))
}

/// Returns the body of a request for `POST /classify`.
fn read_photo(client: &mut Client) -> io::Result<Vec<u8>> {
    let mut reader = BufReader::new(client);
    let mut head = (&mut reader).take(MAX_HEAD).lines();
    if !head.next().unwrap_or(Ok(String::new()))?.starts_with("POST /classify ") {
        return Err(io::Error::new(ErrorKind::NotFound, "send photos with POST /classify"));
    }
    let mut length = 0;
    for line in head.take_while(|line| line.as_ref().map_or(true, |line| !line.is_empty())) {
        let line = line?.to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().map_err(io::Error::other)?;
        }
    }
    let mut photo = Vec::new();
    match reader.take(length.min(MAX_PHOTO + 1)).read_to_end(&mut photo)? as u64 {
        read if read > MAX_PHOTO => Err(ErrorKind::FileTooLarge.into()),
        read if read < length => Err(ErrorKind::UnexpectedEof.into()),
        _ => Ok(photo),
    }
}

/// A connection that is read until a deadline.
struct Client {
    stream: TcpStream,
    deadline: Instant,
}

impl Read for Client {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        // A timeout of zero is an error of the standard library.
        self.stream.set_read_timeout(Some(left.max(Duration::from_micros(1))))?;
        self.stream.read(buffer)
    }
}
