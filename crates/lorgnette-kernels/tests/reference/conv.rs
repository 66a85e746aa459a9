use std::collections::{BTreeSet, HashMap};

use lorgnette_kernels::numerics::{f32_to_bf16, has_bf16};
use lorgnette_kernels::{
    CONV_KERNELS, Clamp, Conv, ConvKernel, ConvShape, ErrorClass, Filter, ImageLayout, Level,
    NumericOptions, Padding, Precision, Residual, StorageType, ThreadPool, WeightFormat, Window,
    candidates, choose_conv, reference,
};

use crate::fixtures::{
    SENTINEL, TOLERANCE, TOLERANCE_SPLIT_BF16, TestRng, assert_same, assert_within, layout,
    output_size, same, window,
};
use crate::levels::levels;

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
    fn new(shape: ConvShape, rng: &mut TestRng) -> Self {
        let weights = rng.floats(shape.taps() * shape.input.channels * shape.output.channels);
        let channels = shape.output.channels;
        let stride = channels + rng.between(0, 3);
        let residual = (stride, rng.values(&ImageLayout { stride, ..shape.output }));
        Self {
            shape,
            input: rng.values(&shape.input),
            weights: std::iter::once(0)
                .chain(weights.iter().flat_map(|x| x.to_le_bytes()))
                .collect(),
            scale: rng.one_of(&[true, false]).then(|| rng.floats(channels)),
            bias: rng.one_of(&[true, false]).then(|| rng.floats(channels)),
            residual: rng.one_of(&[true, false]).then_some(residual),
            clamp: rng.one_of(&[Clamp::NONE, Clamp::RELU, Clamp::RELU6]),
        }
    }

    fn filter(&self) -> Filter<'_> {
        Filter { bytes: &self.weights[1..], scale: self.scale.as_deref(), transposed: false }
    }

    fn run(&self, kernel: &ConvKernel, pool: &ThreadPool) -> Vec<f32> {
        self.run_with(kernel, &self.filter(), pool)
    }

    fn run_with(&self, kernel: &ConvKernel, filter: &Filter<'_>, pool: &ThreadPool) -> Vec<f32> {
        let mut packed = vec![f32::NAN; (kernel.packed_len)(&self.shape)];
        // In two pieces, as large weights are.
        let (depth, middle) = (self.shape.depth(), self.shape.depth() / 2);
        for pass in kernel.scan_weights.into_iter().chain([kernel.pack_rows]) {
            for rows in [0..middle, middle..depth] {
                pass(&self.shape, filter, rows, &mut packed, pool);
            }
        }
        let mut output = vec![SENTINEL; self.shape.output.len()];
        (kernel.run)(
            Conv {
                shape: &self.shape,
                input: &self.input,
                packed: &packed,
                bias: self.bias.as_deref(),
                residual: self.residual.as_ref().map(|(stride, values)| {
                    let storage = StorageType::Float32;
                    Residual { values, stride: *stride, storage }
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
    /// Returns the case rounded to a kernel's numeric options.
    fn rounded(&self, numerics: NumericOptions) -> Self {
        let channels = self.shape.output.channels;
        let floats = self
            .filter()
            .bytes
            .chunks_exact(4)
            .map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()));
        let scale = |at: usize| self.scale.as_ref().map_or(1.0, |scale| scale[at % channels]);
        let mut weights: Vec<f32> =
            floats.enumerate().map(|(at, weight)| weight * scale(at)).collect();
        let mut input = self.input.clone();
        reference::round_weights(&mut weights, channels, numerics);
        reference::round_input(&mut input, numerics.compute);
        let weights =
            std::iter::once(0).chain(weights.iter().flat_map(|x| x.to_le_bytes())).collect();
        Self { input, weights, scale: None, ..self.clone() }
    }
}

/// All numeric options that kernels may be chosen with.
fn all_numerics() -> impl Iterator<Item = NumericOptions> {
    let precisions = Precision::ALL.into_iter();
    precisions.flat_map(|precision| {
        WeightFormat::ALL.map(|weights| NumericOptions {
            compute: precision,
            weight_storage: weights,
            ..NumericOptions::default()
        })
    })
}

fn reference_kernel() -> &'static ConvKernel {
    CONV_KERNELS.last().unwrap()
}

/// The kernels this machine can run, without the reference.
fn fast_kernels() -> impl Iterator<Item = &'static ConvKernel> {
    levels();
    CONV_KERNELS[..CONV_KERNELS.len() - 1].iter().filter(|kernel| kernel.is_available())
}

