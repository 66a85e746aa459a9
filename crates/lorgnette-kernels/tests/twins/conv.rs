use std::collections::{BTreeSet, HashMap};

use lorgnette_kernels::formats::{has_bf16, to_bf16};
use lorgnette_kernels::{
    CONV_KERNELS, Clamp, Conv, ConvKernel, ConvShape, Elements, Exactness, Filter, Formats, Level, Map, Padding, Pool,
    Precision, Residual, WeightFormat, Window, candidates, choose_conv, reference,
};

use crate::levels::levels;
use crate::material::{
    Dice, TOLERANCE, TOLERANCE_CUT, UNTOUCHED, assert_same, assert_within, map, output_size, same, window,
};

/// A convolution with everything it needs.
#[derive(Clone)]
struct Case {
    shape: ConvShape,
    input: Vec<f32>,
    /// HWIO, after one byte that makes every float unaligned.
    weights: Vec<u8>,
    scale: Option<Vec<f32>>,
    bias: Option<Vec<f32>>,
    residual: Option<(usize, Vec<f32>)>,
    clamp: Clamp,
}

impl Case {
    fn new(shape: ConvShape, dice: &mut Dice) -> Self {
        let weights = dice.floats(shape.taps() * shape.input.channels * shape.output.channels);
        let channels = shape.output.channels;
        let stride = channels + dice.between(0, 3);
        let residual = (stride, dice.values(&Map { stride, ..shape.output }));
        Self {
            shape,
            input: dice.values(&shape.input),
            weights: std::iter::once(0).chain(weights.iter().flat_map(|x| x.to_le_bytes())).collect(),
            scale: dice.one_of(&[true, false]).then(|| dice.floats(channels)),
            bias: dice.one_of(&[true, false]).then(|| dice.floats(channels)),
            residual: dice.one_of(&[true, false]).then_some(residual),
            clamp: dice.one_of(&[Clamp::NONE, Clamp::RELU, Clamp::RELU6]),
        }
    }

    fn filter(&self) -> Filter<'_> {
        Filter { bytes: &self.weights[1..], scale: self.scale.as_deref(), transposed: false }
    }

    fn run(&self, kernel: &ConvKernel, pool: &Pool) -> Vec<f32> {
        self.run_with(kernel, &self.filter(), pool)
    }

    fn run_with(&self, kernel: &ConvKernel, filter: &Filter<'_>, pool: &Pool) -> Vec<f32> {
        let mut packed = vec![f32::NAN; (kernel.packed_len)(&self.shape)];
        // In two pieces, as large weights are.
        let (depth, middle) = (self.shape.depth(), self.shape.depth() / 2);
        for pass in kernel.survey_rows.into_iter().chain([kernel.pack_rows]) {
            for rows in [0..middle, middle..depth] {
                pass(&self.shape, filter, rows, &mut packed, pool);
            }
        }
        let mut output = vec![UNTOUCHED; self.shape.output.len()];
        (kernel.run)(
            Conv {
                shape: &self.shape,
                input: &self.input,
                packed: &packed,
                bias: self.bias.as_deref(),
                residual: self.residual.as_ref().map(|(stride, values)| {
                    let elements = Elements::Float32;
                    Residual { values, stride: *stride, elements }
                }),
                clamp: self.clamp,
                output: &mut output,
                scratch: &mut vec![f32::NAN; (kernel.scratch_len)(&self.shape, pool.threads())],
            },
            pool,
        );
        output
    }
}

impl Case {
    /// The case with its numbers as a kernel of these formats has them.
    fn rounded(&self, formats: Formats) -> Self {
        let channels = self.shape.output.channels;
        let floats = self.filter().bytes.chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()));
        let scale = |at: usize| self.scale.as_ref().map_or(1.0, |scale| scale[at % channels]);
        let mut weights: Vec<f32> = floats.enumerate().map(|(at, weight)| weight * scale(at)).collect();
        let mut input = self.input.clone();
        reference::kept(&mut weights, channels, formats);
        reference::multiplied(&mut input, formats.precision);
        let weights = std::iter::once(0).chain(weights.iter().flat_map(|x| x.to_le_bytes())).collect();
        Self { input, weights, scale: None, ..self.clone() }
    }
}

