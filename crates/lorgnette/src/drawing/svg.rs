//! Writes a drawing as SVG.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Anchor, Drawing, Shape, TextStyle};
use crate::draw::canvas::Colour;
use crate::picture::Picture;

/// JPEG quality of photos in drawings.
const QUALITY: u8 = 93;

pub(super) fn svg(drawing: &Drawing) -> String {
    let Drawing { width, height, .. } = drawing;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         width=\"{width}\" height=\"{height}\" font-family=\"Inter, Helvetica, Arial, sans-serif\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
    );
    for shape in &drawing.shapes {
        // Writing to a string cannot fail.
        let _ = draw(&mut svg, shape);
    }
    svg + "</svg>\n"
}

fn draw(svg: &mut String, shape: &Shape) -> std::fmt::Result {
    match shape {
        Shape::Rectangle { corner: (x, y), size: (width, height), radius, colour, tip } => {
            write!(
                svg,
                "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\""
            )?;
            if *radius > 0.0 {
                write!(svg, " rx=\"{radius:.1}\"")?;
            }
            fill(svg, *colour)?;
            close(svg, "rect", tip.as_deref())
        }
        Shape::Line { points, width, colour } => {
            let points: Vec<String> =
                points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
            let (points, colour, opacity) =
                (points.join(" "), colour.hex(), opacity("stroke", *colour));
            writeln!(
                svg,
                "<polyline points=\"{points}\" fill=\"none\" stroke=\"{colour}\"{opacity} \
                 stroke-width=\"{width}\" stroke-linecap=\"round\" stroke-linejoin=\"round\"/>"
            )
        }
        Shape::Disc { centre: (x, y), radius, colour, tip } => {
            write!(svg, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius:.1}\"")?;
            fill(svg, *colour)?;
            close(svg, "circle", tip.as_deref())
        }
        Shape::Words { text, at, style } => words(svg, text, *at, *style),
        Shape::Picture { corner: (x, y), picture, times } => {
            let (width, height) = (picture.width() * times, picture.height() * times);
            let (data, rendering) = embedded(picture, *times);
            writeln!(
                svg,
                "<image x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" \
                 preserveAspectRatio=\"none\" style=\"image-rendering:{rendering}\" href=\"{data}\"/>"
            )
        }
    }
}

/// A picture as a data URL: cells as PNG with sharp edges, a photo as JPEG.
fn embedded(picture: &Picture, times: usize) -> (String, &'static str) {
    match picture.to_jpeg(QUALITY) {
        Ok(bytes) if times == 1 => {
            (format!("data:image/jpeg;base64,{}", STANDARD.encode(bytes)), "auto")
        }
        // A side too long for a JPEG fits a PNG.
        _ => {
            let bytes =
                picture.to_png().expect("no picture in memory has sides beyond those of a PNG");
            (format!("data:image/png;base64,{}", STANDARD.encode(bytes)), "pixelated")
        }
    }
}

fn fill(svg: &mut String, colour: Colour) -> std::fmt::Result {
    write!(svg, " fill=\"{}\"{}", colour.hex(), opacity("fill", colour))
}

/// Closes an element, with its tip inside.
fn close(svg: &mut String, element: &str, tip: Option<&str>) -> std::fmt::Result {
    match tip {
        Some(tip) => writeln!(svg, "><title>{}</title></{element}>", escaped(tip)),
        None => writeln!(svg, "/>"),
    }
}

fn words(svg: &mut String, text: &str, (x, y): (f32, f32), style: TextStyle) -> std::fmt::Result {
    write!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" font-size=\"{:.1}\"", style.em)?;
    match style.anchor {
        Anchor::Start => {}
        Anchor::Middle => write!(svg, " text-anchor=\"middle\"")?,
        Anchor::End => write!(svg, " text-anchor=\"end\"")?,
    }
    if style.bold {
        write!(svg, " font-weight=\"600\"")?;
    }
    if style.upwards {
        write!(svg, " transform=\"rotate(-90 {x:.1} {y:.1})\"")?;
    }
    fill(svg, style.colour)?;
    writeln!(svg, ">{}</text>", escaped(text))
}

fn opacity(attribute: &str, colour: Colour) -> String {
    if colour.alpha < 1.0 {
        format!(" {attribute}-opacity=\"{:.3}\"", colour.alpha)
    } else {
        String::new()
    }
}

/// Escapes text for XML and HTML elements and attributes. Drops control characters, which XML
/// cannot represent and file names may contain.
pub(crate) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\u{0}'..='\u{8}'
            | '\u{b}'
            | '\u{c}'
            | '\u{e}'..='\u{1f}'
            | '\u{fffe}'
            | '\u{ffff}' => {}
            other => escaped.push(other),
        }
    }
    escaped
}
