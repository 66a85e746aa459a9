//! A library of photos: search, drawings, pictures, corrections, duplicates, and who may ask.

mod common;

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use common::{Answer, get, photo_path, send, server};
use lorgnette::picture::OpenOptions;
use lorgnette::{Model, ModelOptions};
use lorgnette_library::{Analysers, Event, IndexOptions, Library, ModelRecord, NetworkAnalyser};
use lorgnette_server::Server;
use serde_json::{Value, json};

/// A folder with photos and a library of them.
struct Fixture {
    folder: tempfile::TempDir,
    server: Server,
}

/// Indexes photos of the repository, a copy of one, and a smaller one of it.
fn fixture() -> Fixture {
    let folder = tempfile::tempdir().expect("a folder");
    let photos = folder.path().join("photos");
    fs::create_dir(&photos).expect("a folder");
    for name in ["chelsea.jpg", "coffee.jpg", "rocket.jpg"] {
        fs::copy(photo_path(name), photos.join(name)).expect("a photo");
    }
    fs::copy(photo_path("chelsea.jpg"), photos.join("chelsea copy.jpg")).expect("a photo");
    let picture = OpenOptions::default().open(photo_path("chelsea.jpg")).expect("a photo");
    picture.scaled(0.75).save(photos.join("small.jpg")).expect("a photo");
    let path = folder.path().join("photos.lgn");
    index(&path, &photos);
    let server = server(|options| options.library = Some(path));
    Fixture { folder, server }
}

fn index(path: &Path, photos: &Path) {
    let model = Model::embedded(&ModelOptions::default()).expect("it is in the program");
    let network = NetworkAnalyser::new(&model, 288).expect("a classifier");
    let open = OpenOptions::default();
    let record = ModelRecord::new(&network, &open).expect("a model");
    let mut library = Library::create(path).expect("a library");
    let mut errors = Vec::new();
    let mut observer = |event: &Event<'_>| {
        if let Event::Done { error: Some(error), .. } = event {
            errors.push((*error).to_owned());
        }
        ControlFlow::Continue(())
    };
    let analysers = Analysers { model: &record, workers: network.workers(2) };
    let options = IndexOptions { open, ..IndexOptions::default() };
    let folders = [photos.to_owned()];
    lorgnette_library::index(&mut library, &folders, analysers, &options, &mut observer)
        .expect("it is indexed");
    assert_eq!(errors, [""; 0]);
}

impl Fixture {
    fn photo(&self, name: &str) -> PathBuf {
        self.folder.path().join("photos").join(name)
    }

    fn search(&self, query: &str) -> Answer {
        get(&self.server, &format!("/v1/library/search?q={}", encoded(query)))
    }

    /// The names of the files that a query finds.
    fn names(&self, query: &str) -> Vec<String> {
        let answer = self.search(query).json();
        let photos = answer["photos"].as_array().unwrap_or_else(|| panic!("{answer}"));
        photos.iter().map(file_name).collect()
    }

    /// The number of a photo in the library.
    fn id(&self, name: &str) -> i64 {
        let answer = self.search(&format!("path:{name}")).json();
        answer["photos"][0]["id"].as_i64().unwrap_or_else(|| panic!("{answer}"))
    }

    fn correct(&self, id: i64, correction: &Value) -> Answer {
        let line = format!("POST /v1/library/photos/{id}/corrections");
        let head = ["Content-Type: application/json"];
        send(&self.server, &line, &head, correction.to_string().as_bytes())
    }
}

