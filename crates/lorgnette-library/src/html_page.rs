//! Search results as one HTML page: thumbnails with the matching regions drawn on them. The page
//! needs no other file, no network and no script.
//!
//! The size of the page is bounded: more photos have smaller thumbnails, and photos beyond
//! [`MAX_THUMBNAIL_BYTES`] are listed without one.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lorgnette::picture::{OpenOptions, Picture};

use crate::bytes::{self, printable};
use crate::search::{Explanation, Hit, Match, SearchResults};

mod duplicates;

pub use self::duplicates::DuplicatesPage;

const STYLE: &str = include_str!("html_page/style.css");
/// JPEG quality of thumbnails, 1 to 100.
const QUALITY: u8 = 82;
/// Maximum total bytes of the thumbnails of a page, as encoded.
pub const MAX_THUMBNAIL_BYTES: usize = 32 << 20;
/// Colours of the boxes, one for each object of the query, distinguishable with colour blindness
/// (blue, orange, bluish green, pink, sky blue after Okabe and Ito, "Color Universal Design", 2008;
/// brown replaces their yellow, on which white text is illegible).
const COLOURS: [&str; 6] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8c6d1f", "#56b4e9"];

/// Builder of a page. Photos are added in their order.
#[derive(Debug)]
pub struct HtmlPage {
    page: String,
    side: usize,
    objects: Vec<String>,
    thumbnails: usize,
    rank: usize,
}

/// A thumbnail, or the error that prevented it.
#[derive(Clone, Debug)]
pub struct Thumbnail(Result<String, String>);

impl Thumbnail {
    /// Opens a photo and scales it so that its longer side is at most `side` pixels.
    #[must_use]
    pub fn open(path: &Path, side: usize) -> Self {
        let options = OpenOptions::default();
        Self(
            options
                .open(path)
                .map_err(|error| error.to_string())
                .and_then(|picture| small(&picture, side)),
        )
    }
}

fn small(picture: &Picture, side: usize) -> Result<String, String> {
    let scale = side as f64 / picture.width().max(picture.height()) as f64;
    let small = if scale < 1.0 { &picture.scaled(scale) } else { picture };
    small.to_jpeg(QUALITY).map(|bytes| STANDARD.encode(bytes)).map_err(|error| error.to_string())
}

impl HtmlPage {
    /// Begins the page of the results of `query`.
    #[must_use]
    pub fn new(query: &str, results: &SearchResults) -> Self {
        let (shown, total) = (results.hits.len(), results.total);
        let count = match total {
            0 => "Nothing was found".to_owned(),
            1 => "1 photo".to_owned(),
            _ if shown < total => format!("The best {shown} of {total} photos"),
            _ => format!("{total} photos"),
        };
        let page = head(query, &count);
        let mut objects: Vec<String> = Vec::new();
        for asked in results.hits.iter().flat_map(|hit| &hit.matches).map(|matched| &matched.asked)
        {
            if !objects.contains(asked) {
                objects.push(asked.clone());
            }
        }
        Self { page, side: side(shown), objects, thumbnails: 0, rank: 0 }
    }

    /// Returns the longer side of the thumbnails of this page, in pixels.
    #[must_use]
    pub fn side(&self) -> usize {
        self.side
    }

    /// Adds a photo.
    pub fn add(&mut self, hit: &Hit, thumbnail: &Thumbnail) {
        self.rank += 1;
        let (width, height) = (hit.width.unwrap_or(4), hit.height.unwrap_or(3));
        let name = hit.path.file_name().unwrap_or(hit.path.as_os_str()).to_string_lossy();
        let (name, path) = (escaped(&name), escaped(&hit.path.to_string_lossy()));
        let figure = self.figure(hit, thumbnail, &name);
        let percent = percent(hit.score);
        let chips: String = hit.matches.iter().map(|matched| self.chip(matched)).collect();
        let taken = hit.taken.as_ref().map_or(String::new(), |taken| {
            format!("<time>{}</time>", escaped(&taken.replace('T', " ")))
        });
        let (rank, copies) = (self.rank, copies(&hit.copies));
        let explanation = explained(&hit.explanation);
        let breakable = breakable(&path);
        let _ = write!(
            self.page,
            "<article>\n<div class=\"photo\" \
             style=\"aspect-ratio:{width}/{height};max-width:calc(34rem*{width}/{height})\">{figure}</div>\n\
             <div class=\"about\">\n<p class=\"name\"><span class=\"rank\">{rank}</span>\
             <span class=\"file\" title=\"{path}\">{name}</span><span \
             class=\"score\">{percent}</span></p>\n\
             <p class=\"found\">{chips}</p>\n<p class=\"path\">{breakable}</p>{taken}{copies}\n\
             <details>\n<summary>Why {percent}</summary>\n<ul>{explanation}</ul>\n</details>\n\
             </div>\n</article>\n"
        );
    }

