use lorgnette_kernels::{
    Affine, AffineInPlace, Binary, BinaryInPlace, BinaryOp, Clamp, ImageLayout, ImagePair, Level,
    Lrn, Operand, Pad, Padding, Softmax, ThreadPool, Unary, affine, affine_in_place, binary,
    binary_in_place, copy_strided, lrn, pad, reference, softmax, softmax_in_place, unary,
    unary_in_place,
};

use crate::fixtures::{SENTINEL, TestRng, assert_close, assert_same, layout};
use crate::levels::levels;

/// Runs a test at each level, with one thread and with three.
fn at_every_level(test: impl Fn(Level, &ThreadPool)) {
    let pools = [ThreadPool::new(1), ThreadPool::new(3)];
    for level in levels() {
        pools.iter().for_each(|pool| test(level, pool));
    }
}

/// Layouts of the same shape, dense and with gaps.
fn layout_pairs() -> Vec<(ImageLayout, ImageLayout)> {
    let shapes = [[1, 1, 1, 1], [2, 3, 5, 7], [1, 20, 30, 33], [3, 4, 4, 100], [1, 40, 40, 16]];
    let gaps = [[0, 0], [0, 3], [5, 0], [2, 9]];
    let pair = |[n, h, w, c]: [usize; 4], [a, b]: [usize; 2]| {
        (layout(n, h, w, c, a), layout(n, h, w, c, b))
    };
    shapes.iter().flat_map(|&shape| gaps.iter().map(move |&gaps| pair(shape, gaps))).collect()
}

#[test]
fn affine_matches_reference() {
    at_every_level(|level, pool| {
        let mut rng = TestRng::new(21);
        for (input_layout, output_layout) in layout_pairs() {
            let input = rng.values(&input_layout);
            let (scale, shift) =
                (rng.floats(input_layout.channels), rng.floats(input_layout.channels));
            for (has_scale, has_shift) in
                [(true, true), (true, false), (false, true), (false, false)]
            {
                let (scale, shift) =
                    (has_scale.then_some(&scale[..]), has_shift.then_some(&shift[..]));
                let clamp = rng.one_of(&[Clamp::NONE, Clamp::RELU6]);
                let mut expected = vec![SENTINEL; output_layout.len()];
                reference::affine(Affine {
                    input_layout,
                    input: &input,
                    scale,
                    shift,
                    clamp,
                    output_layout,
                    output: &mut expected,
                });
                let mut actual = vec![SENTINEL; output_layout.len()];
                affine(
                    level,
                    Affine {
                        input_layout,
                        input: &input,
                        scale,
                        shift,
                        clamp,
                        output_layout,
                        output: &mut actual,
                    },
                    pool,
                );
                assert_close(&actual, &expected, &(level, input_layout, output_layout));
                let mut values = vec![SENTINEL; output_layout.len()];
                let images = ImagePair::new(&input_layout, &input, &output_layout, &mut values);
                copy_strided(level, images, pool);
                affine_in_place(
                    level,
                    AffineInPlace {
                        layout: output_layout,
                        scale,
                        shift,
                        clamp,
                        values: &mut values,
                    },
                    pool,
                );
                assert_same(&values, &actual, &(level, input_layout, output_layout));
            }
        }
    });
}

const UNARIES: [Unary; 22] = [
    Unary::Abs,
    Unary::Ceil,
    Unary::Elu,
    Unary::Erf,
    Unary::Exp,
    Unary::Floor,
    Unary::LeakyRelu(0.2),
    Unary::Log,
    Unary::Log1p,
    Unary::Neg,
    Unary::Reciprocal,
    Unary::Round,
    Unary::Rsqrt,
    Unary::Selu,
    Unary::Sigmoid,
    Unary::Sign,
    Unary::Softplus,
    Unary::Softsign,
    Unary::Sqrt,
    Unary::Square,
    Unary::Tanh,
    Unary::HardSwish,
];

#[test]
fn unary_matches_reference() {
    at_every_level(|level, pool| {
        let mut rng = TestRng::new(22);
        for op in UNARIES {
            for (input_layout, output_layout) in layout_pairs() {
                let mut input = rng.values(&input_layout);
                input.iter_mut().for_each(|x| *x *= 4.0);
                input[0] = rng.one_of(&[f32::NAN, f32::INFINITY, f32::NEG_INFINITY]);
                let mut expected = vec![SENTINEL; output_layout.len()];
                reference::unary(op, &input_layout, &input, &output_layout, &mut expected);
                let mut actual = vec![SENTINEL; output_layout.len()];
                let images = ImagePair::new(&input_layout, &input, &output_layout, &mut actual);
                unary(level, op, images, pool);
                assert_close(&actual, &expected, &(op, level, input_layout, output_layout));
                let mut values = vec![SENTINEL; output_layout.len()];
                let images = ImagePair::new(&input_layout, &input, &output_layout, &mut values);
                copy_strided(level, images, pool);
                unary_in_place(level, op, &output_layout, &mut values, pool);
                assert_same(&values, &actual, &(op, level, input_layout, output_layout));
            }
        }
    });
}

const BINARIES: [Binary; 18] = [
    Binary::Add,
    Binary::Sub,
    Binary::Mul,
    Binary::Div,
    Binary::FloorDiv,
    Binary::FloorMod,
    Binary::Maximum,
    Binary::Minimum,
    Binary::Pow,
    Binary::SquaredDifference,
    Binary::Greater,
    Binary::GreaterEqual,
    Binary::Less,
    Binary::LessEqual,
    Binary::Equal,
    Binary::NotEqual,
    Binary::LogicalAnd,
    Binary::LogicalOr,
];

