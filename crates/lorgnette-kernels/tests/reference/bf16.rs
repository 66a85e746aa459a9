//! Kernels that read or write bf16 compared with themselves on float32: the same bits, rounded
//! before or after.

use lorgnette_kernels::{
    Affine, Binary, BinaryOp, CONV_KERNELS, Clamp, Conv, ConvShape, DEPTHWISE_KERNELS, Depthwise,
    DepthwiseShape, Filter, ImageLayout, ImagePair, Level, Operand, Pad, Padding, PoolKind,
    PoolShape, Precision, Residual, StorageType, ThreadPool, Unary, Window,
};

use crate::fixtures::{SENTINEL, TestRng, assert_same, layout, output_size, same, window};

/// Returns the layout with its values as bf16 and a gap between pixels.
fn as_bf16(layout: &ImageLayout, gap: usize) -> ImageLayout {
    let storage = StorageType::Bf16;
    ImageLayout { stride: storage.pixel_len(layout.channels) + 2 * gap, storage, ..*layout }
}

/// Returns the layout with its values as float32.
fn as_f32(layout: &ImageLayout) -> ImageLayout {
    ImageLayout { stride: layout.channels, storage: StorageType::Float32, ..*layout }
}

/// Copies values from one layout to another.
fn copied(from: &ImageLayout, values: &[f32], to: &ImageLayout) -> Vec<f32> {
    let mut copy = vec![SENTINEL; to.len()];
    let images = ImagePair::new(from, values, to, &mut copy);
    lorgnette_kernels::copy_strided(Level::best(), images, &ThreadPool::new(1));
    copy
}

/// Checks a kernel, a function of its input and output: with bf16 on either side, or both, the
/// result is that with float32, its input rounded before and its output after.
fn check(
    input: &ImageLayout,
    output: &ImageLayout,
    rng: &mut TestRng,
    run: &mut impl FnMut(&ImageLayout, &[f32], &ImageLayout) -> Vec<f32>,
) {
    let [input, output] = [as_f32(input), as_f32(output)];
    let (from, to) = (as_bf16(&input, rng.between(0, 3)), as_bf16(&output, rng.between(0, 3)));
    let values = rng.values(&input);
    let rounded = copied(&input, &values, &from);
    let exact = copied(&from, &rounded, &input);
    let expected = run(&input, &exact, &output);
    let expected_rounded = copied(&to, &copied(&output, &expected, &to), &output);
    assert_same(&run(&from, &rounded, &output), &expected, &("reads", input, output));
    let found = run(&from, &rounded, &to);
    assert_same(
        &copied(&to, &found, &output),
        &expected_rounded,
        &("reads and writes", input, output),
    );
    let found = run(&input, &exact, &to);
    assert_same(&copied(&to, &found, &output), &expected_rounded, &("writes", input, output));
    gaps_are_untouched(&to, &found);
}

/// Words between pixels are unchanged, and an odd last value is paired with zero.
fn gaps_are_untouched(layout: &ImageLayout, values: &[f32]) {
    for pixel in values.chunks(layout.word_stride()) {
        let (own, between) = pixel.split_at(layout.storage.words(layout.channels));
        assert!(between.iter().all(|x| x.to_bits() == SENTINEL.to_bits()), "{layout:?}");
        assert!(
            layout.channels.is_multiple_of(2) || own.last().unwrap().to_bits() >> 16 == 0,
            "{layout:?}"
        );
    }
}

fn windows() -> [Window; 5] {
    let size = [9, 11];
    let asymmetric = Padding { top: 2, bottom: 0, left: 0, right: 3 };
    [
        Window::POINTWISE,
        same(window([3, 3], 1), size),
        same(window([3, 3], 2), size),
        same(Window { dilation: [2, 2], ..window([3, 3], 1) }, size),
        Window { padding: asymmetric, ..window([3, 2], 2) },
    ]
}

const CHANNELS: [[usize; 2]; 6] = [[1, 3], [3, 32], [16, 17], [33, 64], [40, 100], [64, 47]];

#[test]
fn convolutions() {
    let (pool, mut rng) = (ThreadPool::new(2), TestRng::new(21));
    for window in windows() {
        let [height, width] = output_size(&window, [9, 11]).unwrap();
        for [inputs, outputs] in CHANNELS {
            let (input, output) =
                (layout(2, 9, 11, inputs, 0), layout(2, height, width, outputs, 0));
            for kernel in CONV_KERNELS
                .iter()
                .filter(|kernel| kernel.is_available() && kernel.name != "reference")
            {
                let shape = ConvShape { input, output, window };
                if (kernel.fits)(&shape) {
                    conv(kernel, shape, &mut rng, &pool);
                }
            }
        }
    }
}

/// Checks one kernel. Those that multiply float32 read nothing else, so their input stays float32.
fn conv(
    kernel: &lorgnette_kernels::ConvKernel,
    shape: ConvShape,
    rng: &mut TestRng,
    pool: &ThreadPool,
) {
    let bytes: Vec<u8> = rng
        .floats(shape.depth() * shape.output.channels)
        .iter()
        .flat_map(|x| x.to_le_bytes())
        .collect();
    let mut packed = vec![f32::NAN; (kernel.packed_len)(&shape)];
    kernel.pack(&shape, &Filter { bytes: &bytes, scale: None, transposed: false }, &mut packed);
    let bias = rng.floats(shape.output.channels);
    let added = as_bf16(&shape.output, 1);
    let residual = copied(&shape.output, &rng.values(&shape.output), &added);
    let adds = rng.one_of(&[true, false]);
    let reads = kernel.numerics.compute == Precision::Bf16;
    check(&shape.input, &shape.output, rng, &mut |from, values, to| {
        let exact = copied(from, values, &as_f32(from));
        let (from, values) = if reads { (*from, values) } else { (as_f32(from), &exact[..]) };
        let shape = ConvShape { input: from, output: *to, ..shape };
        let mut output = vec![SENTINEL; to.len()];
        let residual = Residual { values: &residual, stride: added.stride, storage: added.storage };
        let conv = Conv {
            shape: &shape,
            input: values,
            packed: &packed,
            bias: Some(&bias),
            residual: adds.then_some(residual),
            clamp: Clamp::RELU,
            output: &mut output,
            scratch: &mut vec![f32::NAN; (kernel.scratch_len)(&shape, pool.threads())],
        };
        (kernel.run)(conv, pool);
        output
    });
}

