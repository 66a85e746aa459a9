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