/// Returns the tolerance of a kernel relative to its reference implementation.
fn tolerance(kernel: &ConvKernel) -> f32 {
    match kernel.algorithm.error_class {
        ErrorClass::F32 => TOLERANCE,
        ErrorClass::SplitBf16 => TOLERANCE_SPLIT_BF16,
    }
}

fn check(case: &Case, pool: &ThreadPool) {
    check_kernels(case, pool, fast_kernels());
}

fn check_kernels(
    case: &Case,
    pool: &ThreadPool,
    kernels: impl Iterator<Item = &'static ConvKernel>,
) {
    let mut reference_outputs = HashMap::new();
    for kernel in kernels.filter(|kernel| (kernel.fits)(&case.shape)) {
        let reference_output = || case.rounded(kernel.numerics).run(reference_kernel(), pool);
        let expected = reference_outputs.entry(kernel.numerics).or_insert_with(reference_output);
        let actual = case.run(kernel, pool);
        assert_within(
            tolerance(kernel),
            &actual,
            expected,
            &(kernel.name, kernel.level, case.shape),
        );
    }
}

fn shape(batch: usize, size: [usize; 2], channels: [usize; 2], window: Window) -> ConvShape {
    let [height, width] = output_size(&window, size).expect("the window fits");
    ConvShape {
        input: layout(batch, size[0], size[1], channels[0], 0),
        output: layout(batch, height, width, channels[1], 0),
        window,
    }
}

const CHANNELS: [usize; 9] = [1, 3, 5, 16, 17, 32, 33, 64, 100];

#[test]
fn every_pair_of_channels() {
    let pool = ThreadPool::new(2);
    let mut rng = TestRng::new(1);
    for c_in in CHANNELS {
        for c_out in CHANNELS {
            check(&Case::new(shape(1, [3, 5], [c_in, c_out], Window::POINTWISE), &mut rng), &pool);
            let three = same(window([3, 3], 1), [4, 4]);
            check(&Case::new(shape(1, [4, 4], [c_in, c_out], three), &mut rng), &pool);
        }
    }
}

#[test]
fn awkward_windows() {
    let pool = ThreadPool::new(2);
    let mut rng = TestRng::new(2);
    let size = [9, 11];
    let dilated = Window { dilation: [2, 2], ..window([3, 3], 1) };
    let asymmetric = Padding { top: 2, bottom: 0, left: 0, right: 3 };
    let windows = [
        same(window([3, 3], 1), size),
        same(window([3, 3], 2), size),
        same(window([1, 7], 1), size),
        same(window([7, 1], 1), size),
        same(window([5, 5], 1), size),
        same(window([7, 7], 2), size),
        same(dilated, size),
        Window { padding: asymmetric, ..window([3, 2], 2) },
        Window { padding: asymmetric, ..Window::POINTWISE },
        window([1, 1], 2),
        window([3, 3], 1),
        window([9, 11], 1),
        Window { stride: [1, 3], dilation: [3, 1], ..window([2, 3], 1) },
    ];
    for window in windows {
        for channels in [[3, 8], [1, 33], [20, 40], [64, 17]] {
            for batch in [1, 3] {
                check(&Case::new(shape(batch, size, channels, window), &mut rng), &pool);
            }
        }
    }
}

#[test]
fn every_number_of_pixels() {
    let pool = ThreadPool::new(3);
    let mut rng = TestRng::new(3);
    for pixels in (1..=60).chain([196, 1000]) {
        check(&Case::new(shape(1, [1, pixels], [37, 70], Window::POINTWISE), &mut rng), &pool);
    }
}

#[test]
fn fully_connected_layers() {
    let pool = ThreadPool::new(2);
    let mut rng = TestRng::new(4);
    for (rows, depth, channels) in
        [(1, 4096, 1000), (2, 1000, 333), (3, 77, 129), (1, 1, 1), (5, 2048, 257)]
    {
        check(
            &Case::new(shape(1, [1, rows], [depth, channels], Window::POINTWISE), &mut rng),
            &pool,
        );
    }
}

