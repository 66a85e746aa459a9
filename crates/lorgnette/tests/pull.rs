//! Models pulled from servers that drop, lie, redirect and stall.

#[path = "pull/server.rs"]
mod server;

use std::fs;
use std::io::Write as _;
use std::ops::ControlFlow;
use std::time::Duration;

use lorgnette::catalogue::{self, Entry};
use lorgnette::pull::{Event, Proxies, PullOptions, Pulled, RetryPolicy, pull};
use lorgnette::{ModelOptions, ModelStore};
use tempfile::TempDir;

use server::{Server, first, header, length, send, send_at_most, stall};

const NAME: &str = "mobilenet_v1_0.25_128";
/// The network with blank weights (`oracle/blank_model.py`).
static FILE: &[u8] = include_bytes!("pull/mobilenet_v1_0.25_128.tgz");
const TAG: &str = "\"one\"";

/// A home for a test, and what to pull into it.
struct Stage {
    _folder: TempDir,
    model_store: ModelStore,
    entry: Entry,
    options: PullOptions,
}

impl Stage {
    fn from(places: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let model_store = ModelStore::new(folder.path().join("home"));
        let retry_policy = RetryPolicy {
            connect: Duration::from_secs(2),
            stall: Duration::from_millis(150),
            attempts: 3,
            pause: Duration::from_millis(1),
        };
        let from = places.iter().map(|&place| place.to_owned()).collect();
        let options =
            PullOptions { from, retry_policy, max_bytes: 1 << 20, ..PullOptions::default() };
        Self { _folder: folder, model_store, entry: catalogue::find(NAME).unwrap(), options }
    }

    fn pull(&self) -> Result<Pulled, String> {
        pull(&self.entry, &self.model_store, &self.options, &mut ())
            .map_err(|error| error.to_string())
    }

    /// Pulls what must come whole.
    fn well(&self) -> Pulled {
        let pulled = self.pull().unwrap();
        assert_eq!(fs::read(&pulled.path).unwrap(), FILE);
        assert!(!self.part().exists(), "the part is left");
        pulled
    }

    /// Pulls what must fail, and leave nothing that counts as a model.
    fn badly(&self) -> String {
        let error = self.pull().unwrap_err();
        assert!(self.model_store.installed(&self.entry).is_none());
        error
    }

    fn part(&self) -> std::path::PathBuf {
        let path = self.model_store.path(&self.entry);
        path.with_file_name(format!("{}.part", self.entry.published.file()))
    }
}

fn failing_with(
    answer: &'static str,
    headers: &'static [&'static str],
    body: &'static [u8],
) -> String {
    let headers: Vec<String> = headers.iter().map(|&line| line.to_owned()).collect();
    let server = Server::answering(move |_, _, stream| send(stream, answer, &headers, body));
    Stage::from(&[&server.url]).badly()
}

