//! Kernels that can compute a range of rows, with the same bits as the whole picture, from the
//! input rows that these depend on.

use std::ops::Range;

use lorgnette_kernels::{ConvShape, DepthwiseShape, ImageLayout, Padding, PoolShape, Window};

use super::kernel::{Kernel, StepArgs};

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
    fn for_rows(&self, rows: &Range<usize>) -> Self {
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

    fn conv(&self) -> ConvShape {
        ConvShape { input: self.from, output: self.to, window: self.window }
    }
}

impl Kernel {
    /// Its row dependency, or `None` if it cannot compute a range of rows.
    pub(super) fn row_dependency(&self) -> Option<RowDependency> {
        match self {
            Self::Conv { kernel, shape, .. } => RowDependency::new(
                shape.input,
                shape.output,
                shape.window,
                (kernel.row_block)(shape)?,
            ),
            Self::Depthwise { shape, .. } => {
                RowDependency::new(shape.input, shape.output, shape.window, 1)
            }
            Self::Pool(shape) => RowDependency::new(shape.input, shape.output, shape.window, 1),
            Self::Affine { from, to, .. } | Self::Unary { from, to, .. } => {
                RowDependency::new(*from, *to, Window::POINTWISE, 1)
            }
            _ => None,
        }
    }

    /// Computes the output `rows`. The input slices begin at the first input row that these depend
    /// on, the output slice at the first of `rows`.
    pub(super) fn run_rows(
        &self,
        row_dependency: &RowDependency,
        rows: &Range<usize>,
        args: StepArgs<'_>,
    ) {
        let RowDependency { from, to, window, .. } = row_dependency.for_rows(rows);
        match self {
            Self::Conv { .. } => {
                self.run_conv(&ConvShape { input: from, output: to, window }, args);
            }
            Self::Depthwise { shape, .. } => {
                self.run_depthwise(
                    &DepthwiseShape { input: from, output: to, window, ..*shape },
                    args,
                );
            }
            Self::Pool(shape) => {
                Self::Pool(PoolShape { input: from, output: to, window, ..*shape }).run(args);
            }
            Self::Affine { .. } | Self::Unary { .. } => self.run_elementwise([&from, &to], args),
            _ => unreachable!("only kernels that have a view compute rows"),
        }
    }

    /// Floats of scratch for up to `max_rows` rows on one thread.
    pub(super) fn rows_scratch_len(
        &self,
        row_dependency: &RowDependency,
        max_rows: usize,
    ) -> usize {
        let Self::Conv { kernel, .. } = self else { return 0 };
        let scratch_len = |rows| {
            (kernel.scratch_len)(
                &row_dependency
                    .with_heights(
                        row_dependency.max_input_rows(rows),
                        rows,
                        row_dependency.window.padding,
                    )
                    .conv(),
                1,
            )
        };
        (1..=max_rows).map(scratch_len).max().unwrap_or(0)
    }
}
