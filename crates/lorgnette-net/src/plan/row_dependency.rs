//! The input rows that rows of an output depend on.

use std::ops::Range;

use lorgnette_kernels::{ConvShape, ImageLayout, Padding, Window};

/// The input rows that the output rows of a kernel depend on.
#[derive(Clone, Copy, Debug)]
pub(super) struct RowDependency {
    pub(super) from: ImageLayout,
    pub(super) to: ImageLayout,
    pub(super) window: Window,
    /// Output rows that are computed together.
    pub(super) row_granularity: usize,
}

impl RowDependency {
    /// Returns `None` if some window covers nothing but padding.
    pub(super) fn new(
        from: ImageLayout,
        to: ImageLayout,
        window: Window,
        row_granularity: usize,
    ) -> Option<Self> {
        let row_dependency = Self { from, to, window, row_granularity };
        let Padding { top, bottom, .. } = window.padding;
        (top.max(bottom) < row_dependency.window_height() && !from.is_empty() && !to.is_empty())
            .then_some(row_dependency)
    }

    /// Rows from the first to the last tap of a window.
    fn window_height(&self) -> usize {
        (self.window.kernel[0] - 1) * self.window.dilation[0] + 1
    }

    /// The vertical stride of the window.
    pub(super) fn row_stride(&self) -> usize {
        self.window.stride[0]
    }

    /// The input rows that the output `rows` depend on.
    pub(super) fn input_rows(&self, rows: &Range<usize>) -> Range<usize> {
        let top = self.window.padding.top;
        let end = (rows.end - 1) * self.row_stride() + self.window_height();
        (rows.start * self.row_stride()).saturating_sub(top)
            ..end.saturating_sub(top).min(self.from.height)
    }

    /// Maximum number of input rows that `rows` output rows depend on.
    pub(super) fn max_input_rows(&self, rows: usize) -> usize {
        ((rows - 1) * self.row_stride() + self.window_height()).min(self.from.height)
    }

    /// Extends `rows` to multiples of the granularity.
    pub(super) fn align_rows(&self, rows: Range<usize>) -> Range<usize> {
        let start = rows.start / self.row_granularity * self.row_granularity;
        start..rows.end.next_multiple_of(self.row_granularity).min(self.to.height)
    }

    /// The dependency of a picture that consists of the output `rows` and the input rows they
    /// depend on.
    pub(super) fn for_rows(&self, rows: &Range<usize>) -> Self {
        let Padding { top, left, right, .. } = self.window.padding;
        let end = (rows.end - 1) * self.row_stride() + self.window_height();
        let bottom = end.saturating_sub(top + self.from.height);
        let top = top.saturating_sub(rows.start * self.row_stride());
        self.with_heights(
            self.input_rows(rows).len(),
            rows.len(),
            Padding { top, bottom, left, right },
        )
    }

    /// The dependency of a picture of these heights.
    fn with_heights(&self, input_height: usize, rows: usize, padding: Padding) -> Self {
        Self {
            from: ImageLayout { batch: 1, height: input_height, ..self.from },
            to: ImageLayout { batch: 1, height: rows, ..self.to },
            window: Window { padding, ..self.window },
            ..*self
        }
    }

    /// The shape of a convolution of `rows` output rows and as many input rows as these depend on
    /// at most.
    pub(super) fn max_conv(&self, rows: usize) -> ConvShape {
        let input_height = self.max_input_rows(rows);
        let Self { from, to, window, .. } =
            self.with_heights(input_height, rows, self.window.padding);
        ConvShape { input: from, output: to, window }
    }
}