#[test]
fn a_model_is_pulled_opened_and_removed() {
    let server =
        Server::answering(|_, asked, stream| send_at_most(stream, asked, (FILE, TAG), usize::MAX));
    let stage = Stage::from(&[&server.url]);
    let mut heard = 0;
    let pulled =
        pull(&stage.entry, &stage.model_store, &stage.options, &mut |event: &Event<'_>| {
            if let &Event::Received { bytes, total } = event {
                assert!(bytes >= heard && total == Some(FILE.len() as u64));
                heard = bytes;
            }
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(
        (heard, pulled.already, pulled.download_record.bytes),
        (FILE.len() as u64, false, FILE.len() as u64)
    );
    assert_eq!(pulled.download_record.sha256.len(), 64);
    assert!(
        server.asked()[0][0].starts_with("GET /mobilenet_v1_0.25_128.tgz "),
        "{:?}",
        server.asked()
    );
    assert!(stage.pull().unwrap().already && server.asked().len() == 1);

    let options = ModelOptions { threads: Some(1), ..ModelOptions::default() };
    let model = stage.entry.open(&stage.model_store, &options).unwrap().unwrap();
    assert_eq!((model.name(), model.preprocess().height, model.labels().len()), (NAME, 128, 1001));
    drop(model);
    assert!(
        stage.model_store.remove(&stage.entry).unwrap().unwrap() > 1_900_000,
        "what was unpacked goes too"
    );
    assert!(
        stage.model_store.installed(&stage.entry).is_none()
            && stage.model_store.remove(&stage.entry).unwrap().is_none()
    );
    assert_eq!(
        fs::read_dir(stage.model_store.folder()).unwrap().count(),
        1,
        "nothing but the folder of models is left"
    );
}

#[test]
fn dropped_connections_are_taken_up_where_they_ended() {
    let server =
        Server::answering(|_, asked, stream| send_at_most(stream, asked, (FILE, TAG), 900));
    Stage::from(&[&server.url]).well();
    let firsts: Vec<usize> = server.asked().iter().map(first).collect();
    assert_eq!(firsts, [0, 900, 1800, 2700, 3600]);
    assert!(server.asked()[1..].iter().all(|asked| header(asked, "if-range") == Some(TAG)));
}

#[test]
fn a_part_is_taken_up_by_the_next_pull() {
    let server = Server::answering(|number, asked, stream| match number {
        0 => send_at_most(stream, asked, (FILE, TAG), 1000),
        1..=3 => send(stream, "404 Not Found", &[length(0)], b""),
        _ => send_at_most(stream, asked, (FILE, TAG), usize::MAX),
    });
    let stage = Stage::from(&[&server.url]);
    assert!(stage.badly().contains("404 Not Found"));
    assert_eq!(fs::read(stage.part()).unwrap(), &FILE[..1000]);
    for _ in 0..2 {
        assert!(stage.badly().contains("404"));
    }
    stage.well();
    assert_eq!(first(server.asked().last().unwrap()), 1000);
}

#[test]
fn a_file_that_changes_meanwhile_is_begun_anew() {
    let other: Vec<u8> = FILE.iter().rev().copied().collect();
    let server = Server::answering(move |number, asked, stream| match number {
        0 => send_at_most(stream, asked, (&[&FILE[..512], &other].concat(), "\"old\""), 1500),
        _ => send_at_most(stream, asked, (FILE, TAG), usize::MAX),
    });
    Stage::from(&[&server.url]).well();
}

#[test]
fn a_server_that_knows_no_ranges_gets_another_chance() {
    let server = Server::answering(|number, _, stream| {
        send(
            stream,
            "200 OK",
            &[length(FILE.len())],
            &FILE[..if number < 2 { 1000 + number } else { FILE.len() }],
        );
    });
    Stage::from(&[&server.url]).well();
}

#[test]
fn a_wrong_content_range_is_not_joined() {
    for range in ["bytes 5-9/10", "bytes 1000-3714/99999999", "nonsense"] {
        let server = Server::answering(move |number, asked, stream| match number {
            0 => send_at_most(stream, asked, (FILE, TAG), 1000),
            1 => send(
                stream,
                "206 Partial Content",
                &[format!("Content-Range: {range}"), length(99)],
                &FILE[5..104],
            ),
            _ => send_at_most(stream, asked, (FILE, TAG), usize::MAX),
        });
        Stage::from(&[&server.url]).well();
        assert_eq!(server.asked().iter().map(first).collect::<Vec<_>>(), [0, 1000, 0], "{range}");
    }
}

#[test]
fn a_range_that_cannot_be_met_is_begun_anew() {
    let server = Server::answering(|number, asked, stream| match number {
        0 => send_at_most(stream, asked, (FILE, TAG), 1000),
        1 => send(stream, "416 Range Not Satisfiable", &[length(0)], b""),
        _ => send_at_most(stream, asked, (FILE, TAG), usize::MAX),
    });
    Stage::from(&[&server.url]).well();
}

#[test]
fn a_length_too_long_is_a_dropped_connection() {
    let server =
        Server::answering(|_, _, stream| send(stream, "200 OK", &[length(FILE.len() + 9)], FILE));
    let error = Stage::from(&[&server.url]).badly();
    assert!(
        error.contains(&format!(
            "after {} of {} bytes (tried 4 times)",
            FILE.len(),
            FILE.len() + 9
        )),
        "{error}"
    );
}

#[test]
fn a_length_too_short_is_a_damaged_archive() {
    let server = Server::answering(|_, _, stream| send(stream, "200 OK", &[length(2000)], FILE));
    let stage = Stage::from(&[&server.url]);
    let error = stage.badly();
    assert!(error.contains("not mobilenet_v1_0.25_128:"), "{error}");
    assert!(!stage.part().exists(), "what is of no use is gone");
}

#[test]
fn an_absurd_length_is_refused_before_it_comes() {
    let error = failing_with("200 OK", &["Content-Length: 99999999999999"], b"\x1f\x8b");
    assert!(error.contains("99999999999999 bytes there, over the limit of 1048576"), "{error}");
}

#[test]
fn without_a_length_the_end_is_the_end() {
    let server = Server::answering(|_, _, stream| send(stream, "200 OK", &[], FILE));
    Stage::from(&[&server.url]).well();
}

#[test]
fn a_server_that_never_ends_does_not_fill_the_disk() {
    let server = Server::answering(|_, _, stream| {
        let endless = [FILE, &vec![0; 3 << 20]].concat();
        send(stream, "200 OK", &[], &endless);
    });
    let stage = Stage::from(&[&server.url]);
    let error = stage.badly();
    assert!(error.contains("more than 1048576 bytes came") && !stage.part().exists(), "{error}");
}

#[test]
fn redirections_are_followed_a_few_times() {
    let server = Server::answering(|number, asked, stream| match number {
        0 => send(stream, "302 Found", &["Location: elsewhere/a.tgz".into(), length(0)], b""),
        1 => send(stream, "308 Permanent Redirect", &["Location: /b.tgz".into(), length(0)], b""),
        _ => send_at_most(stream, asked, (FILE, TAG), usize::MAX),
    });
    Stage::from(&[&server.url]).well();
    let paths: Vec<String> = server.asked().iter().map(|asked| asked[0].clone()).collect();
    assert_eq!(paths[1..], ["GET /elsewhere/a.tgz HTTP/1.1", "GET /b.tgz HTTP/1.1"]);
    let circle =
        failing_with("301 Moved Permanently", &["Location: /again.tgz", "Content-Length: 0"], b"");
    assert!(circle.contains("redirected more than 10 times"), "{circle}");
    let away = failing_with("302 Found", &["Location: ftp://host/a", "Content-Length: 0"], b"");
    assert!(away.contains("no web address"), "{away}");
}

#[test]
fn a_server_in_trouble_is_asked_again() {
    let server = Server::answering(|number, asked, stream| match number {
        0 => send(stream, "500 Internal Server Error", &[length(0)], b""),
        1 => send(stream, "503 Service Unavailable", &[length(0)], b""),
        _ => send_at_most(stream, asked, (FILE, TAG), usize::MAX),
    });
    Stage::from(&[&server.url]).well();
    let error = failing_with("403 Forbidden", &["Content-Length: 0"], b"");
    assert!(error.contains("403 Forbidden") && !error.contains("tried"), "{error}");
}

#[test]
fn the_next_mirror_is_tried() {
    let gone = Server::answering(|_, _, stream| send(stream, "403 Forbidden", &[length(0)], b""));
    let good =
        Server::answering(|_, asked, stream| send_at_most(stream, asked, (FILE, TAG), usize::MAX));
    let pulled = Stage::from(&[&gone.url, &format!("{}named.tgz", good.url)]).well();
    assert!(pulled.download_record.source.ends_with("/named.tgz"));
}

#[test]
fn wrong_bytes_are_told_by_what_they_are() {
    let page = failing_with("200 OK", &[], b"<!DOCTYPE html><title>Log in</title>");
    assert!(page.contains("an HTML page, not an archive"), "{page}");
    let text = failing_with("200 OK", &[], b"quota exceeded");
    assert!(text.contains("neither gzip, tar nor zip"), "{text}");
    let noise =
        failing_with("200 OK", &[], b"\x1f\x8b\x08\0\0\0\0\0\0\0and then nothing of the kind");
    assert!(noise.contains("not mobilenet_v1_0.25_128:"), "{noise}");
}

#[test]
fn another_network_is_not_installed() {
    let server =
        Server::answering(|_, asked, stream| send_at_most(stream, asked, (FILE, TAG), usize::MAX));
    let mut stage = Stage::from(&[&format!("{}any.tgz", server.url)]);
    for other in ["mobilenet_v1", "mobilenet_v1_0.5_160", "resnet_v1_50"] {
        stage.entry = catalogue::find(other).unwrap();
        let error = stage.badly();
        assert!(error.contains(&format!("not {other}: ")) && error.contains("variable"), "{error}");
    }
}

#[test]
fn a_stalled_server_is_given_up() {
    let server = Server::answering(|number, asked, stream| {
        send_at_most(stream, asked, (FILE, TAG), if number == 0 { 1000 } else { usize::MAX });
        if number == 0 {
            stall();
        }
    });
    Stage::from(&[&server.url]).well();
    assert_eq!(server.asked().iter().map(first).collect::<Vec<_>>(), [0, 1000]);
    let silent = Server::answering(|_, _, _| stall());
    let error = Stage::from(&[&silent.url]).badly();
    assert!(error.contains("timeout") && error.contains("tried 3 times"), "{error}");
}

/// A byte every so often, which no timeout of the next bytes notices.
#[test]
fn a_dripping_server_is_given_up() {
    let server = Server::answering(|_, asked, stream| {
        send_at_most(stream, asked, (FILE, TAG), 0);
        for byte in &FILE[first(asked)..] {
            if stream.write_all(&[*byte]).is_err() {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    let mut stage = Stage::from(&[&server.url]);
    stage.options.retry_policy.stall = Duration::from_millis(800);
    let error = stage.badly();
    assert!(error.contains("500 bytes a second"), "{error}");
}

/// Headers, sizes of chunks and handshakes that never end, a little at a time.
#[test]
fn what_never_ends_is_given_up_wherever_it_drips() {
    let drip = |stream: &mut std::net::TcpStream, start: &str, more: &str| {
        let _ = stream.write_all(start.as_bytes());
        while stream.write_all(more.as_bytes()).is_ok() {
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    let cases: [(&str, &str); 5] = [
        ("HTTP/1.1 200 OK\r\n", "X-More: 0\r\n"),
        ("HTTP/1.1 200 OK\r\nX-Long: ", "x"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;", "x"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n"),
        ("HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n"),
    ];
    for (start, more) in cases {
        let server = Server::answering(move |_, _, stream| drip(stream, start, more));
        let started = std::time::Instant::now();
        let error = Stage::from(&[&server.url]).badly();
        assert!(started.elapsed() < Duration::from_secs(10), "{start}: {:?}", started.elapsed());
        assert!(error.contains(&server.url), "{start}: {error}");
    }
    // Under TLS, the server's answer to the first greeting.
    let server = Server::answering(|_, _, _| std::thread::sleep(Duration::from_secs(60)));
    let mut stage = Stage::from(&[&server.url.replace("http:", "https:")]);
    stage.options.retry_policy.connect = Duration::from_millis(200);
    let started = std::time::Instant::now();
    let error = stage.badly();
    assert!(started.elapsed() < Duration::from_secs(10), "{error}: {:?}", started.elapsed());
}

#[test]
fn offline_it_says_what_to_fetch_and_where_to_put_it() {
    let mut stage = Stage::from(&[]);
    stage.options.proxies.all = Some("http://127.0.0.1:1".into());
    let error = stage.badly();
    let path = stage.model_store.path(&stage.entry);
    let url =
        "https://storage.googleapis.com/download.tensorflow.org/models/mobilenet_v1_2018_08_02/";
    assert!(error.contains(&format!("fetch {url}{NAME}.tgz by other means")), "{error}");
    assert!(
        error.contains("by other means, and put the file at")
            && error.contains(path.to_str().unwrap()),
        "{error}"
    );
}

#[test]
fn a_file_put_there_by_hand_counts_once_it_was_looked_at() {
    let stage = Stage::from(&["/nowhere/at/all"]);
    let path = stage.model_store.path(&stage.entry);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, FILE).unwrap();
    assert!(
        stage.pull().unwrap().already && stage.model_store.download_record(&stage.entry).is_some()
    );
}

#[test]
fn a_model_that_was_damaged_is_pulled_again_and_must_be_the_same() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("mobilenet_v1_0.25_128.tgz"), FILE).unwrap();
    let stage = Stage::from(&[folder.path().to_str().unwrap()]);
    let path = stage.well().path;
    fs::write(&path, &FILE[..99]).unwrap();
    assert!(!stage.well().already);
    // The same network in another archive: gzip ignores what it calls the operating system.
    let mut other = FILE.to_vec();
    other[9] ^= 1;
    fs::write(folder.path().join("mobilenet_v1_0.25_128.tgz"), other).unwrap();
    fs::remove_file(&path).unwrap();
    let error = stage.badly();
    assert!(
        error.contains("SHA-256") && error.contains("remove mobilenet_v1_0.25_128 first"),
        "{error}"
    );
}

#[test]
fn two_programs_do_not_pull_the_same_model() {
    let stage = Stage::from(&["/nowhere"]);
    let path = stage.model_store.path(&stage.entry);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let lock = fs::File::create(path.with_file_name(format!("{NAME}.tgz.lock"))).unwrap();
    lock.lock().unwrap();
    assert!(stage.badly().contains("another program is pulling it"));
    drop(lock);
    assert!(stage.badly().contains("/nowhere: "));
}

#[test]
fn proxies_are_gone_through_but_for_excepted_hosts() {
    let direct =
        Server::answering(|_, asked, stream| send_at_most(stream, asked, (FILE, TAG), usize::MAX));
    let proxy =
        Server::answering(|_, _, stream| send(stream, "502 Bad Gateway", &[length(0)], b""));
    let mut stage = Stage::from(&[&direct.url]);
    stage.options.proxies = Proxies { http: Some(proxy.url.clone()), ..Proxies::default() };
    stage.badly();
    assert!(!proxy.asked().is_empty() && direct.asked().is_empty());
    assert!(
        proxy.asked()[0][0]
            .contains(direct.url.trim_start_matches("http://").trim_end_matches('/'))
    );
    stage.options.proxies.exceptions = "127.0.0.1".into();
    stage.well();
    assert!(!direct.asked().is_empty());
}

#[test]
fn a_server_without_tls_is_no_https_server() {
    let server =
        Server::answering(|_, _, stream| send(stream, "400 Bad Request", &[length(0)], b""));
    let error = Stage::from(&[&server.url.replace("http:", "https:")]).badly();
    assert!(error.contains("https://127.0.0.1") && !error.contains("400"), "{error}");
}

#[test]
fn a_server_nobody_can_reach_is_not_waited_for() {
    let error = Stage::from(&["http://127.0.0.1:1/"]).badly();
    assert!(error.contains("http://127.0.0.1:1/") && !error.contains("tried"), "{error}");
}