    /// Returns the page.
    #[must_use]
    pub fn finish(self) -> String {
        self.page + "</main>\n" + &foot()
    }

    /// Writes the thumbnail and its boxes.
    fn figure(&mut self, hit: &Hit, thumbnail: &Thumbnail, name: &str) -> String {
        let mut figure = linked(&hit.path, name, thumbnail, &mut self.thumbnails);
        for matched in &hit.matches {
            figure += &self.boxed(matched);
        }
        figure
    }

    fn boxed(&self, matched: &Match) -> String {
        let Some(bounds) = matched.bounds else { return String::new() };
        let side = |from: f64, to: f64| {
            (100.0 * from.clamp(0.0, 1.0), 100.0 * (to.min(1.0) - from.max(0.0)).max(0.0))
        };
        let ((left, width), (top, height)) =
            (side(bounds.x0, bounds.x1), side(bounds.y0, bounds.y1));
        let (label, colour) = (escaped(first_name(&matched.name)), self.colour(&matched.asked));
        // A label that would leave the photo at the top is drawn inside its box; one at the right
        // edge grows to the left.
        let place = match (top < 8.0, left > 60.0) {
            (true, true) => " class=\"within right\"",
            (true, false) => " class=\"within\"",
            (false, true) => " class=\"right\"",
            (false, false) => "",
        };
        format!(
            "<div class=\"box\" \
             style=\"left:{left:.2}%;top:{top:.2}%;width:{width:.2}%;height:{height:.2}%;--colour:{colour}\">\
             <span{place}>{label} {}</span></div>",
            percent(matched.probability)
        )
    }

    fn chip(&self, matched: &Match) -> String {
        let (asked, name) = (escaped(&matched.asked), escaped(first_name(&matched.name)));
        let colour = self.colour(&matched.asked);
        let whole = if matched.bounds.is_none() { " (whole photo)" } else { "" };
        let name =
            if asked.eq_ignore_ascii_case(&name) { String::new() } else { format!(": {name}") };
        let probability = percent(matched.probability);
        format!(
            "<span class=\"chip\" style=\"--colour:{colour}\">{asked}{name} \
             {probability}{whole}</span>"
        )
    }

    fn colour(&self, asked: &str) -> &'static str {
        let number = self.objects.iter().position(|object| object == asked).unwrap_or(0);
        COLOURS[number % COLOURS.len()]
    }
}

/// Returns the beginning of a page, up to its photos.
fn head(title: &str, subtitle: &str) -> String {
    let (title, version) = (escaped(title), env!("CARGO_PKG_VERSION"));
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"generator\" content=\"Lorgnette {version}\">\n<title>{title}</title>\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n\
         <header>\n<h1>{title}</h1>\n<p>{subtitle}</p>\n</header>\n<main>\n"
    )
}

fn foot() -> String {
    let version = env!("CARGO_PKG_VERSION");
    format!("<footer>Found by Lorgnette {version}</footer>\n</body>\n</html>\n")
}

/// Writes a thumbnail that links to its photo. `total` counts the bytes of the page's thumbnails.
fn linked(path: &Path, name: &str, thumbnail: &Thumbnail, total: &mut usize) -> String {
    match &thumbnail.0 {
        Ok(data) if *total + data.len() <= MAX_THUMBNAIL_BYTES => {
            *total += data.len();
            let link = bytes::percent_encoded(path);
            format!(
                "<a href=\"file://{link}\"><img alt=\"{name}\" \
                 src=\"data:image/jpeg;base64,{data}\"></a>"
            )
        }
        Ok(_) => "<p class=\"missing\">The page is full: see the file itself.</p>".to_owned(),
        Err(why) => format!("<p class=\"missing\">{}</p>", escaped(why)),
    }
}

/// Returns the longer side of thumbnails for this number of photos: at about 25 kB for 480 pixels,
/// a page of a hundred has 2.5 MB.
fn side(photos: usize) -> usize {
    match photos {
        0..=12 => 720,
        13..=120 => 480,
        121..=600 => 320,
        _ => 200,
    }
}