#[test]
fn random_shapes() {
    let pool = ThreadPool::new(2);
    let mut rng = TestRng::new(5);
    let mut tried = 0;
    while tried < 300 {
        let size = [rng.between(1, 12), rng.between(1, 12)];
        let mut window = Window {
            kernel: [rng.between(1, 5), rng.between(1, 5)],
            stride: [rng.between(1, 3), rng.between(1, 3)],
            dilation: [rng.between(1, 3), rng.between(1, 3)],
            padding: Padding::default(),
        };
        let reach = window.kernel[0] * window.dilation[0];
        window.padding = match rng.between(0, 2) {
            0 => Padding::default(),
            1 => same(window, size).padding,
            _ => Padding {
                top: rng.between(0, reach),
                bottom: rng.between(0, 3),
                left: rng.between(0, 3),
                right: rng.between(0, 3),
            },
        };
        let Some([height, width]) = output_size(&window, size) else { continue };
        let (batch, gaps) = (rng.between(1, 3), [rng.between(0, 5), rng.between(0, 5)]);
        let shape = ConvShape {
            input: layout(batch, size[0], size[1], rng.between(1, 40), gaps[0]),
            output: layout(batch, height, width, rng.between(1, 80), gaps[1]),
            window,
        };
        check(&Case::new(shape, &mut rng), &pool);
        tried += 1;
    }
}

#[test]
fn transposed_weights() {
    let pool = ThreadPool::new(2);
    let mut rng = TestRng::new(6);
    for channels in [[1, 1], [7, 50], [64, 33]] {
        let case = Case::new(shape(1, [1, 4], channels, Window::POINTWISE), &mut rng);
        let [depth, count] = channels;
        let float = |k: usize, c: usize| &case.filter().bytes[4 * (k * count + c)..][..4];
        let bytes: Vec<u8> =
            (0..count).flat_map(|c| (0..depth).flat_map(move |k| float(k, c).to_vec())).collect();
        let transposed = Filter { bytes: &bytes, transposed: true, ..case.filter() };
        for kernel in
            CONV_KERNELS.iter().filter(|kernel| kernel.is_available() && (kernel.fits)(&case.shape))
        {
            let plain = case.run(kernel, &pool);
            assert_same(
                &case.run_with(kernel, &transposed, &pool),
                &plain,
                &(kernel.name, kernel.level),
            );
        }
    }
}

/// NaNs and infinities reach the outputs whose windows see them, and no others.
#[test]
fn nan_and_infinity_go_where_they_must() {
    let pool = ThreadPool::new(2);
    let mut rng = TestRng::new(7);
    for non_finite in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for channels in [[3, 20], [30, 40]] {
            let window = same(window([3, 3], 1), [6, 6]);
            let mut case = Case::new(shape(2, [6, 6], channels, window), &mut rng);
            case.input[(6 * 6 + 8) * channels[0]] = non_finite;
            check(&case, &pool);
        }
        let mut case = Case::new(shape(1, [1, 1], [40, 70], Window::POINTWISE), &mut rng);
        case.input[11] = non_finite;
        check(&case, &pool);
    }
}

/// Numbers that tiles cannot represent, too large for bf16 or subnormal, have the results of
/// float32.
#[test]
fn tiles_take_numbers_of_any_size() {
    let pool = ThreadPool::new(2);
    let mut rng = TestRng::new(11);
    let sizes = [
        (1e-38, 1.0),
        (1e-41, 1e5),
        (1e-41, 1e30),
        (1e4, 1e-30),
        (3.4e38, 1e-3),
        (0.3, 3.4e38),
        (0.0, 1.0),
    ];
    for (inputs, weights) in sizes {
        for window in [Window::POINTWISE, same(window([3, 3], 1), [5, 6]), window([3, 2], 2)] {
            let mut case = Case::new(shape(2, [5, 6], [40, 35], window), &mut rng);
            (case.scale, case.bias, case.residual, case.clamp) = (None, None, None, Clamp::NONE);
            case.input.iter_mut().for_each(|x| *x *= inputs);
            // In the second image, one number is of ordinary size.
            case.input[30 * 40] = 0.5;
            let floats = case
                .filter()
                .bytes
                .chunks_exact(4)
                .map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()));
            let bytes = floats.flat_map(|x| (x * weights).to_le_bytes());
            case.weights = std::iter::once(0).chain(bytes).collect();
            let expected = case.run(reference_kernel(), &pool);
            for kernel in fast_kernels()
                .filter(|kernel| kernel.name.contains("bf16x") && (kernel.fits)(&case.shape))
            {
                let (actual, what) =
                    (case.run(kernel, &pool), (kernel.name, inputs, weights, case.shape));
                let first = expected.len() / 2;
                assert_within(TOLERANCE_SPLIT_BF16, &actual[..first], &expected[..first], &what);
                assert_within(TOLERANCE_SPLIT_BF16, &actual, &expected, &what);
            }
        }
    }
}

