//! Kernels that read or write bf16 beside themselves with float32: the same bits, rounded before or after.

use lorgnette_kernels::{
    Affine, Binary, CONV_KERNELS, Clamp, Conv, ConvShape, DEPTHWISE_KERNELS, Depthwise, DepthwiseShape, Elements,
    Filter, Level, Map, Operand, Pad, Padding, Pool, PoolKind, PoolShape, Precision, Residual, Unary, Window,
};

use crate::material::{Dice, UNTOUCHED, assert_same, map, output_size, same, window};

/// The map with its values as bf16, and a gap of so many floats between pixels.
fn halved(map: &Map, gap: usize) -> Map {
    let elements = Elements::Bf16;
    Map { stride: elements.floats(map.channels) + gap, elements, ..*map }
}

/// The map with its values as float32.
fn whole(map: &Map) -> Map {
    Map { stride: map.channels, elements: Elements::Float32, ..*map }
}

/// Values copied from one map to another.
fn copied(from: &Map, values: &[f32], to: &Map) -> Vec<f32> {
    let mut copy = vec![UNTOUCHED; to.len()];
    lorgnette_kernels::copy_map(Level::best(), from, values, to, &mut copy, &Pool::new(1));
    copy
}

/// Checks a kernel, a function of its input and output: with bf16 on either side, or both, it is itself with float32 and its
/// input rounded before, its output after.
fn check(input: &Map, output: &Map, dice: &mut Dice, run: &mut impl FnMut(&Map, &[f32], &Map) -> Vec<f32>) {
    let [input, output] = [whole(input), whole(output)];
    let (from, to) = (halved(&input, dice.between(0, 3)), halved(&output, dice.between(0, 3)));
    let values = dice.values(&input);
    let rounded = copied(&input, &values, &from);
    let exact = copied(&from, &rounded, &input);
    let wanted = run(&input, &exact, &output);
    let wanted_rounded = copied(&to, &copied(&output, &wanted, &to), &output);
    assert_same(&run(&from, &rounded, &output), &wanted, &("reads", input, output));
    let found = run(&from, &rounded, &to);
    assert_same(&copied(&to, &found, &output), &wanted_rounded, &("reads and writes", input, output));
    let found = run(&input, &exact, &to);
    assert_same(&copied(&to, &found, &output), &wanted_rounded, &("writes", input, output));
    untouched_between(&to, &found);
}

/// What lies between pixels is as it was, and the half beside the last of an odd number of values is zero.
fn untouched_between(map: &Map, values: &[f32]) {
    for pixel in values.chunks(map.stride) {
        let (own, between) = pixel.split_at(map.elements.floats(map.channels));
        assert!(between.iter().all(|x| x.to_bits() == UNTOUCHED.to_bits()), "{map:?}");
        assert!(map.channels.is_multiple_of(2) || own.last().unwrap().to_bits() >> 16 == 0, "{map:?}");
    }
}

fn windows() -> [Window; 5] {
    let size = [9, 11];
    let lopsided = Padding { top: 2, bottom: 0, left: 0, right: 3 };
    [
        Window::POINT,
        same(window([3, 3], 1), size),
        same(window([3, 3], 2), size),
        same(Window { dilation: [2, 2], ..window([3, 3], 1) }, size),
        Window { padding: lopsided, ..window([3, 2], 2) },
    ]
}

const CHANNELS: [[usize; 2]; 6] = [[1, 3], [3, 32], [16, 17], [33, 64], [40, 100], [64, 47]];

#[test]
fn convolutions() {
    let (pool, mut dice) = (Pool::new(2), Dice::new(21));
    for window in windows() {
        let [height, width] = output_size(&window, [9, 11]).unwrap();
        for [inputs, outputs] in CHANNELS {
            let (input, output) = (map(2, 9, 11, inputs, 0), map(2, height, width, outputs, 0));
            for kernel in CONV_KERNELS.iter().filter(|kernel| kernel.is_available() && kernel.name != "reference") {
                let shape = ConvShape { input, output, window };
                if (kernel.fits)(&shape) {
                    conv(kernel, shape, &mut dice, &pool);
                }
            }
        }
    }
}

