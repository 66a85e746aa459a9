//! What is drawn on pictures: sizes, room, what is left alone, and that no shape or name is too
//! much.

#[path = "support/paths.rs"]
mod paths;

use lorgnette::draw::{Placement, annotate, show_input};
use lorgnette::picture::Picture;
use paths::repository;

const ANSWERS: [(&str, f32); 5] = [
    ("school bus", 0.9912),
    ("great white shark, white shark, man-eater, man-eating shark, Carcharodon carcharias", 0.0613),
    ("passenger car, coach, carriage", 0.0041),
    ("Éléphant d’Afrique à cañón", 0.00049),
    ("crane", f32::NAN),
];

fn grey(width: usize, height: usize) -> Picture {
    Picture::from_rgb8(width, height, vec![90; 3 * width * height]).unwrap()
}

fn size(picture: &Picture) -> (usize, usize) {
    (picture.width(), picture.height())
}

fn rows(picture: &Picture, rows: std::ops::Range<usize>) -> Vec<u8> {
    picture.to_rgb8()[3 * picture.width() * rows.start..3 * picture.width() * rows.end].to_vec()
}

#[test]
fn a_photo_with_room_keeps_its_size_and_most_of_its_pixels() {
    let photo = Picture::open(repository("photos/rocket.jpg")).unwrap();
    let drawn = annotate(&photo, &ANSWERS, Placement::Automatic);
    assert_eq!(size(&drawn), size(&photo));
    assert_eq!(drawn.name(), photo.name());
    assert_eq!(rows(&drawn, 0..200), rows(&photo, 0..200));
    // The panel is dark and its letters are white.
    let below = rows(&drawn, 230..427);
    assert!(
        below
            .as_chunks::<3>()
            .0
            .iter()
            .filter(|pixel| pixel.iter().all(|&level| level > 240))
            .count()
            > 200
    );
}

#[test]
fn answers_below_leave_the_photo_uncovered() {
    let photo = Picture::open(repository("photos/coffee.jpg")).unwrap();
    let drawn = annotate(&photo, &ANSWERS, Placement::Below);
    assert_eq!(drawn.width(), photo.width());
    assert!(drawn.height() > photo.height() + 100);
    assert_eq!(rows(&drawn, 0..photo.height()), photo.to_rgb8());
}

#[test]
fn small_photos_are_enlarged_until_letters_can_be_read() {
    for (width, height) in [(1, 1), (32, 20), (64, 64), (224, 224), (100, 600)] {
        let drawn = annotate(&grey(width, height), &ANSWERS, Placement::Automatic);
        assert!(
            drawn.width() >= 320 && drawn.height() > height,
            "{width} x {height}: {:?}",
            size(&drawn)
        );
    }
}

#[test]
fn extreme_shapes_and_names_are_drawn() {
    let long = "ß".repeat(5_000);
    let odd =
        [("", 0.5), (long.as_str(), 1.5), ("日本語 🦀 \u{0}\n", -1.0), (", , ,", f32::INFINITY)];
    for (width, height) in
        [(1, 3_000), (3_000, 1), (2_000, 200), (200, 2_000), (5_000, 30), (321, 120)]
    {
        let photo = grey(width, height);
        for placement in [Placement::Automatic, Placement::Below] {
            let drawn = annotate(&photo, &odd, placement);
            assert!(
                drawn.width() >= 320 && drawn.height() >= height,
                "{width} x {height}: {:?}",
                size(&drawn)
            );
            assert!(
                drawn.height() <= height.max(2_400) + 400,
                "{width} x {height}: {:?}",
                size(&drawn)
            );
        }
    }
}

#[test]
fn nothing_to_say_leaves_the_photo_alone() {
    let photo = grey(40, 30);
    assert_eq!(annotate::<&str>(&photo, &[], Placement::Automatic), photo);
}

#[test]
fn an_input_is_enlarged_pixel_by_pixel() {
    let input =
        Picture::from_rgb8(224, 2, (0..224 * 2 * 3).map(|index| index as u8).collect()).unwrap();
    let shown = show_input(&input, None);
    assert_eq!(size(&shown), (448, 4));
    let (large, small) = (shown.to_rgb8(), input.to_rgb8());
    assert_eq!(large[3 * (448 * 3 + 447)..][..3], small[3 * (224 + 223)..][..3]);
    let named = show_input(&grey(28, 28), Some("lenet: 28 × 28, (v − 128) / 128"));
    assert_eq!(named.width(), 448);
    assert!(named.height() > 448 + 20);
}