fn file_name(photo: &Value) -> String {
    let path = Path::new(photo["photo"].as_str().expect("a path"));
    path.file_name().expect("a name").to_string_lossy().into_owned()
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[test]
fn queries_find_photos_and_say_why() {
    let fixture = fixture();
    let names = fixture.names("cat");
    assert_eq!(names, ["small.jpg", "chelsea.jpg"], "photos of equal bytes are one");
    let answer = fixture.search("a cat but no space shuttle").json();
    assert_eq!(answer["query"], "cat AND NOT space shuttle");
    assert_eq!(answer["total"], 2);
    let copy = fixture.photo("chelsea copy.jpg").canonicalize().expect("a photo");
    assert_eq!(answer["photos"][1]["copies"], json!([copy]));
    let photo = &answer["photos"][0];
    assert!(photo["copies"].is_null(), "{answer}");
    assert!(photo["score"].as_f64().is_some_and(|score| score > 0.1), "{photo}");
    assert_eq!(photo["matches"][0]["asked"], "cat");
    assert!(photo["explanation"]["condition"].is_string(), "{photo}");
    assert!(answer["kinds_of_people"].is_null(), "{answer}");
    let people = fixture.search("no people").json();
    assert_eq!(people["kinds_of_people"][0], "ballplayer", "{people}");
    let limited = get(&fixture.server, "/v1/library/search?q=cat&limit=1").json();
    assert_eq!(
        (limited["photos"].as_array().map(Vec::len), &limited["total"]),
        (Some(1), &json!(2))
    );
    // The link to similar photos is a query.
    let similar = photo["similar"].as_str().expect("a query");
    assert!(fixture.names(similar).len() >= 2, "{similar}");
}

#[test]
fn queries_are_drawings() {
    let fixture = fixture();
    let answer =
        fixture.search("NOT cat in the top left corner, date:2024 and dog in box(0,0,50%,1)");
    let parts = answer.json()["parts"].clone();
    let third = 1.0 / 3.0;
    assert_eq!(parts[0]["name"], "cat");
    assert_eq!(parts[0]["negated"], true);
    assert_eq!(parts[0]["box"], json!([0.0, 0.0, third, third]));
    assert_eq!(parts[1], json!({"text": "date:2024-01-01..2024-12-31"}));
    assert_eq!(parts[2]["place"], "box(0,0,0.5,1)");
    let names = get(&fixture.server, "/v1/library/vocabulary").json()["names"].clone();
    let names = names.as_array().expect("names").clone();
    assert!(names.len() > 1500, "{} names", names.len());
    for name in ["school bus", "animal", "black and gold garden spider"] {
        assert!(names.contains(&json!(name)), "{name}");
    }
}

#[test]
fn wrong_queries_are_shown_where_they_are_wrong() {
    let fixture = fixture();
    for (query, span) in [
        ("dog in the midle", [11, 16]),
        // As JavaScript counts: the rocket is two.
        ("'🚀' or dog in the midle", [19, 24]),
        ("vehicel", [0, 7]),
        ("", [0, 0]),
    ] {
        let answer = fixture.search(query);
        assert_eq!(answer.status, 400, "{query}");
        assert_eq!(answer.json()["span"], json!(span), "{query}: {}", answer.text());
        assert!(!answer.error().is_empty());
    }
}

#[test]
fn pictures_are_of_photos_of_the_library_alone() {
    let fixture = fixture();
    let id = fixture.id("chelsea.jpg");
    let picture = |path: &str| get(&fixture.server, path);
    let answer = picture(&format!("/v1/library/photos/{id}/picture?side=200"));
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("image/jpeg")));
    assert_eq!(answer.header("cross-origin-resource-policy"), Some("same-origin"));
    let decoded = OpenOptions::default().decode(&answer.body, "answer").expect("a JPEG");
    assert_eq!(decoded.width().max(decoded.height()), 200);
    for path in [
        "/v1/library/photos/999999/picture",
        "/v1/library/photos/-1/picture",
        "/v1/library/photos/..%2f..%2fetc%2fpasswd/picture",
        "/v1/library/photos/%2fetc%2fpasswd/picture",
        "/v1/library/photos/1e9/picture",
    ] {
        assert_eq!(picture(path).status, 404, "{path}");
    }
    for side in ["0", "15", "2049", "-1", "x", "99999999999999999999"] {
        let path = format!("/v1/library/photos/{id}/picture?side={side}");
        assert_eq!(picture(&path).status, 400, "{side}");
    }
}