/// All formats that kernels may be chosen in.
fn all_formats() -> impl Iterator<Item = Formats> {
    let precisions = Precision::ALL.into_iter();
    precisions.flat_map(|precision| WeightFormat::ALL.map(|weights| Formats { precision, weights }))
}

fn slow_twin() -> &'static ConvKernel {
    CONV_KERNELS.last().unwrap()
}

/// The kernels this machine can run, without the reference.
fn fast_kernels() -> impl Iterator<Item = &'static ConvKernel> {
    levels();
    CONV_KERNELS[..CONV_KERNELS.len() - 1].iter().filter(|kernel| kernel.is_available())
}

/// How far a kernel may be from its twin.
fn tolerance(kernel: &ConvKernel) -> f32 {
    match kernel.arithmetic.exactness {
        Exactness::Rounded => TOLERANCE,
        Exactness::Cut => TOLERANCE_CUT,
    }
}

fn check(case: &Case, pool: &Pool) {
    check_kernels(case, pool, fast_kernels());
}

fn check_kernels(case: &Case, pool: &Pool, kernels: impl Iterator<Item = &'static ConvKernel>) {
    let mut twins = HashMap::new();
    for kernel in kernels.filter(|kernel| (kernel.fits)(&case.shape)) {
        let twin = || case.rounded(kernel.formats).run(slow_twin(), pool);
        let slow = twins.entry(kernel.formats).or_insert_with(twin);
        let fast = case.run(kernel, pool);
        assert_within(tolerance(kernel), &fast, slow, &(kernel.name, kernel.level, case.shape));
    }
}

fn shape(batch: usize, size: [usize; 2], channels: [usize; 2], window: Window) -> ConvShape {
    let [height, width] = output_size(&window, size).expect("the window fits");
    ConvShape {
        input: map(batch, size[0], size[1], channels[0], 0),
        output: map(batch, height, width, channels[1], 0),
        window,
    }
}

const CHANNELS: [usize; 9] = [1, 3, 5, 16, 17, 32, 33, 64, 100];

#[test]
fn every_pair_of_channels() {
    let pool = Pool::new(2);
    let mut dice = Dice::new(1);
    for c_in in CHANNELS {
        for c_out in CHANNELS {
            check(&Case::new(shape(1, [3, 5], [c_in, c_out], Window::POINT), &mut dice), &pool);
            let three = same(window([3, 3], 1), [4, 4]);
            check(&Case::new(shape(1, [4, 4], [c_in, c_out], three), &mut dice), &pool);
        }
    }
}

#[test]
fn awkward_windows() {
    let pool = Pool::new(2);
    let mut dice = Dice::new(2);
    let size = [9, 11];
    let dilated = Window { dilation: [2, 2], ..window([3, 3], 1) };
    let lopsided = Padding { top: 2, bottom: 0, left: 0, right: 3 };
    let windows = [
        same(window([3, 3], 1), size),
        same(window([3, 3], 2), size),
        same(window([1, 7], 1), size),
        same(window([7, 1], 1), size),
        same(window([5, 5], 1), size),
        same(window([7, 7], 2), size),
        same(dilated, size),
        Window { padding: lopsided, ..window([3, 2], 2) },
        Window { padding: lopsided, ..Window::POINT },
        window([1, 1], 2),
        window([3, 3], 1),
        window([9, 11], 1),
        Window { stride: [1, 3], dilation: [3, 1], ..window([2, 3], 1) },
    ];
    for window in windows {
        for channels in [[3, 8], [1, 33], [20, 40], [64, 17]] {
            for batch in [1, 3] {
                check(&Case::new(shape(batch, size, channels, window), &mut dice), &pool);
            }
        }
    }
}

#[test]
fn every_number_of_pixels() {
    let pool = Pool::new(3);
    let mut dice = Dice::new(3);
    for pixels in (1..=60).chain([196, 1000]) {
        check(&Case::new(shape(1, [1, pixels], [37, 70], Window::POINT), &mut dice), &pool);
    }
}

#[test]
fn fully_connected_layers() {
    let pool = Pool::new(2);
    let mut dice = Dice::new(4);
    for (rows, depth, channels) in [(1, 4096, 1000), (2, 1000, 333), (3, 77, 129), (1, 1, 1), (5, 2048, 257)] {
        check(&Case::new(shape(1, [1, rows], [depth, channels], Window::POINT), &mut dice), &pool);
    }
}

