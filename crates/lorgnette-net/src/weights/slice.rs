//! Slices of a variable, and their assembly into the variable.

use std::fmt;
use std::ops::Range;

use bytes::Bytes;

use super::ordered_code::slice_key;
use super::proto::TensorSliceProto;
use crate::tensor::elements;

/// A box within a tensor: start and length in each dimension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Slice {
    extents: Vec<(i64, i64)>,
}

/// The length that stands for a whole dimension (`TensorSlice::kFullExtent`).
const ALL: i64 = -1;

impl From<&TensorSliceProto> for Slice {
    fn from(proto: &TensorSliceProto) -> Self {
        let extents =
            proto.extent.iter().map(|extent| (extent.start, extent.length.unwrap_or(ALL)));
        Self { extents: extents.collect() }
    }
}

impl Slice {
    /// Returns the table key of this slice of `name`.
    pub(super) fn key(&self, name: &str) -> Vec<u8> {
        slice_key(name, &self.extents)
    }

    /// Returns true if it covers every dimension by definition.
    pub(super) fn is_full(&self) -> bool {
        self.extents.iter().all(|&extent| extent == (0, ALL))
    }

    /// Returns its range in each dimension of `shape`.
    pub(super) fn within(&self, shape: &[usize]) -> Result<Vec<Range<usize>>, String> {
        let outside = || format!("its slice {self} is not within its shape {shape:?}");
        if self.extents.len() != shape.len() {
            return Err(outside());
        }
        self.extents
            .iter()
            .zip(shape)
            .map(|(&(start, length), &size): (&(i64, i64), &usize)| {
                if (start, length) == (0, ALL) {
                    return Some(0..size);
                }
                let (start, length) = (usize::try_from(start).ok()?, usize::try_from(length).ok()?);
                let end = start.checked_add(length)?;
                (end <= size).then_some(start..end)
            })
            .collect::<Option<_>>()
            .ok_or_else(outside)
    }
}

/// TensorFlow's notation: `0,16:-` is sixteen rows from the first, and all columns.
impl fmt::Display for Slice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, &(start, length)) in self.extents.iter().enumerate() {
            let colon = if index == 0 { "" } else { ":" };
            match (start, length) {
                (0, ALL) => write!(f, "{colon}-")?,
                _ => write!(f, "{colon}{start},{length}")?,
            }
        }
        Ok(())
    }
}

/// Returns the number of elements of a range that [`Slice::within`] returned.
pub(super) fn volume(part: &[Range<usize>]) -> usize {
    part.iter().map(Range::len).product()
}

/// Checks, before anything is read, that the parts have as many elements as the whole.
pub(super) fn check_volumes(parts: &[Vec<Range<usize>>], shape: &[usize]) -> Result<(), String> {
    let whole: usize = shape.iter().product();
    let found = parts.iter().fold(0usize, |sum, part| sum.saturating_add(volume(part)));
    match found.cmp(&whole) {
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Less => {
            Err(format!("slices are missing: there are {found} of {whole} values"))
        }
        std::cmp::Ordering::Greater => {
            Err(format!("slices overlap: there are {found} values where there should be {whole}"))
        }
    }
}

/// A tensor that is assembled from slices. One bit per element marks the filled ones.
pub(super) struct Assembly<'a> {
    shape: &'a [usize],
    size: usize,
    bytes: Vec<u8>,
    filled: Vec<u64>,
}

impl<'a> Assembly<'a> {
    /// Creates an empty tensor of `shape`, whose elements have `size` bytes.
    pub(super) fn new(shape: &'a [usize], size: usize) -> Self {
        let count: usize = shape.iter().product();
        Self { shape, size, bytes: vec![0; count * size], filled: vec![0; count.div_ceil(64)] }
    }

    /// Copies the elements of `part` to their position; overlapping slices are an error.
    pub(super) fn copy_slice(
        &mut self,
        part: &[Range<usize>],
        elements: &[u8],
    ) -> Result<(), String> {
        if volume(part) == 0 {
            return Ok(());
        }
        let shape = self.shape;
        let mut rest = elements;
        visit_runs(shape, part, 0, &mut |run| {
            let piece = rest
                .split_off(..run.len() * self.size)
                .ok_or("its slice is shorter than its shape")?;
            self.bytes[run.start * self.size..run.end * self.size].copy_from_slice(piece);
            self.mark(run)
        })
    }

    fn mark(&mut self, run: Range<usize>) -> Result<(), String> {
        let mut at = run.start;
        while at < run.end {
            let until = run.end.min((at / 64 + 1) * 64);
            let bits = (u64::MAX >> (64 - (until - at))) << (at % 64);
            let word = &mut self.filled[at / 64];
            if *word & bits != 0 {
                return Err(format!(
                    "its slices overlap at element {}",
                    at + ((*word & bits) >> (at % 64)).trailing_zeros() as usize
                ));
            }
            *word |= bits;
            at = until;
        }
        Ok(())
    }

    /// Returns the tensor. It is complete: the volumes were compared by [`check_volumes`], and no
    /// slices overlapped.
    pub(super) fn finish(self) -> Bytes {
        debug_assert_eq!(
            self.filled.iter().map(|word| word.count_ones() as usize).sum::<usize>(),
            elements(self.shape).unwrap_or(0)
        );
        self.bytes.into()
    }
}

/// Calls `visit` with every contiguous run of elements of `part`, in order. `before` counts the
/// rows of the outer dimensions so far.
fn visit_runs(
    shape: &[usize],
    part: &[Range<usize>],
    before: usize,
    visit: &mut dyn FnMut(Range<usize>) -> Result<(), String>,
) -> Result<(), String> {
    let (Some((&size, inner_shape)), Some((range, inner))) =
        (shape.split_first(), part.split_first())
    else {
        return visit(before..before + 1);
    };
    let row: usize = inner_shape.iter().product();
    if volume(inner) == row {
        let first = (before * size + range.start) * row;
        return visit(first..first + range.len() * row);
    }
    range.clone().try_for_each(|index| visit_runs(inner_shape, inner, before * size + index, visit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_quarters_make_a_whole() {
        let shape = [3, 4, 2];
        let mut whole = Assembly::new(&shape, 1);
        let quarters =
            [[0..2, 0..1], [0..2, 1..4], [2..3, 0..1], [2..3, 1..4]].map(|[a, b]| vec![a, b, 0..2]);
        check_volumes(&quarters, &shape).unwrap();
        for part in &quarters {
            let rows = part[0].clone().flat_map(|y| part[1].clone().map(move |x| (y, x)));
            let elements: Vec<u8> = rows
                .flat_map(|(y, x)| [(8 * y + 2 * x) as u8, (8 * y + 2 * x + 1) as u8])
                .collect();
            whole.copy_slice(part, &elements).unwrap();
        }
        assert_eq!(whole.finish().to_vec(), (0..24).collect::<Vec<u8>>());
    }

    #[test]
    fn overlaps_are_found() {
        let shape = [100, 3];
        let mut whole = Assembly::new(&shape, 1);
        whole.copy_slice(&[0..60, 0..3], &[1; 180]).unwrap();
        let refused = whole.copy_slice(&[59..99, 0..3], &[1; 120]).unwrap_err();
        assert_eq!(refused, "its slices overlap at element 177");
        assert!(check_volumes(&[vec![0..60, 0..3]], &shape).unwrap_err().contains("missing"));
    }
}
