//! Groups of duplicates as one HTML page: which photo to keep, and a list of the rest.

use std::fmt::Write as _;

use super::{Thumbnail, breakable, escaped, foot, head, linked, side};
use crate::bytes::short_size;
use crate::photo::Photo;

/// Builder of a page. Groups are added in their order.
#[derive(Debug)]
pub struct DuplicatesPage {
    page: String,
    side: usize,
    thumbnails: usize,
    groups: usize,
    rest: Vec<Photo>,
}

impl DuplicatesPage {
    /// Begins the page of this many groups with this many photos.
    #[must_use]
    pub fn new(groups: usize, photos: usize) -> Self {
        let count = match groups {
            0 => "There are no duplicates".to_owned(),
            1 => format!("1 group of {photos} photos"),
            _ => format!("{photos} photos in {groups} groups"),
        };
        let page = head("Duplicates", &count);
        Self { page, side: side(photos), thumbnails: 0, groups: 0, rest: Vec::new() }
    }

    /// Returns the longer side of the thumbnails of this page, in pixels.
    #[must_use]
    pub fn side(&self) -> usize {
        self.side
    }

    /// Adds a group, whose first photo is to be kept ([`crate::Library::best_first`]).
    pub fn add(&mut self, photos: &[Photo], similarity: f64, thumbnails: &[Thumbnail]) {
        self.groups += 1;
        let alike = if similarity >= 1.0 {
            "equal files".to_owned()
        } else {
            format!("similarity {similarity:.3}")
        };
        let _ =
            writeln!(self.page, "<h2>Group {}: {} photos, {alike}</h2>", self.groups, photos.len());
        for (index, (photo, thumbnail)) in photos.iter().zip(thumbnails).enumerate() {
            self.add_photo(photo, index == 0, thumbnail);
        }
        self.rest.extend(photos.iter().skip(1).cloned());
    }

    fn add_photo(&mut self, photo: &Photo, is_kept: bool, thumbnail: &Thumbnail) {
        let [width, height] = photo.size.unwrap_or([4, 3]);
        let name = photo.path.file_name().unwrap_or(photo.path.as_os_str()).to_string_lossy();
        let (name, path) = (escaped(&name), escaped(&photo.path.to_string_lossy()));
        let figure = linked(&photo.path, &name, thumbnail, &mut self.thumbnails);
        let keep = if is_kept { "<span class=\"keep\">keep</span>" } else { "" };
        let pixels = photo.size.map_or(String::new(), |_| format!("{width} × {height}, "));
        let taken = photo.taken.as_ref().map_or(String::new(), |taken| {
            format!(", <time>{}</time>", escaped(&taken.replace('T', " ")))
        });
        let (size, path_lines) = (short_size(photo.bytes), breakable(&path));
        let _ = write!(
            self.page,
            "<article>\n<div class=\"photo\" \
             style=\"aspect-ratio:{width}/{height};max-width:calc(34rem*{width}/{height})\">{figure}</div>\n\
             <div class=\"about\">\n<p class=\"name\">\
             <span class=\"file\" title=\"{path}\">{name}</span>{keep}</p>\n\
             <p class=\"path\">{pixels}{size}{taken}</p>\n<p class=\"path\">{path_lines}</p>\n\
             </div>\n</article>\n"
        );
    }

    /// Returns the page, which ends with the list of the photos that need not be kept.
    #[must_use]
    pub fn finish(self) -> String {
        let Self { mut page, rest, .. } = self;
        page += "</main>\n";
        if !rest.is_empty() {
            let total = short_size(rest.iter().map(|photo| photo.bytes).sum());
            let files = if rest.len() == 1 { "1 file" } else { &format!("{} files", rest.len()) };
            let paths: String = rest
                .iter()
                .map(|photo| format!("{}\n", escaped(&photo.path.to_string_lossy())))
                .collect();
            let _ = write!(
                page,
                "<section>\n<h2>The rest: {files}, {total}</h2>\n<pre>{paths}</pre>\n</section>\n"
            );
        }
        page + &foot()
    }
}

#[cfg(test)]
mod tests {
    use super::{DuplicatesPage, Thumbnail};
    use crate::photo::{Photo, State};

    fn photo(path: &str) -> Photo {
        Photo {
            id: 1,
            path: path.into(),
            digest: None,
            bytes: 2_100_000,
            modified: 0,
            taken: Some("2024-05-06T07:08:09".into()),
            size: Some([640, 480]),
            orientation: None,
            state: State::Present,
            reason: None,
        }
    }

    #[test]
    fn the_first_is_kept_and_the_rest_is_listed() {
        let mut page = DuplicatesPage::new(1, 3);
        let photos = [photo("/a/best.jpg"), photo("/b/<i>.jpg"), photo("/c.jpg")];
        let thumbnail = Thumbnail(Ok("AAAA".into()));
        page.add(&photos, 1.0, &[thumbnail.clone(), thumbnail, Thumbnail(Err("gone".into()))]);
        let page = page.finish();
        assert_eq!(page.matches("class=\"keep\">").count(), 1);
        let kept = page.find("class=\"keep\">").unwrap();
        assert!(page.find("best.jpg</span>").unwrap() < kept, "{page}");
        assert!(kept < page.find("c.jpg</span>").unwrap(), "{page}");
        assert!(
            page.contains(
                "<h2>The rest: 2 files, 4.2 MB</h2>\n<pre>/b/&lt;i&gt;.jpg\n/c.jpg\n</pre>"
            )
        );
        assert!(page.contains("gone") && page.contains("640 × 480, 2.1 MB"), "{page}");
        assert!(!page.contains("<script") && !page.contains("http"), "{page}");
    }
}
