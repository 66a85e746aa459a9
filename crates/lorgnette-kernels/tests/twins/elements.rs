use lorgnette_kernels::{
    Affine, AffineInPlace, Binary, Clamp, Level, Lrn, Map, Operand, Pad, Padding, Pool, Unary, affine, affine_in_place,
    binary, binary_in_place, copy_map, lrn, pad, reference, softmax, softmax_in_place, unary, unary_in_place,
};

use crate::levels::levels;
use crate::material::{Dice, UNTOUCHED, assert_close, assert_same, map};

/// Runs a test at each level, with one thread and with three.
fn everywhere(test: impl Fn(Level, &Pool)) {
    let pools = [Pool::new(1), Pool::new(3)];
    for level in levels() {
        pools.iter().for_each(|pool| test(level, pool));
    }
}

/// Maps of the same shape, dense and with gaps.
fn map_pairs() -> Vec<(Map, Map)> {
    let shapes = [[1, 1, 1, 1], [2, 3, 5, 7], [1, 20, 30, 33], [3, 4, 4, 100], [1, 40, 40, 16]];
    let gaps = [[0, 0], [0, 3], [5, 0], [2, 9]];
    let pair = |[n, h, w, c]: [usize; 4], [a, b]: [usize; 2]| (map(n, h, w, c, a), map(n, h, w, c, b));
    shapes.iter().flat_map(|&shape| gaps.iter().map(move |&gaps| pair(shape, gaps))).collect()
}

