//! Kernels that compute some rows of a picture as they compute the whole: the same bits, from the rows that these see.

use std::ops::Range;

use lorgnette_kernels::{ConvShape, DepthwiseShape, Map, Padding, PoolShape, Window};

use super::kernel::{Kernel, Site};

/// What a kernel reads and writes, seen from the rows of its output.
#[derive(Clone, Copy, Debug)]
pub(super) struct View {
    pub(super) from: Map,
    pub(super) to: Map,
    pub(super) window: Window,
    /// Rows of the output that are computed together.
    pub(super) together: usize,
}

impl View {
    /// The view of a kernel each of whose windows sees something of the picture.
    pub(super) fn new(from: Map, to: Map, window: Window, together: usize) -> Option<Self> {
        let view = Self { from, to, window, together };
        let Padding { top, bottom, .. } = window.padding;
        (top.max(bottom) < view.reach() && !from.is_empty() && !to.is_empty()).then_some(view)
    }

    /// Rows from the first to the last one under a window.
    fn reach(&self) -> usize {
        (self.window.kernel[0] - 1) * self.window.dilation[0] + 1
    }

    /// Rows from window to window.
    pub(super) fn step(&self) -> usize {
        self.window.stride[0]
    }

    /// The rows of the input under some rows of the output.
    pub(super) fn sees(&self, rows: &Range<usize>) -> Range<usize> {
        let top = self.window.padding.top;
        let end = (rows.end - 1) * self.step() + self.reach();
        (rows.start * self.step()).saturating_sub(top)..end.saturating_sub(top).min(self.from.height)
    }

    /// As many rows of the input as so many of the output see at most.
    pub(super) fn most_seen(&self, rows: usize) -> usize {
        ((rows - 1) * self.step() + self.reach()).min(self.from.height)
    }

    /// These rows, and those that are computed together with them.
    pub(super) fn whole(&self, rows: Range<usize>) -> Range<usize> {
        let start = rows.start / self.together * self.together;
        start..rows.end.next_multiple_of(self.together).min(self.to.height)
    }

    /// Some rows of the output as a picture by itself, whose input are the rows that they see.
    fn of(&self, rows: &Range<usize>) -> Self {
        let Padding { top, left, right, .. } = self.window.padding;
        let end = (rows.end - 1) * self.step() + self.reach();
        let bottom = end.saturating_sub(top + self.from.height);
        let top = top.saturating_sub(rows.start * self.step());
        self.of_heights(self.sees(rows).len(), rows.len(), Padding { top, bottom, left, right })
    }

    /// A picture by itself of so many rows in and out.
    fn of_heights(&self, seen: usize, rows: usize, padding: Padding) -> Self {
        Self {
            from: Map { batch: 1, height: seen, ..self.from },
            to: Map { batch: 1, height: rows, ..self.to },
            window: Window { padding, ..self.window },
            ..*self
        }
    }

    fn conv(&self) -> ConvShape {
        ConvShape { input: self.from, output: self.to, window: self.window }
    }
}

impl Kernel {
    /// What it reads and writes, if it can compute some rows at a time.
    pub(super) fn view(&self) -> Option<View> {
        match self {
            Self::Conv { kernel, shape, .. } => {
                View::new(shape.input, shape.output, shape.window, (kernel.band)(shape)?)
            }
            Self::Depthwise { shape, .. } => View::new(shape.input, shape.output, shape.window, 1),
            Self::Pool(shape) => View::new(shape.input, shape.output, shape.window, 1),
            Self::Affine { from, to, .. } | Self::Unary { from, to, .. } => View::new(*from, *to, Window::POINT, 1),
            _ => None,
        }
    }

    /// Computes some rows of its view. Its inputs begin at the first row that is seen, its output at the first row.
    pub(super) fn run_rows(&self, view: &View, rows: &Range<usize>, site: Site<'_>) {
        let View { from, to, window, .. } = view.of(rows);
        match self {
            Self::Conv { .. } => self.run_conv(&ConvShape { input: from, output: to, window }, site),
            Self::Depthwise { shape, .. } => {
                self.run_depthwise(&DepthwiseShape { input: from, output: to, window, ..*shape }, site);
            }
            Self::Pool(shape) => Self::Pool(PoolShape { input: from, output: to, window, ..*shape }).run(site),
            Self::Affine { .. } | Self::Unary { .. } => self.run_elementwise([&from, &to], site),
            _ => unreachable!("only kernels that have a view compute rows"),
        }
    }

    /// Floats of scratch for up to so many rows on one thread.
    pub(super) fn rows_scratch_len(&self, view: &View, most: usize) -> usize {
        let Self::Conv { kernel, .. } = self else { return 0 };
        let of =
            |rows| (kernel.scratch_len)(&view.of_heights(view.most_seen(rows), rows, view.window.padding).conv(), 1);
        (1..=most).map(of).max().unwrap_or(0)
    }
}