#[test]
fn random_shapes() {
    let pool = Pool::new(2);
    let mut dice = Dice::new(5);
    let mut tried = 0;
    while tried < 300 {
        let size = [dice.between(1, 12), dice.between(1, 12)];
        let mut window = Window {
            kernel: [dice.between(1, 5), dice.between(1, 5)],
            stride: [dice.between(1, 3), dice.between(1, 3)],
            dilation: [dice.between(1, 3), dice.between(1, 3)],
            padding: Padding::default(),
        };
        let reach = window.kernel[0] * window.dilation[0];
        window.padding = match dice.between(0, 2) {
            0 => Padding::default(),
            1 => same(window, size).padding,
            _ => Padding {
                top: dice.between(0, reach),
                bottom: dice.between(0, 3),
                left: dice.between(0, 3),
                right: dice.between(0, 3),
            },
        };
        let Some([height, width]) = output_size(&window, size) else { continue };
        let (batch, gaps) = (dice.between(1, 3), [dice.between(0, 5), dice.between(0, 5)]);
        let shape = ConvShape {
            input: map(batch, size[0], size[1], dice.between(1, 40), gaps[0]),
            output: map(batch, height, width, dice.between(1, 80), gaps[1]),
            window,
        };
        check(&Case::new(shape, &mut dice), &pool);
        tried += 1;
    }
}

#[test]
fn transposed_weights() {
    let pool = Pool::new(2);
    let mut dice = Dice::new(6);
    for channels in [[1, 1], [7, 50], [64, 33]] {
        let case = Case::new(shape(1, [1, 4], channels, Window::POINT), &mut dice);
        let [depth, count] = channels;
        let float = |k: usize, c: usize| &case.filter().bytes[4 * (k * count + c)..][..4];
        let bytes: Vec<u8> = (0..count).flat_map(|c| (0..depth).flat_map(move |k| float(k, c).to_vec())).collect();
        let transposed = Filter { bytes: &bytes, transposed: true, ..case.filter() };
        for kernel in CONV_KERNELS.iter().filter(|kernel| kernel.is_available() && (kernel.fits)(&case.shape)) {
            let plain = case.run(kernel, &pool);
            assert_same(&case.run_with(kernel, &transposed, &pool), &plain, &(kernel.name, kernel.level));
        }
    }
}

/// NaNs and infinities reach the outputs whose windows see them, and no others.
#[test]
fn nan_and_infinity_go_where_they_must() {
    let pool = Pool::new(2);
    let mut dice = Dice::new(7);
    for strange in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for channels in [[3, 20], [30, 40]] {
            let window = same(window([3, 3], 1), [6, 6]);
            let mut case = Case::new(shape(2, [6, 6], channels, window), &mut dice);
            case.input[(6 * 6 + 8) * channels[0]] = strange;
            check(&case, &pool);
        }
        let mut case = Case::new(shape(1, [1, 1], [40, 70], Window::POINT), &mut dice);
        case.input[11] = strange;
        check(&case, &pool);
    }
}

/// Numbers that tiles cannot hold, too large for bf16 or too small for normal ones, are what they are in float32.
#[test]
fn tiles_take_numbers_of_any_size() {
    let pool = Pool::new(2);
    let mut dice = Dice::new(11);
    let sizes = [(1e-38, 1.0), (1e-41, 1e5), (1e-41, 1e30), (1e4, 1e-30), (3.4e38, 1e-3), (0.3, 3.4e38), (0.0, 1.0)];
    for (inputs, weights) in sizes {
        for window in [Window::POINT, same(window([3, 3], 1), [5, 6]), window([3, 2], 2)] {
            let mut case = Case::new(shape(2, [5, 6], [40, 35], window), &mut dice);
            (case.scale, case.bias, case.residual, case.clamp) = (None, None, None, Clamp::NONE);
            case.input.iter_mut().for_each(|x| *x *= inputs);
            // In the second picture, one number is of ordinary size.
            case.input[30 * 40] = 0.5;
            let floats = case.filter().bytes.chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()));
            let bytes = floats.flat_map(|x| (x * weights).to_le_bytes());
            case.weights = std::iter::once(0).chain(bytes).collect();
            let slow = case.run(slow_twin(), &pool);
            for kernel in fast_kernels().filter(|kernel| kernel.name.contains("bf16x") && (kernel.fits)(&case.shape)) {
                let (fast, what) = (case.run(kernel, &pool), (kernel.name, inputs, weights, case.shape));
                let first = slow.len() / 2;
                assert_within(TOLERANCE_CUT, &fast[..first], &slow[..first], &what);
                assert_within(TOLERANCE_CUT, &fast, &slow, &what);
            }
        }
    }
}

