//! The report on a blurred photo as text and CSV.

use std::io::{self, Write};

use lorgnette::BlurAnswer;
use lorgnette::answer::AreaAnswer;
use lorgnette_library::printable;

use crate::arguments::Format;
use crate::stream::write_csv_lines;

/// The header of all results.
pub(super) fn header(format: Format) -> &'static str {
    match format {
        Format::Csv => {
            "photo,out,index,synset,name,left,top,right,bottom,share,probability,peak_probability\n"
        }
        _ => "",
    }
}

pub(super) fn write_csv(out: &mut dyn Write, answer: &BlurAnswer) -> io::Result<()> {
    write_csv_lines(out, |lines| {
        answer
            .blurred
            .iter()
            .try_for_each(|area| lines.serialize((&answer.photo, &answer.out, area)))
    })
}

pub(super) fn write_text(out: &mut dyn Write, answer: &BlurAnswer) -> io::Result<()> {
    let BlurAnswer { photo, share, blurred, .. } = answer;
    let photo = printable(photo);
    let path = answer.out.as_ref();
    let path = path.map_or_else(String::new, |path| format!(" → {}", printable(path)));
    match blurred.len() {
        0 => writeln!(out, "{photo}: nothing found{path}")?,
        _ => writeln!(out, "{photo}: {:.1} % blurred{path}", 100.0 * share)?,
    }
    writeln!(out, "  searched at {}", searched(answer))?;
    for AreaAnswer { name, bounds: [x0, y0, x1, y1], peak_probability, .. } in blurred {
        let percent = 100.0 * peak_probability;
        writeln!(out, "  at {x0},{y0} to {x1},{y1}  {name}, at most {percent:.0} %")?;
    }
    Ok(())
}

/// The scales at which the photo was searched.
fn searched(answer: &BlurAnswer) -> String {
    let list = |scales: &mut dyn Iterator<Item = f64>| {
        let percent = |scale: f64| format!("{:.0}", 100.0 * scale);
        scales.map(percent).collect::<Vec<_>>().join(", ")
    };
    let classes = list(&mut answer.scales.iter().copied());
    let faces = list(&mut answer.face_scales.iter().map(|&scale| f64::from(scale)));
    match (classes.is_empty(), faces.is_empty()) {
        (false, false) => format!("{classes} % of its size, for faces at {faces} %"),
        (true, false) => format!("{faces} % of its size for faces"),
        _ => format!("{classes} % of its size"),
    }
}