#[test]
fn binary_matches_reference() {
    let output_layout = layout(2, 5, 6, 19, 0);
    // The same, with gaps; per channel; per picture and channel; per pixel; a scalar; a row.
    let operands = [
        output_layout,
        layout(2, 5, 6, 19, 4),
        layout(1, 1, 1, 19, 0),
        layout(2, 1, 1, 19, 2),
        layout(2, 5, 6, 1, 1),
        layout(1, 1, 1, 1, 0),
        layout(1, 1, 6, 19, 0),
    ];
    at_every_level(|level, pool| {
        let mut rng = TestRng::new(23);
        for op in BINARIES {
            for (a, b) in operands.iter().flat_map(|&a| operands.map(|b| (a, b))) {
                let output_layout = layout(2, 5, 6, 19, rng.one_of(&[0, 3]));
                let (mut left, right) = (rng.values(&a), rng.values(&b));
                left[0] = rng.one_of(&[f32::NAN, 0.5]);
                let (left, right) =
                    (Operand { values: &left, layout: a }, Operand { values: &right, layout: b });
                let mut expected = vec![SENTINEL; output_layout.len()];
                let call = |output| BinaryOp {
                    op,
                    a: left,
                    b: right,
                    clamp: Clamp::RELU6,
                    output_layout,
                    output,
                };
                reference::binary(call(&mut expected));
                let mut actual = vec![SENTINEL; output_layout.len()];
                binary(level, call(&mut actual), pool);
                assert_close(&actual, &expected, &(op, level, a, b));
                if a == output_layout {
                    let mut values = left.values.to_vec();
                    let in_place = BinaryInPlace {
                        op,
                        b: right,
                        clamp: Clamp::RELU6,
                        layout: output_layout,
                        values: &mut values,
                    };
                    binary_in_place(level, in_place, pool);
                    assert_same(&values, &actual, &(op, level, a, b));
                }
            }
        }
    });
}

#[test]
fn softmax_matches_reference() {
    at_every_level(|level, pool| {
        let mut rng = TestRng::new(24);
        for (rows, columns) in [(1, 1), (3, 2), (1, 1001), (500, 21), (2, 16), (0, 5)] {
            for log in [false, true] {
                let input: Vec<f32> =
                    rng.floats(rows * columns).iter().map(|x| 300.0 * x).collect();
                let (mut expected, mut actual, mut values) =
                    (input.clone(), input.clone(), input.clone());
                reference::softmax(rows, columns, &input, &mut expected, log);
                let shape = Softmax { rows, columns, log };
                softmax(level, shape, &input, &mut actual, pool);
                assert_close(&actual, &expected, &(level, rows, columns, log));
                softmax_in_place(level, shape, &mut values, pool);
                assert_same(&values, &actual, &(level, rows, columns, log));
            }
        }
        let mut values = [1.0, f32::NAN, 2.0];
        softmax_in_place(level, Softmax { rows: 1, columns: 3, log: false }, &mut values, pool);
        assert!(values.iter().all(|x| x.is_nan()));
    });
}

#[test]
fn lrn_matches_reference() {
    at_every_level(|level, pool| {
        let mut rng = TestRng::new(25);
        for beta in [0.5, 0.75, 0.6] {
            let parameters = Lrn { depth_radius: 4, bias: 1.0, alpha: 0.3, beta };
            for (input_layout, output_layout) in layout_pairs() {
                let input = rng.values(&input_layout);
                let (mut expected, mut actual) =
                    (vec![SENTINEL; output_layout.len()], vec![SENTINEL; output_layout.len()]);
                reference::lrn(parameters, &input_layout, &input, &output_layout, &mut expected);
                let images = ImagePair::new(&input_layout, &input, &output_layout, &mut actual);
                lrn(level, parameters, images, pool);
                assert_close(&actual, &expected, &(level, input_layout, output_layout));
            }
        }
    });
}

#[test]
fn pad_and_copy_match_reference() {
    at_every_level(|level, pool| {
        let mut rng = TestRng::new(26);
        for (input_layout, output_layout) in layout_pairs() {
            let input = rng.values(&input_layout);
            let (mut expected, mut actual) =
                (vec![SENTINEL; output_layout.len()], vec![SENTINEL; output_layout.len()]);
            reference::copy_strided(&input_layout, &input, &output_layout, &mut expected);
            let images = ImagePair::new(&input_layout, &input, &output_layout, &mut actual);
            copy_strided(level, images, pool);
            assert_same(&actual, &expected, &(input_layout, output_layout));

            let around = Padding { top: 2, bottom: 1, left: 0, right: 3 };
            let padding = Pad { around, channels: [1, 2], value: -0.5 };
            let ImageLayout { batch, height, width, channels, .. } = input_layout;
            let padded_layout =
                layout(batch, height + 3, width + 3, channels + 3, output_layout.stride - channels);
            let (mut expected, mut actual) =
                (vec![SENTINEL; padded_layout.len()], vec![SENTINEL; padded_layout.len()]);
            reference::pad(&padding, &input_layout, &input, &padded_layout, &mut expected);
            let images = ImagePair::new(&input_layout, &input, &padded_layout, &mut actual);
            pad(level, &padding, images, pool);
            assert_same(&actual, &expected, &(input_layout, padded_layout));
        }
    });
}