/// One kernel; those that multiply float32 read nothing else, and their input is left alone.
fn conv(kernel: &lorgnette_kernels::ConvKernel, shape: ConvShape, dice: &mut Dice, pool: &Pool) {
    let bytes: Vec<u8> =
        dice.floats(shape.depth() * shape.output.channels).iter().flat_map(|x| x.to_le_bytes()).collect();
    let mut packed = vec![f32::NAN; (kernel.packed_len)(&shape)];
    kernel.pack(&shape, &Filter { bytes: &bytes, scale: None, transposed: false }, &mut packed);
    let bias = dice.floats(shape.output.channels);
    let added = halved(&shape.output, 1);
    let residual = copied(&shape.output, &dice.values(&shape.output), &added);
    let adds = dice.one_of(&[true, false]);
    let reads = kernel.formats.precision == Precision::Bf16;
    check(&shape.input, &shape.output, dice, &mut |from, values, to| {
        let exact = copied(from, values, &whole(from));
        let (from, values) = if reads { (*from, values) } else { (whole(from), &exact[..]) };
        let shape = ConvShape { input: from, output: *to, ..shape };
        let mut output = vec![UNTOUCHED; to.len()];
        let residual = Residual { values: &residual, stride: added.stride, elements: added.elements };
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

/// They write bf16, but read float32 alone.
#[test]
fn depthwise_convolutions() {
    let (pool, mut dice) = (Pool::new(2), Dice::new(22));
    for window in windows() {
        let [height, width] = output_size(&window, [9, 11]).unwrap();
        for channels in [1, 3, 16, 33, 64, 100] {
            let (input, output) = (map(2, 9, 11, channels, 0), map(2, height, width, channels, 0));
            let shape = DepthwiseShape { input, output, window, multiplier: 1 };
            let bytes: Vec<u8> = dice.floats(shape.taps() * channels).iter().flat_map(|x| x.to_le_bytes()).collect();
            for kernel in DEPTHWISE_KERNELS.iter().filter(|kernel| kernel.name != "reference") {
                if !kernel.level.is_available() || !(kernel.fits)(&shape) {
                    continue;
                }
                let mut packed = vec![f32::NAN; (kernel.packed_len)(&shape)];
                kernel.pack(&shape, &Filter { bytes: &bytes, scale: None, transposed: false }, &mut packed);
                check(&input, &output, &mut dice, &mut |from, values, to| {
                    let mut output = vec![UNTOUCHED; to.len()];
                    let exact = copied(from, values, &whole(from));
                    let shape = &DepthwiseShape { input: whole(from), output: *to, ..shape };
                    let (input, packed, bias, clamp) = (&exact[..], &packed[..], None, Clamp::RELU6);
                    (kernel.run)(Depthwise { shape, input, packed, bias, clamp, output: &mut output }, &pool);
                    output
                });
            }
        }
    }
}

#[test]
fn pools() {
    let (pool, mut dice) = (Pool::new(2), Dice::new(23));
    for window in windows() {
        let [height, width] = output_size(&window, [9, 11]).unwrap();
        for (channels, kind) in
            [(3, PoolKind::Max), (33, PoolKind::Average), (64, PoolKind::Max), (40, PoolKind::Average)]
        {
            for level in Level::available() {
                let (input, output) = (map(2, 9, 11, channels, 0), map(2, height, width, channels, 0));
                check(&input, &output, &mut dice, &mut |from, values, to| {
                    let mut output = vec![UNTOUCHED; to.len()];
                    let shape = PoolShape { input: *from, output: *to, window, kind };
                    lorgnette_kernels::pool_window(level, &shape, values, &mut output, &pool);
                    output
                });
            }
        }
    }
}

/// Functions of each value, of pixels so large that few fit what they go through, and so small that many do.
#[test]
fn functions_of_values() {
    let (pool, mut dice, level) = (Pool::new(2), Dice::new(24), Level::best());
    for (side, channels) in [(30, 7), (9, 64), (3, 2000)] {
        let all = map(1, side, side, channels, 0);
        let (scale, shift) = (dice.floats(channels), dice.floats(channels));
        check(&all, &all, &mut dice, &mut |from, input, to| {
            let mut output = vec![UNTOUCHED; to.len()];
            let (scale, shift, clamp) = (Some(&scale[..]), Some(&shift[..]), Clamp::RELU6);
            let (map_in, map_out) = (*from, *to);
            let affine = Affine { map_in, input, scale, shift, clamp, map_out, output: &mut output };
            lorgnette_kernels::affine(level, affine, &pool);
            output
        });
        check(&all, &all, &mut dice, &mut |from, input, to| {
            let mut output = vec![UNTOUCHED; to.len()];
            lorgnette_kernels::unary(level, Unary::Sigmoid, from, input, to, &mut output, &pool);
            output
        });
        let other = halved(&all, 2);
        let others = copied(&all, &dice.values(&all), &other);
        check(&all, &all, &mut dice, &mut |from, input, to| {
            let mut output = vec![UNTOUCHED; to.len()];
            let (a, b) = (Operand { values: input, map: *from }, Operand { values: &others, map: other });
            lorgnette_kernels::binary(level, Binary::Add, a, b, Clamp::RELU, to, &mut output, &pool);
            output
        });
        let grown = map(1, side + 3, side + 1, channels, 0);
        check(&all, &grown, &mut dice, &mut |from, input, to| {
            let mut output = vec![UNTOUCHED; to.len()];
            let around = Padding { top: 1, bottom: 2, left: 0, right: 1 };
            let pad = Pad { around, channels: [0, 0], value: 1.5 };
            lorgnette_kernels::pad(level, &pad, from, input, to, &mut output, &pool);
            output
        });
    }
}
