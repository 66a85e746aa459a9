//! Kernels check their arguments before their unsafe code relies on them.

use std::panic::{AssertUnwindSafe, catch_unwind};

use lorgnette_kernels::{
    CONV_KERNELS, Clamp, Conv, ConvKernel, ConvShape, DEPTHWISE_KERNELS, Depthwise,
    DepthwiseKernel, DepthwiseShape, ImageLayout, Padding, PoolKind, PoolShape, ThreadPool, Window,
};

use crate::fixtures::{same, window};
use crate::levels::levels;

/// More than all slices of a test have.
const AMPLE_LEN: usize = 1 << 18;

/// Returns the message of a panic.
fn panic_message(work: impl FnOnce()) -> Option<String> {
    let panic = catch_unwind(AssertUnwindSafe(work)).err()?;
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned()))
}

fn convolve(
    kernel: &ConvKernel,
    shape: &ConvShape,
    [inputs, outputs]: [usize; 2],
) -> Option<String> {
    let (input, packed) = (vec![1.0; inputs], vec![1.0; AMPLE_LEN]);
    let (mut output, mut scratch) = (vec![0.0; outputs], vec![0.0; AMPLE_LEN]);
    panic_message(|| {
        let (bias, residual, clamp) = (None, None, Clamp::NONE);
        let (output, scratch) = (&mut output[..], &mut scratch[..]);
        let conv =
            Conv { shape, input: &input, packed: &packed, bias, residual, clamp, output, scratch };
        (kernel.run)(conv, &ThreadPool::new(1));
    })
}

fn convolve_depthwise(
    kernel: &DepthwiseKernel,
    shape: &DepthwiseShape,
    [inputs, outputs]: [usize; 2],
) -> Option<String> {
    let (input, packed, mut output) = (vec![1.0; inputs], vec![1.0; AMPLE_LEN], vec![0.0; outputs]);
    panic_message(|| {
        let (bias, clamp, output) = (None, Clamp::NONE, &mut output[..]);
        (kernel.run)(
            Depthwise { shape, input: &input, packed: &packed, bias, clamp, output },
            &ThreadPool::new(1),
        );
    })
}

/// Runs the kernels that have unsafe code.
fn fast_kernels()
-> (impl Iterator<Item = &'static ConvKernel>, impl Iterator<Item = &'static DepthwiseKernel>) {
    levels();
    let conv =
        CONV_KERNELS.iter().filter(|kernel| kernel.is_available() && kernel.name != "reference");
    let depthwise = DEPTHWISE_KERNELS
        .iter()
        .filter(|kernel| kernel.level.is_available() && kernel.name != "reference");
    (conv, depthwise)
}

/// Shapes of which one number is too large for the others.
#[test]
fn windows_stay_within_their_image() {
    let (conv, depthwise) = fast_kernels();
    let (conv, depthwise): (Vec<_>, Vec<_>) = (conv.collect(), depthwise.collect());
    let padded = same(window([3, 3], 1), [6, 7]);
    let changes: [fn(&mut Window, &mut ImageLayout); 5] = [
        |_, output| output.height += 1,
        |_, output| output.width += 1,
        |window, _| window.dilation = [1, 2],
        |window, _| window.stride[0] = 2,
        |window, _| window.padding.right = 0,
    ];
    for channels in [3, 40] {
        for change in changes {
            let (input, mut output, mut window) = (
                ImageLayout::dense(1, 6, 7, channels),
                ImageLayout::dense(1, 6, 7, channels),
                padded,
            );
            change(&mut window, &mut output);
            for kernel in &conv {
                let shape = ConvShape { input, output, window };
                let message = convolve(kernel, &shape, [AMPLE_LEN; 2]).unwrap_or_default();
                let refused = ["leave", "leaves", "of its own size"]
                    .iter()
                    .any(|what| message.contains(what));
                assert!(
                    refused || !(kernel.fits)(&shape),
                    "{} took {shape:?}: {message}",
                    kernel.name
                );
            }
            for kernel in &depthwise {
                let shape = DepthwiseShape { input, output, window, multiplier: 1 };
                let message =
                    convolve_depthwise(kernel, &shape, [AMPLE_LEN; 2]).unwrap_or_default();
                assert!(
                    message.contains("windows leave"),
                    "{} took {shape:?}: {message}",
                    kernel.name
                );
            }
        }
    }
}

/// Sizes whose product overflows to a small number are refused.
#[test]
fn overflowing_sizes_are_refused() {
    let (conv, depthwise) = fast_kernels();
    let (conv, depthwise): (Vec<_>, Vec<_>) = (conv.collect(), depthwise.collect());
    let huge = 1_usize << 32;
    let many = ImageLayout { stride: huge, ..ImageLayout::dense(1, huge, 1, 4) };
    let wide = ImageLayout { stride: 4, ..ImageLayout::dense(1, huge, huge, 4) };
    assert_eq!(
        (many.len(), wide.pixels(), wide.len()),
        (usize::MAX - huge + 5, usize::MAX, usize::MAX)
    );
    let few = ImageLayout::dense(1, 2, 2, 4);
    let far = Window { kernel: [1, 3], dilation: [1, 1 << 63], ..Window::POINTWISE };
    let padding = Padding { top: huge, left: huge, ..Padding::default() };
    let (large, one) = (
        Window { kernel: [huge + 2; 2], padding, ..Window::POINTWISE },
        ImageLayout::dense(1, 1, 1, 4),
    );
    for (input, output, window) in [
        (many, many, Window::POINTWISE),
        (wide, wide, Window::POINTWISE),
        (few, few, far),
        (few, one, large),
    ] {
        for kernel in &conv {
            let shape = ConvShape { input, output, window };
            assert!(convolve(kernel, &shape, [16, 16]).is_some(), "{} took {shape:?}", kernel.name);
        }
        for kernel in &depthwise {
            let shape = DepthwiseShape { input, output, window, multiplier: 1 };
            assert!(
                convolve_depthwise(kernel, &shape, [16, 16]).is_some(),
                "{} took {shape:?}",
                kernel.name
            );
        }
    }
}

/// Empty batches and empty outputs compute nothing.
#[test]
fn empty_shapes_compute_nothing() {
    let (conv, depthwise) = fast_kernels();
    let (conv, depthwise): (Vec<_>, Vec<_>) = (conv.collect(), depthwise.collect());
    for [batch, height, width] in [[0, 6, 7], [2, 0, 7], [2, 6, 0]] {
        for channels in [3, 40] {
            let layout = ImageLayout::dense(batch, height, width, channels);
            for window in [Window::POINTWISE, same(window([3, 3], 1), [6, 7])] {
                for kernel in &conv {
                    let shape = ConvShape { input: layout, output: layout, window };
                    if (kernel.fits)(&shape) {
                        assert_eq!(
                            convolve(kernel, &shape, [0, 0]),
                            None,
                            "{}: {shape:?}",
                            kernel.name
                        );
                    }
                }
                for kernel in &depthwise {
                    let shape =
                        DepthwiseShape { input: layout, output: layout, window, multiplier: 1 };
                    assert_eq!(
                        convolve_depthwise(kernel, &shape, [0, 0]),
                        None,
                        "{}: {shape:?}",
                        kernel.name
                    );
                }
                for level in levels() {
                    let shape =
                        PoolShape { input: layout, output: layout, window, kind: PoolKind::Max };
                    lorgnette_kernels::pool_window(
                        level,
                        &shape,
                        &[],
                        &mut [],
                        &ThreadPool::new(2),
                    );
                }
            }
        }
    }
}
