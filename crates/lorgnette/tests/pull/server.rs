//! A little HTTP server that misbehaves as it is told.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What was asked, the first line and the headers.
pub(crate) type Asked = Vec<String>;
/// Answers a request; the number counts them from 0.
type OutputKind = dyn Fn(usize, &Asked, &mut TcpStream) + Send + Sync;

/// It runs until the test's process ends.
pub(crate) struct Server {
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    /// One connection for each request.
    pub(crate) fn answering(
        answer: impl Fn(usize, &Asked, &mut TcpStream) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (seen, answer): (_, Arc<OutputKind>) = (asked.clone(), Arc::new(answer));
        thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                let (seen, answer) = (seen.clone(), answer.clone());
                thread::spawn(move || {
                    let mut stream = stream.unwrap();
                    let request = read_request(&stream);
                    seen.lock().unwrap().push(request.clone());
                    answer(number, &request, &mut stream);
                });
            }
        });
        Self { url, asked }
    }

    /// All requests so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

fn read_request(stream: &TcpStream) -> Asked {
    let lines = BufReader::new(stream).lines().map_while(Result::ok);
    lines.take_while(|line| !line.is_empty()).collect()
}

/// A header's value.
pub(crate) fn header<'a>(asked: &'a Asked, name: &str) -> Option<&'a str> {
    let fields = asked.iter().filter_map(|line| line.split_once(": "));
    fields.into_iter().find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// The first byte that is asked for.
pub(crate) fn first(asked: &Asked) -> usize {
    let range =
        header(asked, "range").and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-'));
    range.map_or(0, |first| first.parse().unwrap())
}

/// Writes an answer; a client that hangs up is its own affair.
pub(crate) fn send(stream: &mut TcpStream, status: &str, headers: &[String], body: &[u8]) {
    let head: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
    let _ = write!(stream, "HTTP/1.1 {status}\r\nConnection: close\r\n{head}\r\n");
    let _ = stream.write_all(body);
    let _ = stream.flush();
}

pub(crate) fn length(bytes: usize) -> String {
    format!("Content-Length: {bytes}")
}

/// Answers as a good server does, but sends at most so many bytes before the connection drops.
pub(crate) fn send_at_most(
    stream: &mut TcpStream,
    asked: &Asked,
    (file, tag): (&[u8], &str),
    most: usize,
) {
    let same = header(asked, "if-range").is_none_or(|noted| noted == tag);
    let first = if same { first(asked) } else { 0 };
    let rest = &file[first..];
    let mut headers = vec![length(rest.len()), format!("ETag: {tag}")];
    let status = if first == 0 { "200 OK" } else { "206 Partial Content" };
    if first > 0 {
        headers.push(format!("Content-Range: bytes {first}-{}/{}", file.len() - 1, file.len()));
    }
    send(stream, status, &headers, &rest[..most.min(rest.len())]);
}

/// Keeps a connection open and says nothing.
pub(crate) fn stall() {
    thread::sleep(Duration::from_secs(2));
}