#[test]
fn files_that_are_no_photos_any_more_are_not_shown() {
    let fixture = fixture();
    let (changed, gone) = (fixture.id("coffee.jpg"), fixture.id("rocket.jpg"));
    let secret = fixture.folder.path().join("secret.txt");
    fs::write(&secret, "the secret text").expect("a file");
    fs::remove_file(fixture.photo("coffee.jpg")).expect("it is there");
    #[cfg(unix)]
    std::os::unix::fs::symlink(&secret, fixture.photo("coffee.jpg")).expect("a link");
    #[cfg(not(unix))]
    fs::copy(&secret, fixture.photo("coffee.jpg")).expect("a file");
    fs::remove_file(fixture.photo("rocket.jpg")).expect("it is there");
    let changed = get(&fixture.server, &format!("/v1/library/photos/{changed}/picture"));
    assert_eq!(changed.status, 400);
    assert!(!changed.text().contains("secret text"), "{}", changed.text());
    let gone = get(&fixture.server, &format!("/v1/library/photos/{gone}/picture"));
    assert_eq!(gone.status, 404);
}

#[cfg(unix)]
#[test]
fn a_pipe_in_the_place_of_a_photo_holds_nothing_up() {
    let fixture = fixture();
    let id = fixture.id("rocket.jpg");
    let path = fixture.photo("rocket.jpg");
    fs::remove_file(&path).expect("it is there");
    let made = std::process::Command::new("mkfifo").arg(&path).status().expect("mkfifo runs");
    assert!(made.success());
    let answer = get(&fixture.server, &format!("/v1/library/photos/{id}/picture"));
    assert_eq!(answer.status, 404);
}

#[test]
fn corrections_change_what_is_found_and_can_be_undone() {
    let fixture = fixture();
    let id = fixture.id("coffee.jpg");
    assert_eq!(fixture.names("school bus in the left half"), [""; 0]);
    let correction = json!({"right": "school bus", "box": [0.1, 0.1, 0.4, 0.9]});
    let answer = fixture.correct(id, &correction);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let findings = answer.json()["findings"].as_array().expect("findings").clone();
    assert!(findings.iter().any(|finding| finding["source"] == "user"), "{findings:?}");
    assert_eq!(fixture.names("school bus in the left half"), ["coffee.jpg"]);
    let wrong = findings.iter().find(|finding| finding["source"] == "model").expect("one");
    let answer = fixture.correct(id, &json!({"wrong": wrong["synset"]}));
    let findings = answer.json()["findings"].as_array().expect("findings").clone();
    assert!(findings.iter().any(|finding| finding["source"] == "refuted"), "{findings:?}");
    let line = format!("DELETE /v1/library/photos/{id}/corrections");
    let answer = send(&fixture.server, &line, &[], b"").json();
    let findings = answer["findings"].as_array().expect("findings");
    assert!(findings.iter().all(|finding| finding["source"] == "model"), "{findings:?}");
    assert_eq!(fixture.names("school bus in the left half"), [""; 0]);
}