/// What a kernel would round, it also takes rounded: the same bits.
#[test]
fn inputs_that_are_rounded_already_give_the_same_bits() {
    let pool = Pool::new(2);
    let mut dice = Dice::new(13);
    let mut tried = 0;
    for window in [Window::POINT, same(window([3, 3], 1), [7, 5]), window([3, 2], 2)] {
        for channels in [[64, 35], [31, 40], [20, 16]] {
            let case = Case::new(shape(2, [7, 5], channels, window), &mut dice);
            let mut kept = case.clone();
            kept.shape.input = Map { elements: Elements::Bf16, ..case.shape.input };
            kept.shape.input.stride = kept.shape.input.floats() + 1;
            kept.input = case.input.chunks_exact(channels[0]).flat_map(pairs).collect();
            let fits = |kernel: &&ConvKernel| {
                kernel.formats.precision == Precision::Bf16 && (kernel.fits)(&kept.shape) && (kernel.fits)(&case.shape)
            };
            for kernel in fast_kernels().filter(fits) {
                let what = (kernel.name, kept.shape);
                assert_same(&kept.run(kernel, &pool), &case.run(kernel, &pool), &what);
                tried += 1;
            }
        }
    }
    assert!(tried > 0 || !has_bf16());
}

/// A pixel's numbers in pairs of bf16, and a float that nobody should look at.
fn pairs(pixel: &[f32]) -> Vec<f32> {
    let half = |x: Option<&f32>| u32::from(x.map_or(0, |&x| to_bf16(x)));
    let pair = |two: &[f32]| f32::from_bits(half(two.first()) | half(two.get(1)) << 16);
    pixel.chunks(2).map(pair).chain([f32::NAN]).collect()
}

/// The same bits from any number of threads, from every kernel of a level and arithmetic, and for a photo alone or among
/// others.
#[test]
fn results_do_not_depend_on_company() {
    let mut dice = Dice::new(8);
    let pools = [1, 2, 3, 5].map(Pool::new);
    let size = [13, 10];
    let windows = [
        Window::POINT,
        same(window([3, 3], 1), size),
        same(window([1, 7], 1), size),
        same(window([5, 3], 2), size),
        window([13, 10], 1),
    ];
    for window in windows {
        for channels in [[3, 40], [8, 32], [50, 70]] {
            let case = Case::new(shape(3, size, channels, window), &mut dice);
            for level in levels() {
                for arithmetic in arithmetics(level, &case.shape) {
                    check_company(&case, level, arithmetic, &pools);
                }
                for formats in all_formats() {
                    assert_eq!(
                        choose_conv(&case.shape, level, formats).arithmetic.name,
                        choose_conv(&alone(&case, 0).shape, level, formats).arithmetic.name
                    );
                }
            }
        }
    }
}

/// The arithmetics that a level has for a shape.
fn arithmetics(level: Level, shape: &ConvShape) -> BTreeSet<&'static str> {
    of_all_formats(shape, level).iter().map(|kernel| kernel.arithmetic.name).collect()
}

/// The kernels that a level has for a shape, each format's best first.
fn of_all_formats(shape: &ConvShape, level: Level) -> Vec<&'static ConvKernel> {
    all_formats().flat_map(|formats| candidates(shape, level, formats)).map(|(kernel, _)| kernel).collect()
}