#[test]
fn affine_is_its_twin() {
    everywhere(|level, pool| {
        let mut dice = Dice::new(21);
        for (map_in, map_out) in map_pairs() {
            let input = dice.values(&map_in);
            let (scale, shift) = (dice.floats(map_in.channels), dice.floats(map_in.channels));
            for (has_scale, has_shift) in [(true, true), (true, false), (false, true), (false, false)] {
                let (scale, shift) = (has_scale.then_some(&scale[..]), has_shift.then_some(&shift[..]));
                let clamp = dice.one_of(&[Clamp::NONE, Clamp::RELU6]);
                let mut slow = vec![UNTOUCHED; map_out.len()];
                reference::affine(Affine { map_in, input: &input, scale, shift, clamp, map_out, output: &mut slow });
                let mut fast = vec![UNTOUCHED; map_out.len()];
                affine(level, Affine { map_in, input: &input, scale, shift, clamp, map_out, output: &mut fast }, pool);
                assert_close(&fast, &slow, &(level, map_in, map_out));
                let mut values = vec![UNTOUCHED; map_out.len()];
                copy_map(level, &map_in, &input, &map_out, &mut values, pool);
                affine_in_place(level, AffineInPlace { map: map_out, scale, shift, clamp, values: &mut values }, pool);
                assert_same(&values, &fast, &(level, map_in, map_out));
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
fn unary_is_its_twin() {
    everywhere(|level, pool| {
        let mut dice = Dice::new(22);
        for op in UNARIES {
            for (map_in, map_out) in map_pairs() {
                let mut input = dice.values(&map_in);
                input.iter_mut().for_each(|x| *x *= 4.0);
                input[0] = dice.one_of(&[f32::NAN, f32::INFINITY, f32::NEG_INFINITY]);
                let mut slow = vec![UNTOUCHED; map_out.len()];
                reference::unary(op, &map_in, &input, &map_out, &mut slow);
                let mut fast = vec![UNTOUCHED; map_out.len()];
                unary(level, op, &map_in, &input, &map_out, &mut fast, pool);
                assert_close(&fast, &slow, &(op, level, map_in, map_out));
                let mut values = vec![UNTOUCHED; map_out.len()];
                copy_map(level, &map_in, &input, &map_out, &mut values, pool);
                unary_in_place(level, op, &map_out, &mut values, pool);
                assert_same(&values, &fast, &(op, level, map_in, map_out));
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
fn binary_is_its_twin() {
    let out_map = map(2, 5, 6, 19, 0);
    // The same, with gaps; per channel; per picture and channel; per pixel; a scalar; a row.
    let operands = [
        out_map,
        map(2, 5, 6, 19, 4),
        map(1, 1, 1, 19, 0),
        map(2, 1, 1, 19, 2),
        map(2, 5, 6, 1, 1),
        map(1, 1, 1, 1, 0),
        map(1, 1, 6, 19, 0),
    ];
    everywhere(|level, pool| {
        let mut dice = Dice::new(23);
        for op in BINARIES {
            for (a, b) in operands.iter().flat_map(|&a| operands.map(|b| (a, b))) {
                let out_map = map(2, 5, 6, 19, dice.one_of(&[0, 3]));
                let (mut left, right) = (dice.values(&a), dice.values(&b));
                left[0] = dice.one_of(&[f32::NAN, 0.5]);
                let (left, right) = (Operand { values: &left, map: a }, Operand { values: &right, map: b });
                let mut slow = vec![UNTOUCHED; out_map.len()];
                reference::binary(op, left, right, Clamp::RELU6, &out_map, &mut slow);
                let mut fast = vec![UNTOUCHED; out_map.len()];
                binary(level, op, left, right, Clamp::RELU6, &out_map, &mut fast, pool);
                assert_close(&fast, &slow, &(op, level, a, b));
                if a == out_map {
                    let mut values = left.values.to_vec();
                    binary_in_place(level, op, right, Clamp::RELU6, &out_map, &mut values, pool);
                    assert_same(&values, &fast, &(op, level, a, b));
                }
            }
        }
    });
}

#[test]
fn softmax_is_its_twin() {
    everywhere(|level, pool| {
        let mut dice = Dice::new(24);
        for (rows, columns) in [(1, 1), (3, 2), (1, 1001), (500, 21), (2, 16), (0, 5)] {
            for log in [false, true] {
                let input: Vec<f32> = dice.floats(rows * columns).iter().map(|x| 300.0 * x).collect();
                let (mut slow, mut fast, mut values) = (input.clone(), input.clone(), input.clone());
                reference::softmax(rows, columns, &input, &mut slow, log);
                softmax(level, rows, columns, &input, &mut fast, log, pool);
                assert_close(&fast, &slow, &(level, rows, columns, log));
                softmax_in_place(level, rows, columns, &mut values, log, pool);
                assert_same(&values, &fast, &(level, rows, columns, log));
            }
        }
        let mut values = [1.0, f32::NAN, 2.0];
        softmax_in_place(level, 1, 3, &mut values, false, pool);
        assert!(values.iter().all(|x| x.is_nan()));
    });
}

#[test]
fn lrn_is_its_twin() {
    everywhere(|level, pool| {
        let mut dice = Dice::new(25);
        for beta in [0.5, 0.75, 0.6] {
            let parameters = Lrn { depth_radius: 4, bias: 1.0, alpha: 0.3, beta };
            for (map_in, map_out) in map_pairs() {
                let input = dice.values(&map_in);
                let (mut slow, mut fast) = (vec![UNTOUCHED; map_out.len()], vec![UNTOUCHED; map_out.len()]);
                reference::lrn(parameters, &map_in, &input, &map_out, &mut slow);
                lrn(level, parameters, &map_in, &input, &map_out, &mut fast, pool);
                assert_close(&fast, &slow, &(level, map_in, map_out));
            }
        }
    });
}

#[test]
fn pad_and_copy_are_their_twins() {
    everywhere(|level, pool| {
        let mut dice = Dice::new(26);
        for (map_in, map_out) in map_pairs() {
            let input = dice.values(&map_in);
            let (mut slow, mut fast) = (vec![UNTOUCHED; map_out.len()], vec![UNTOUCHED; map_out.len()]);
            reference::copy_map(&map_in, &input, &map_out, &mut slow);
            copy_map(level, &map_in, &input, &map_out, &mut fast, pool);
            assert_same(&fast, &slow, &(map_in, map_out));

            let around = Padding { top: 2, bottom: 1, left: 0, right: 3 };
            let padding = Pad { around, channels: [1, 2], value: -0.5 };
            let Map { batch, height, width, channels, .. } = map_in;
            let grown = map(batch, height + 3, width + 3, channels + 3, map_out.stride - channels);
            let (mut slow, mut fast) = (vec![UNTOUCHED; grown.len()], vec![UNTOUCHED; grown.len()]);
            reference::pad(&padding, &map_in, &input, &grown, &mut slow);
            pad(level, &padding, &map_in, &input, &grown, &mut fast, pool);
            assert_same(&fast, &slow, &(map_in, grown));
        }
    });
}