/// A kernel that rounds its input also takes it rounded: the same bits.
#[test]
fn inputs_that_are_rounded_already_give_the_same_bits() {
    let pool = ThreadPool::new(2);
    let mut rng = TestRng::new(13);
    let mut tried = 0;
    for window in [Window::POINTWISE, same(window([3, 3], 1), [7, 5]), window([3, 2], 2)] {
        for channels in [[64, 35], [31, 40], [20, 16]] {
            let case = Case::new(shape(2, [7, 5], channels, window), &mut rng);
            let mut bf16_case = case.clone();
            bf16_case.shape.input = ImageLayout { storage: StorageType::Bf16, ..case.shape.input };
            bf16_case.shape.input.stride = 2 * (bf16_case.shape.input.words() + 1);
            bf16_case.input = case.input.chunks_exact(channels[0]).flat_map(pairs).collect();
            let fits = |kernel: &&ConvKernel| {
                kernel.numerics.compute == Precision::Bf16
                    && (kernel.fits)(&bf16_case.shape)
                    && (kernel.fits)(&case.shape)
            };
            for kernel in fast_kernels().filter(fits) {
                let what = (kernel.name, bf16_case.shape);
                assert_same(&bf16_case.run(kernel, &pool), &case.run(kernel, &pool), &what);
                tried += 1;
            }
        }
    }
    assert!(tried > 0 || !has_bf16());
}

/// A pixel's numbers in pairs of bf16, and a word that must not be read.
fn pairs(pixel: &[f32]) -> Vec<f32> {
    let half = |x: Option<&f32>| u32::from(x.map_or(0, |&x| f32_to_bf16(x)));
    let pair = |two: &[f32]| f32::from_bits(half(two.first()) | half(two.get(1)) << 16);
    pixel.chunks(2).map(pair).chain([f32::NAN]).collect()
}

/// The same bits from any number of threads, from every kernel of a level and algorithm, and for a
/// photo alone or in a batch.
#[test]
fn results_do_not_depend_on_batch_or_threads() {
    let mut rng = TestRng::new(8);
    let pools = [1, 2, 3, 5].map(ThreadPool::new);
    let size = [13, 10];
    let windows = [
        Window::POINTWISE,
        same(window([3, 3], 1), size),
        same(window([1, 7], 1), size),
        same(window([5, 3], 2), size),
        window([13, 10], 1),
    ];
    for window in windows {
        for channels in [[3, 40], [8, 32], [50, 70]] {
            let case = Case::new(shape(3, size, channels, window), &mut rng);
            for level in levels() {
                for algorithm in algorithms(level, &case.shape) {
                    check_batch_invariance(&case, level, algorithm, &pools);
                }
                for numerics in all_numerics() {
                    assert_eq!(
                        choose_conv(&case.shape, level, numerics).algorithm.name,
                        choose_conv(&single_image(&case, 0).shape, level, numerics).algorithm.name
                    );
                }
            }
        }
    }
}

/// Returns the algorithms that a level has for a shape.
fn algorithms(level: Level, shape: &ConvShape) -> BTreeSet<&'static str> {
    all_candidates(shape, level).iter().map(|kernel| kernel.algorithm.name).collect()
}

/// Returns the kernels that a level has for a shape, the best of each numeric options first.
fn all_candidates(shape: &ConvShape, level: Level) -> Vec<&'static ConvKernel> {
    all_numerics()
        .flat_map(|numerics| candidates(shape, level, numerics))
        .map(|(kernel, _)| kernel)
        .collect()
}