fn check_company(case: &Case, level: Level, arithmetic: &str, pools: &[Pool]) {
    let kernels = |shape: &ConvShape| {
        let mut found = of_all_formats(shape, level);
        found.retain(|kernel| kernel.arithmetic.name == arithmetic);
        found.sort_by_key(|kernel| kernel.name);
        found.dedup_by_key(|kernel| kernel.name);
        found
    };
    let together = case.run(kernels(&case.shape)[0], &pools[0]);
    for pool in pools {
        for kernel in kernels(&case.shape) {
            assert_same(&case.run(kernel, pool), &together, &(kernel.name, level, pool, case.shape));
        }
    }
    let picture = case.shape.output.len() / 3;
    for n in 0..3 {
        let alone = alone(case, n);
        let kernel = kernels(&alone.shape)[0];
        let expected = &together[n * picture..][..picture];
        assert_same(&alone.run(kernel, &pools[1]), expected, &(kernel.name, level, alone.shape));
    }
}

/// Pictures of many tiles, cut at every place, on more threads than tiles and fewer.
#[test]
fn tiles_of_every_form() {
    let pools = [Pool::new(1), Pool::new(3)];
    let mut dice = Dice::new(10);
    let kernels = [[3, 3], [5, 5], [1, 3], [3, 1], [1, 7], [7, 1], [7, 7]];
    for (i, kernel) in kernels.into_iter().enumerate() {
        for (size, channels) in [([21, 30], [19, 35]), ([40, 33], [35, 16]), ([5, 6], [70, 90])] {
            for dilation in [[1, 1], [2, 3]] {
                let size = [size[0] + i, size[1] + 2 * i];
                let window = same(Window { dilation, ..window(kernel, 1) }, size);
                let mut case = Case::new(shape(2, size, channels, window), &mut dice);
                // A limit from above would hide how large the numbers were that the errors are relative to.
                case.clamp = dice.one_of(&[Clamp::NONE, Clamp::RELU]);
                // In software, AMX would take most of the time; it has pictures of its own below.
                let kernels = fast_kernels().filter(|kernel| kernel.level != Level::Amx);
                check_kernels(&case, &pools[i % 2], kernels);
            }
        }
    }
}

/// Pictures so wide that AMX takes them in bands of rows, some shorter than others.
#[test]
fn wide_pictures_on_tiles() {
    let pool = Pool::new(3);
    let mut dice = Dice::new(12);
    let size = [21, 2100];
    for window in [same(window([3, 3], 1), size), same(window([3, 2], 2), size), Window::POINT] {
        let case = Case::new(shape(2, size, [3, 5], window), &mut dice);
        check_kernels(&case, &pool, fast_kernels().filter(|kernel| kernel.level == Level::Amx));
    }
}

/// Picture `n` of a batch of three.
fn alone(case: &Case, n: usize) -> Case {
    let mut alone = case.clone();
    (alone.shape.input.batch, alone.shape.output.batch) = (1, 1);
    let input = case.shape.input.len() / 3;
    alone.input = case.input[n * input..][..input].to_vec();
    alone.residual = case.residual.as_ref().map(|(stride, values)| {
        let pixels = case.shape.output.pixels() / 3;
        (*stride, values[n * pixels * stride..].to_vec())
    });
    alone
}

/// Weights packed for one picture size serve another.
#[test]
fn packing_does_not_depend_on_the_picture() {
    let mut dice = Dice::new(9);
    for kernel in CONV_KERNELS {
        let window = same(window(window_of(kernel), 1), [5, 5]);
        let small = Case::new(shape(1, [5, 5], [8, 50], window), &mut dice);
        let large = shape(2, [40, 30], [8, 50], window);
        let pack = |shape: &ConvShape| {
            let mut packed = vec![f32::NAN; (kernel.packed_len)(shape)];
            kernel.pack(shape, &small.filter(), &mut packed);
            packed
        };
        assert_same(&pack(&small.shape), &pack(&large), &kernel.name);
    }
}

/// The size of a window that a kernel can compute.
fn window_of(kernel: &ConvKernel) -> [usize; 2] {
    let fits = |size: &[usize; 2]| (kernel.fits)(&shape(1, [9, 9], [3, 3], window(*size, 1)));
    [[3, 3], [2, 1], [1, 3], [3, 1], [5, 5], [1, 7], [7, 1], [7, 7], [9, 9]]
        .into_iter()
        .find(fits)
        .expect("a kernel fits something")
}