/// They write bf16, but read float32 only.
#[test]
fn depthwise_convolutions() {
    let (pool, mut rng) = (ThreadPool::new(2), TestRng::new(22));
    for window in windows() {
        let [height, width] = output_size(&window, [9, 11]).unwrap();
        for channels in [1, 3, 16, 33, 64, 100] {
            let (input, output) =
                (layout(2, 9, 11, channels, 0), layout(2, height, width, channels, 0));
            let shape = DepthwiseShape { input, output, window, multiplier: 1 };
            let bytes: Vec<u8> =
                rng.floats(shape.taps() * channels).iter().flat_map(|x| x.to_le_bytes()).collect();
            for kernel in DEPTHWISE_KERNELS.iter().filter(|kernel| kernel.name != "reference") {
                if !kernel.level.is_available() || !(kernel.fits)(&shape) {
                    continue;
                }
                let mut packed = vec![f32::NAN; (kernel.packed_len)(&shape)];
                kernel.pack(
                    &shape,
                    &Filter { bytes: &bytes, scale: None, transposed: false },
                    &mut packed,
                );
                check(&input, &output, &mut rng, &mut |from, values, to| {
                    let mut output = vec![SENTINEL; to.len()];
                    let exact = copied(from, values, &as_f32(from));
                    let shape = &DepthwiseShape { input: as_f32(from), output: *to, ..shape };
                    let (input, packed, bias, clamp) =
                        (&exact[..], &packed[..], None, Clamp::RELU6);
                    (kernel.run)(
                        Depthwise { shape, input, packed, bias, clamp, output: &mut output },
                        &pool,
                    );
                    output
                });
            }
        }
    }
}

#[test]
fn pools() {
    let (pool, mut rng) = (ThreadPool::new(2), TestRng::new(23));
    for window in windows() {
        let [height, width] = output_size(&window, [9, 11]).unwrap();
        for (channels, kind) in [
            (3, PoolKind::Max),
            (33, PoolKind::Average),
            (64, PoolKind::Max),
            (40, PoolKind::Average),
        ] {
            for level in Level::available() {
                let (input, output) =
                    (layout(2, 9, 11, channels, 0), layout(2, height, width, channels, 0));
                check(&input, &output, &mut rng, &mut |from, values, to| {
                    let mut output = vec![SENTINEL; to.len()];
                    let shape = PoolShape { input: *from, output: *to, window, kind };
                    lorgnette_kernels::pool_window(level, &shape, values, &mut output, &pool);
                    output
                });
            }
        }
    }
}

/// Elementwise kernels, with pixels so large that few fit the buffer, and so small that many do.
#[test]
fn functions_of_values() {
    let (pool, mut rng, level) = (ThreadPool::new(2), TestRng::new(24), Level::best());
    for (side, channels) in [(30, 7), (9, 64), (3, 2000)] {
        let all = layout(1, side, side, channels, 0);
        let (scale, shift) = (rng.floats(channels), rng.floats(channels));
        check(&all, &all, &mut rng, &mut |from, input, to| {
            let mut output = vec![SENTINEL; to.len()];
            let (scale, shift, clamp) = (Some(&scale[..]), Some(&shift[..]), Clamp::RELU6);
            let (input_layout, output_layout) = (*from, *to);
            let affine = Affine {
                input_layout,
                input,
                scale,
                shift,
                clamp,
                output_layout,
                output: &mut output,
            };
            lorgnette_kernels::affine(level, affine, &pool);
            output
        });
        check(&all, &all, &mut rng, &mut |from, input, to| {
            let mut output = vec![SENTINEL; to.len()];
            let images = ImagePair::new(from, input, to, &mut output);
            lorgnette_kernels::unary(level, Unary::Sigmoid, images, &pool);
            output
        });
        let other = as_bf16(&all, 2);
        let others = copied(&all, &rng.values(&all), &other);
        check(&all, &all, &mut rng, &mut |from, input, to| {
            let mut output = vec![SENTINEL; to.len()];
            let (a, b) = (
                Operand { values: input, layout: *from },
                Operand { values: &others, layout: other },
            );
            let binary = BinaryOp {
                op: Binary::Add,
                a,
                b,
                clamp: Clamp::RELU,
                output_layout: *to,
                output: &mut output,
            };
            lorgnette_kernels::binary(level, binary, &pool);
            output
        });
        let padded_layout = layout(1, side + 3, side + 1, channels, 0);
        check(&all, &padded_layout, &mut rng, &mut |from, input, to| {
            let mut output = vec![SENTINEL; to.len()];
            let around = Padding { top: 1, bottom: 2, left: 0, right: 1 };
            let pad = Pad { around, channels: [0, 0], value: 1.5 };
            let images = ImagePair::new(from, input, to, &mut output);
            lorgnette_kernels::pad(level, &pad, images, &pool);
            output
        });
    }
}
