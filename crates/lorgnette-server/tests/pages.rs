//! The pages load nothing from elsewhere, and the description of the interface holds.

mod common;

use common::{MODEL, cat, get, send, server};

/// The values of an attribute in a page.
fn attributes<'a>(html: &'a str, name: &str) -> Vec<&'a str> {
    let start = format!(" {name}=\"");
    html.split(&start[..]).skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

#[test]
fn pages_need_nothing_but_this_server() {
    let server = server(|_| {});
    for (path, status) in [("/", 200), ("/models", 200), ("/library", 404)] {
        let page = get(&server, path);
        assert_eq!(page.status, status, "{path}");
        let policy = page.header("content-security-policy").expect("a policy");
        assert!(policy.starts_with("default-src 'self'"), "{policy}");
        let html = page.text();
        let links = [attributes(&html, "href"), attributes(&html, "src")].concat();
        assert!(links.len() >= 4, "{links:?}");
        for link in links {
            assert_eq!(get(&server, link).status, 200, "{path}: {link}");
        }
        assert!(html.starts_with("<!doctype html>\n<html lang=\"en\">"), "{path}");
    }
    for path in [
        "style.css",
        "library.css",
        "common.js",
        "photo.js",
        "models.js",
        "boxes.js",
        "names.js",
        "library.js",
        "duplicates.js",
    ] {
        let path = format!("/pages/{path}");
        let path = path.as_str();
        let text = get(&server, path).text();
        assert!(!text.contains("://"), "{path} loads something from elsewhere");
    }
}

#[test]
fn every_path_of_the_description_answers() {
    let server = server(|options| options.model_control = true);
    let description = get(&server, "/openapi.json").json();
    let paths = description["paths"].as_object().expect("paths");
    assert!(paths.len() > 30, "{} paths", paths.len());
    for (path, methods) in paths {
        // Unloading comes last in the alphabet, but would still end the others.
        if path.ends_with("/unload") {
            continue;
        }
        let path = path.replace("{model}", MODEL).replace("{version}", "1");
        let path = path.replace("{label}", "stable").replace("{photo}", "1");
        for method in methods.as_object().expect("methods").keys() {
            let line = format!("{} {path}", method.to_uppercase());
            let body = if path.starts_with("/v1/") { cat() } else { b"{}".to_vec() };
            let body = if method == "get" { Vec::new() } else { body };
            let answer = send(&server, &line, &[], &body);
            let text = answer.text();
            assert!(answer.status < 500, "{line}: {} {text}", answer.status);
            assert!(!text.contains("Malformed request"), "{line}: {text}");
            let is_unknown =
                answer.status == 404 && !text.contains("model") && !text.contains("library");
            assert!(!is_unknown && answer.status != 405, "{line}: {} {text}", answer.status);
        }
    }
}

#[test]
fn reports_of_trained_models_are_shown_without_scripts() {
    let folder = tempfile::tempdir().expect("a folder");
    let graph = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../lorgnette/models/mobilenet_v1_1.0_224.pb");
    let version = folder.path().join("3");
    std::fs::create_dir(&version).expect("a folder");
    std::fs::copy(graph, version.join("graph.pb")).expect("a file");
    std::fs::write(version.join("report.html"), "<title>The report</title>").expect("a file");
    let server = server(|options| {
        let source = lorgnette_server::ModelSource::Path(folder.path().into());
        options.models.push(lorgnette_server::ModelConfig::new("trained", source));
    });
    assert_eq!(get(&server, "/models/reports").text(), r#"{"reports":["trained"]}"#);
    let report = get(&server, "/models/trained/report");
    assert_eq!((report.status, report.text().as_str()), (200, "<title>The report</title>"));
    let policy = report.header("content-security-policy").expect("a policy");
    assert!(policy.starts_with("default-src 'none'") && policy.ends_with("sandbox"), "{policy}");
    for name in [MODEL, "other", "..%2ftrained"] {
        assert_eq!(get(&server, &format!("/models/{name}/report")).status, 404, "{name}");
    }
}

#[test]
fn requests_of_this_process_are_answered_as_others() {
    let server = server(|_| {});
    let request = lorgnette_server::LocalRequest {
        method: "POST".into(),
        path: "/v1/classify?top=1".into(),
        fields: vec![("accept".into(), "application/json".into())],
        body: cat(),
    };
    let answer = server.answer(request.clone()).expect("it is a request");
    let other = common::post(&server, "/v1/classify?top=1", cat());
    assert_eq!((answer.status, &answer.body), (other.status, &other.body));
    assert_eq!(answer.field("content-type"), Some("application/json"));
    let none = lorgnette_server::LocalRequest { path: "no path".into(), ..request };
    assert_eq!(server.answer(none), None);
}