fn check_batch_invariance(case: &Case, level: Level, algorithm: &str, pools: &[ThreadPool]) {
    let kernels = |shape: &ConvShape| {
        let mut found = all_candidates(shape, level);
        found.retain(|kernel| kernel.algorithm.name == algorithm);
        found.sort_by_key(|kernel| kernel.name);
        found.dedup_by_key(|kernel| kernel.name);
        found
    };
    let batched = case.run(kernels(&case.shape)[0], &pools[0]);
    for pool in pools {
        for kernel in kernels(&case.shape) {
            assert_same(&case.run(kernel, pool), &batched, &(kernel.name, level, pool, case.shape));
        }
    }
    let image = case.shape.output.len() / 3;
    for n in 0..3 {
        let single_image = single_image(case, n);
        let kernel = kernels(&single_image.shape)[0];
        let expected = &batched[n * image..][..image];
        assert_same(
            &single_image.run(kernel, &pools[1]),
            expected,
            &(kernel.name, level, single_image.shape),
        );
    }
}

/// Images of many tiles, divided at every position, on more threads than tiles and fewer.
#[test]
fn tiles_of_every_transform() {
    let pools = [ThreadPool::new(1), ThreadPool::new(3)];
    let mut rng = TestRng::new(10);
    let kernels = [[3, 3], [5, 5], [1, 3], [3, 1], [1, 7], [7, 1], [7, 7]];
    for (i, kernel) in kernels.into_iter().enumerate() {
        for (size, channels) in [([21, 30], [19, 35]), ([40, 33], [35, 16]), ([5, 6], [70, 90])] {
            for dilation in [[1, 1], [2, 3]] {
                let size = [size[0] + i, size[1] + 2 * i];
                let window = same(Window { dilation, ..window(kernel, 1) }, size);
                let mut case = Case::new(shape(2, size, channels, window), &mut rng);
                // A limit from above would hide how large the numbers were that the errors are
                // relative to.
                case.clamp = rng.one_of(&[Clamp::NONE, Clamp::RELU]);
                // Emulated AMX would take most of the time; it has its own images below.
                let kernels = fast_kernels().filter(|kernel| kernel.level != Level::Amx);
                check_kernels(&case, &pools[i % 2], kernels);
            }
        }
    }
}

/// Images so wide that AMX computes them in blocks of rows, some shorter than others.
#[test]
fn wide_images_on_tiles() {
    let pool = ThreadPool::new(3);
    let mut rng = TestRng::new(12);
    let size = [21, 2100];
    for window in [same(window([3, 3], 1), size), same(window([3, 2], 2), size), Window::POINTWISE]
    {
        let case = Case::new(shape(2, size, [3, 5], window), &mut rng);
        check_kernels(&case, &pool, fast_kernels().filter(|kernel| kernel.level == Level::Amx));
    }
}

/// Returns image `n` of a batch of three.
fn single_image(case: &Case, n: usize) -> Case {
    let mut single_image = case.clone();
    (single_image.shape.input.batch, single_image.shape.output.batch) = (1, 1);
    let input = case.shape.input.len() / 3;
    single_image.input = case.input[n * input..][..input].to_vec();
    single_image.residual = case.residual.as_ref().map(|(stride, values)| {
        let pixels = case.shape.output.pixels() / 3;
        (*stride, values[n * pixels * stride..].to_vec())
    });
    single_image
}

/// Weights packed for one image size serve another.
#[test]
fn packing_does_not_depend_on_image_size() {
    let mut rng = TestRng::new(9);
    for kernel in CONV_KERNELS {
        let window = same(window(supported_window(kernel), 1), [5, 5]);
        let small = Case::new(shape(1, [5, 5], [8, 50], window), &mut rng);
        let large = shape(2, [40, 30], [8, 50], window);
        let pack = |shape: &ConvShape| {
            let mut packed = vec![f32::NAN; (kernel.packed_len)(shape)];
            kernel.pack(shape, &small.filter(), &mut packed);
            packed
        };
        assert_same(&pack(&small.shape), &pack(&large), &kernel.name);
    }
}

/// Returns the size of a window that a kernel can compute.
fn supported_window(kernel: &ConvKernel) -> [usize; 2] {
    let fits = |size: &[usize; 2]| (kernel.fits)(&shape(1, [9, 9], [3, 3], window(*size, 1)));
    [[3, 3], [2, 1], [1, 3], [3, 1], [5, 5], [1, 7], [7, 1], [7, 7], [9, 9]]
        .into_iter()
        .find(fits)
        .expect("a kernel fits something")
}