/// Writes the paths of copies below their number.
fn copies(paths: &[PathBuf]) -> String {
    let count = match paths.len() {
        0 => return String::new(),
        1 => "1 copy".to_owned(),
        count => format!("{count} copies"),
    };
    let lines = paths.iter().map(|path| {
        let (link, path) = (bytes::percent_encoded(path), escaped(&path.to_string_lossy()));
        format!("<li><a href=\"file://{link}\">{}</a></li>", breakable(&path))
    });
    format!(
        "<details>\n<summary>{count}</summary>\n<ul>{}</ul>\n</details>",
        lines.collect::<String>()
    )
}

/// Lets a long path break behind its folders first.
fn breakable(path: &str) -> String {
    path.replace('/', "/<wbr>")
}

fn explained(explanation: &Explanation) -> String {
    let Explanation { condition, score, how, parts } = explanation;
    let parts: String = parts.iter().map(explained).collect();
    let parts = if parts.is_empty() { parts } else { format!("<ul>{parts}</ul>") };
    format!("<li><b>{}</b> {score:.3} = {}{parts}</li>", escaped(condition), escaped(how))
}

fn first_name(name: &str) -> &str {
    name.split(',').next().unwrap_or(name).trim()
}

fn percent(share: f64) -> String {
    let percent = 100.0 * share;
    if percent >= 9.95 { format!("{percent:.0}\u{a0}%") } else { format!("{percent:.1}\u{a0}%") }
}

/// Escapes markup in a text.
fn escaped(text: &str) -> String {
    let mut safe = String::new();
    for letter in printable(text).chars() {
        match letter {
            '&' => safe += "&amp;",
            '<' => safe += "&lt;",
            '>' => safe += "&gt;",
            '"' => safe += "&quot;",
            '\'' => safe += "&#39;",
            _ => safe.push(letter),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::{HtmlPage, Thumbnail};
    use crate::search::{BoundingBox, Hit, Match, SearchResults};

    fn hit(path: &str) -> Hit {
        let bounds = Some(BoundingBox { x0: 0.25, x1: 0.5, y0: 0.0, y1: 0.5 });
        let matched = Match {
            asked: "dog".into(),
            name: "beagle, x".into(),
            synset: None,
            bounds,
            share: 0.1,
            probability: 0.5,
            score: 0.5,
        };
        let (width, height) = (Some(640), Some(480));
        Hit {
            photo: 1,
            path: path.into(),
            width,
            height,
            taken: None,
            score: 0.5,
            matches: vec![matched],
            explanation: Default::default(),
            copies: Vec::new(),
        }
    }

    #[test]
    fn a_page_stands_alone_and_says_what_it_shows() {
        let copies = vec!["/backup/<b>.jpg".into()];
        let hit = Hit { copies, ..hit("/photos/<script>alert(1)</script>\".jpg") };
        let results = SearchResults { total: 3, hits: vec![hit.clone()] };
        let mut html_page = HtmlPage::new("dog & <b>", &results);
        html_page.add(&hit, &Thumbnail(Ok("AAAA".into())));
        let page = html_page.finish();
        assert!(
            page.contains("<h1>dog &amp; &lt;b&gt;</h1>")
                && page.contains("The best 1 of 3 photos"),
            "{page}"
        );
        assert!(page.contains("left:25.00%;top:0.00%;width:25.00%;height:50.00%"), "{page}");
        assert!(
            page.contains(
                "<a href=\"file:///photos/%3Cscript%3Ealert%281%29%3C/script%3E%22.jpg\">"
            ),
            "{page}"
        );
        assert!(
            page.contains("<summary>1 copy</summary>")
                && page
                    .contains("<a href=\"file:///backup/%3Cb%3E.jpg\">/<wbr>backup/<wbr>&lt;b&gt;"),
            "{page}"
        );
        assert!(
            page.contains("data:image/jpeg;base64,AAAA") && page.contains("beagle 50\u{a0}%"),
            "{page}"
        );
        assert!(
            !page.contains("<script") && !page.contains("http:") && !page.contains("https:"),
            "{page}"
        );
    }

    #[test]
    fn a_page_is_bounded() {
        let hit = hit("/a.jpg");
        let results = SearchResults { total: 20, hits: vec![hit.clone(); 20] };
        let mut html_page = HtmlPage::new("dog", &results);
        let large = Thumbnail(Ok("A".repeat(5 << 20)));
        for hit in &results.hits {
            html_page.add(hit, &large);
        }
        let page = html_page.finish();
        assert!(
            page.len() < super::MAX_THUMBNAIL_BYTES + (1 << 20)
                && page.contains("The page is full")
        );
    }
}
