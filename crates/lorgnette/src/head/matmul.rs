//! Matrix products by the kernels of 1×1 convolutions. Results do not depend on the number of
//! threads.

use lorgnette_kernels::{
    Buffer, Clamp, Conv, ConvShape, Filter, ImageLayout, Level, NumericOptions, Residual,
    StorageType, ThreadPool, Window, choose_conv,
};

/// A packed right-hand matrix.
pub(super) struct PackedMatrix {
    level: Level,
    inner: usize,
    columns: usize,
    values: Buffer,
}

/// Other operands of a product.
pub(super) struct Product<'a> {
    /// Left-hand matrix, `[rows][inner]`.
    pub(super) left: &'a [f32],
    pub(super) rows: usize,
    /// Added to each row of the result.
    pub(super) bias: Option<&'a [f32]>,
    /// Added to the result, `[rows][columns]`.
    pub(super) addend: Option<&'a [f32]>,
}

impl PackedMatrix {
    /// Packs `right`, `[inner][columns]`, or `[columns][inner]` if `transposed`.
    pub(super) fn new(
        right: &[f32],
        [inner, columns]: [usize; 2],
        transposed: bool,
        level: Level,
        pool: &ThreadPool,
    ) -> Self {
        let shape = shape(1, inner, columns);
        // Without AMX: training needs full precision, and one layout for any number of rows.
        let level = level.base_isa();
        let kernel = choose_conv(&shape, level, NumericOptions::default());
        let values = Buffer::for_values::<f32>((kernel.packed_len)(&shape))
            .expect("memory for a matrix that is there twice");
        let mut packed = Self { level, inner, columns, values };
        packed.repack(right, transposed, pool);
        packed
    }

    /// Packs another matrix of the same size.
    pub(super) fn repack(&mut self, right: &[f32], transposed: bool, pool: &ThreadPool) {
        let shape = shape(1, self.inner, self.columns);
        let kernel = choose_conv(&shape, self.level, NumericOptions::default());
        let filter = Filter { bytes: bytemuck::cast_slice(right), scale: None, transposed };
        (kernel.pack_rows)(&shape, &filter, 0..shape.depth(), self.values.values_mut(), pool);
    }

    /// Computes `left · right + bias + addend`.
    pub(super) fn multiply(&self, sum: &Product<'_>, out: &mut [f32], pool: &ThreadPool) {
        let shape = shape(sum.rows, self.inner, self.columns);
        let kernel = choose_conv(&shape, self.level, NumericOptions::default());
        let mut scratch = vec![0.0; (kernel.scratch_len)(&shape, pool.threads())];
        let storage = StorageType::Float32;
        let residual = sum.addend.map(|values| Residual { values, stride: self.columns, storage });
        let (input, packed, clamp) = (sum.left, self.values.values(), Clamp::NONE);
        let conv = Conv {
            shape: &shape,
            input,
            packed,
            bias: sum.bias,
            residual,
            clamp,
            output: out,
            scratch: &mut scratch,
        };
        (kernel.run)(conv, pool);
    }
}

fn shape(rows: usize, inner: usize, columns: usize) -> ConvShape {
    ConvShape {
        input: ImageLayout::dense(1, 1, rows, inner),
        output: ImageLayout::dense(1, 1, rows, columns),
        window: Window::POINTWISE,
    }
}

/// `from`, `[rows][columns]`, with rows and columns exchanged.
pub(super) fn transpose(from: &[f32], rows: usize, columns: usize, to: &mut [f32]) {
    // In squares that fit the first cache, or each write would miss it.
    const SIDE: usize = 32;
    for top in (0..rows).step_by(SIDE) {
        for left in (0..columns).step_by(SIDE) {
            for row in top..rows.min(top + SIDE) {
                for column in left..columns.min(left + SIDE) {
                    to[column * rows + row] = from[row * columns + column];
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The slow, obvious twin.
    fn plainly(left: &[f32], right: &[f32], [rows, inner, columns]: [usize; 3]) -> Vec<f64> {
        let product = |i: usize, j: usize| -> f64 {
            (0..inner)
                .map(|k| f64::from(left[i * inner + k]) * f64::from(right[k * columns + j]))
                .sum()
        };
        (0..rows * columns).map(|at| product(at / columns, at % columns)).collect()
    }

    fn numbers(count: usize, seed: usize) -> Vec<f32> {
        (0..count).map(|i| ((i * 7919 + seed * 104_729) % 2003) as f32 / 1001.0 - 1.0).collect()
    }

    #[test]
    fn products_are_those_of_the_plain_loops() {
        for [rows, inner, columns] in
            [[1, 3, 2], [5, 64, 257], [130, 33, 5], [3, 1, 1], [257, 256, 96]]
        {
            let (left, right) = (numbers(rows * inner, 1), numbers(inner * columns, 2));
            let (bias, addend) = (numbers(columns, 3), numbers(rows * columns, 4));
            let wanted: Vec<f64> = plainly(&left, &right, [rows, inner, columns])
                .iter()
                .enumerate()
                .map(|(at, &x)| x + f64::from(bias[at % columns]) + f64::from(addend[at]))
                .collect();
            let mut transposed_rows = vec![0.0; right.len()];
            transpose(&right, inner, columns, &mut transposed_rows);
            for level in Level::available() {
                for (right, transposed) in [(&right, false), (&transposed_rows, true)] {
                    let mut answers = Vec::new();
                    for threads in [1, 3] {
                        let pool = ThreadPool::new(threads);
                        let packed =
                            PackedMatrix::new(right, [inner, columns], transposed, level, &pool);
                        let mut out = vec![0.0; rows * columns];
                        let sum =
                            Product { left: &left, rows, bias: Some(&bias), addend: Some(&addend) };
                        packed.multiply(&sum, &mut out, &pool);
                        assert!(
                            wanted.iter().zip(&out).all(|(a, &b)| (a - f64::from(b)).abs() < 1e-4),
                            "{level}"
                        );
                        answers.push(out);
                    }
                    assert_eq!(answers[0], answers[1], "threads do not matter");
                }
            }
        }
    }
}