#[test]
fn wrong_corrections_are_refused() {
    let fixture = fixture();
    let id = fixture.id("coffee.jpg");
    for correction in [
        json!({}),
        json!({"right": "no such thing"}),
        json!({"wrong": "submarine"}),
        json!({"right": "school bus", "box": [0.5, 0.0, 0.4, 1.0]}),
        json!({"right": "school bus", "box": [0.0, 0.0, 0.4]}),
        json!({"right": 7}),
        json!({"rihgt": "school bus"}),
        json!({"right": "x".repeat(5000), "new_name": true}),
        json!([]),
    ] {
        let answer = fixture.correct(id, &correction);
        assert_eq!(answer.status, 400, "{correction}: {}", answer.text());
    }
    assert_eq!(fixture.correct(999_999, &json!({"right": "school bus"})).status, 404);
    // A form of another site's page cannot say that it is JSON.
    let line = format!("POST /v1/library/photos/{id}/corrections");
    for kind in ["Content-Type: text/plain", "Content-Type: application/x-www-form-urlencoded"] {
        let answer = send(&fixture.server, &line, &[kind], br#"{"right": "school bus"}"#);
        assert_eq!(answer.status, 400, "{kind}");
    }
    assert_eq!(get(&fixture.server, "/v1/library").json()["corrections"], 0);
}

#[test]
fn duplicates_come_with_the_one_to_keep() {
    let fixture = fixture();
    let groups = |parameters: &str| {
        let answer = get(&fixture.server, &format!("/v1/library/duplicates{parameters}")).json();
        answer["groups"].as_array().unwrap_or_else(|| panic!("{answer}")).clone()
    };
    let names = |group: &Value| -> Vec<String> {
        group["photos"].as_array().expect("photos").iter().map(file_name).collect()
    };
    let equal = groups("");
    assert_eq!(equal.len(), 1, "{equal:?}");
    let mut equal_names = names(&equal[0]);
    equal_names.sort();
    assert_eq!(equal_names, ["chelsea copy.jpg", "chelsea.jpg"]);
    let near = groups("?near=0.9");
    assert_eq!(near.len(), 1, "{near:?}");
    // The small one has fewer pixels: it comes last.
    assert_eq!(names(&near[0])[2], "small.jpg");
    assert!(near[0]["photos"][0]["width"].as_u64() > near[0]["photos"][2]["width"].as_u64());
    for wrong in ["?near=2", "?near=x", "?near=nan", "?limit=-1", "?limit=99999", "?q=cat"] {
        let path = format!("/v1/library/duplicates{wrong}");
        assert_eq!(get(&fixture.server, &path).status, 400, "{wrong}");
    }
}

#[test]
fn pages_of_other_sites_may_not_ask() {
    let fixture = fixture();
    let id = fixture.id("chelsea.jpg");
    let paths = [
        "GET /v1/library".to_owned(),
        "GET /v1/library/search?q=cat".to_owned(),
        format!("GET /v1/library/photos/{id}/picture"),
        format!("DELETE /v1/library/photos/{id}/corrections"),
    ];
    for path in &paths {
        for head in [
            "Sec-Fetch-Site: cross-site",
            "Sec-Fetch-Site: same-site",
            "Origin: http://evil.example",
            "Origin: null",
        ] {
            assert_eq!(send(&fixture.server, path, &[head], b"").status, 403, "{path}, {head}");
        }
        for head in ["Sec-Fetch-Site: same-origin", "Origin: http://localhost"] {
            assert_eq!(send(&fixture.server, path, &[head], b"").status, 200, "{path}, {head}");
        }
    }
    let head = ["Sec-Fetch-Site: cross-site"];
    let answer = send(&fixture.server, "POST /v1/classify", &head, &common::cat());
    assert_eq!(answer.status, 403, "a page of another site lets this machine compute");
}

#[test]
fn names_that_lead_here_by_rebinding_are_refused() {
    let fixture = fixture();
    let status = |host: &str| {
        let mut stream = common::connect(fixture.server.addresses()[0]);
        let text = format!("GET /v1/library HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        std::io::Write::write_all(&mut stream, text.as_bytes()).expect("the server reads");
        common::read_answer(&mut stream).status
    };
    for host in ["localhost", "localhost:8501", "127.0.0.1:8501", "[::1]:8501"] {
        assert_eq!(status(host), 200, "{host}");
    }
    for host in ["evil.example", "127.0.0.1.evil.example:8501", "localhost.evil.example"] {
        assert_eq!(status(host), 403, "{host}");
    }
}

#[test]
fn a_server_without_a_library_says_so() {
    let server = server(|_| {});
    let answer = get(&server, "/v1/library/search?q=cat");
    assert_eq!(answer.status, 404);
    assert!(answer.error().contains("--library"), "{}", answer.text());
    let page = get(&server, "/library");
    assert_eq!(page.status, 404);
    assert!(page.text().contains("--library"));
    assert!(!get(&server, "/").text().contains("href=\"/library\""));
}

#[test]
fn a_file_that_is_no_library_stops_the_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("x.lgn");
    for text in [None, Some("no library")] {
        if let Some(text) = text {
            fs::write(&path, text).expect("a file");
        }
        let options = lorgnette_server::ServerOptions {
            library: Some(path.clone()),
            ..lorgnette_server::ServerOptions::default()
        };
        let error = Server::start(options).err().expect("it is no library").to_string();
        assert!(error.contains("x.lgn"), "{error}");
    }
}
