use lorgnette_kernels::{
    Clamp, DEPTHWISE_KERNELS, Depthwise, DepthwiseKernel, DepthwiseShape, Filter, Padding,
    ThreadPool, Window,
};

use crate::fixtures::{
    SENTINEL, TestRng, assert_close, assert_same, layout, output_size, same, window,
};

/// A depthwise convolution with everything it needs.
struct Case {
    shape: DepthwiseShape,
    input: Vec<f32>,
    weights: Vec<u8>,
    scale: Option<Vec<f32>>,
    bias: Option<Vec<f32>>,
    clamp: Clamp,
}

impl Case {
    fn new(shape: DepthwiseShape, rng: &mut TestRng) -> Self {
        let channels = shape.output.channels;
        let weights = rng.floats(shape.taps() * channels);
        Self {
            shape,
            input: rng.values(&shape.input),
            weights: std::iter::once(0)
                .chain(weights.iter().flat_map(|x| x.to_le_bytes()))
                .collect(),
            scale: rng.one_of(&[true, false]).then(|| rng.floats(channels)),
            bias: rng.one_of(&[true, false]).then(|| rng.floats(channels)),
            clamp: rng.one_of(&[Clamp::NONE, Clamp::RELU, Clamp::RELU6]),
        }
    }

    fn run(&self, kernel: &DepthwiseKernel, pool: &ThreadPool) -> Vec<f32> {
        let mut packed = vec![f32::NAN; (kernel.packed_len)(&self.shape)];
        let filter =
            Filter { bytes: &self.weights[1..], scale: self.scale.as_deref(), transposed: false };
        kernel.pack(&self.shape, &filter, &mut packed);
        let mut output = vec![SENTINEL; self.shape.output.len()];
        (kernel.run)(
            Depthwise {
                shape: &self.shape,
                input: &self.input,
                packed: &packed,
                bias: self.bias.as_deref(),
                clamp: self.clamp,
                output: &mut output,
            },
            pool,
        );
        output
    }
}

fn check(case: &Case) {
    let (one, three) = (ThreadPool::new(1), ThreadPool::new(3));
    let (reference, kernels) = DEPTHWISE_KERNELS.split_last().unwrap();
    let expected = case.run(reference, &one);
    for kernel in
        kernels.iter().filter(|kernel| kernel.level.is_available() && (kernel.fits)(&case.shape))
    {
        let what = (kernel.name, kernel.level, case.shape);
        let actual = case.run(kernel, &one);
        assert_close(&actual, &expected, &what);
        assert_same(&case.run(kernel, &three), &actual, &what);
    }
}

fn shape(
    batch: usize,
    size: [usize; 2],
    channels: usize,
    gaps: [usize; 2],
    window: Window,
) -> DepthwiseShape {
    let [height, width] = output_size(&window, size).expect("the window fits");
    DepthwiseShape {
        input: layout(batch, size[0], size[1], channels, gaps[0]),
        output: layout(batch, height, width, channels, gaps[1]),
        window,
        multiplier: 1,
    }
}

#[test]
fn awkward_windows_and_channels() {
    let mut rng = TestRng::new(11);
    let size = [10, 21];
    let windows = [
        same(window([3, 3], 1), size),
        same(window([3, 3], 2), size),
        same(window([5, 5], 1), size),
        same(window([5, 5], 2), size),
        same(window([7, 7], 1), size),
        same(window([7, 7], 2), size),
        same(window([1, 7], 1), size),
        same(window([7, 1], 1), size),
        same(Window { dilation: [2, 2], ..window([3, 3], 1) }, size),
        same(Window { dilation: [4, 12], ..window([3, 3], 1) }, size),
        window([3, 3], 1),
        window([10, 21], 1),
        Window { padding: Padding { top: 3, bottom: 0, left: 0, right: 4 }, ..window([3, 2], 2) },
        Window { padding: Padding { top: 5, bottom: 5, left: 5, right: 5 }, ..window([2, 2], 3) },
    ];
    for window in windows {
        for channels in [1, 3, 5, 16, 17, 32, 33, 64, 100] {
            check(&Case::new(shape(2, size, channels, [0, 0], window), &mut rng));
        }
    }
}

#[test]
fn random_shapes() {
    let mut rng = TestRng::new(12);
    for _ in 0..300 {
        let size = [rng.between(1, 20), rng.between(1, 40)];
        let window = Window {
            kernel: [rng.between(1, 7), rng.between(1, 7)],
            stride: [rng.between(1, 3), rng.between(1, 3)],
            dilation: [rng.between(1, 3), rng.between(1, 3)],
            padding: Padding::default(),
        };
        let gaps = [rng.between(0, 5), rng.between(0, 5)];
        check(&Case::new(
            shape(rng.between(1, 3), size, rng.between(1, 70), gaps, same(window, size)),
            &mut rng,
        ));
    }
}

#[test]
fn nan_stays_in_its_channel() {
    let mut rng = TestRng::new(13);
    let size = [7, 12];
    let mut case = Case::new(shape(1, size, 20, [0, 0], same(window([3, 3], 1), size)), &mut rng);
    case.input[20 * 30 + 3] = f32::NAN;
    case.input[20 * 50 + 17] = f32::INFINITY;
    check(&case);
}

/// Only the reference computes these, so its result is checked by hand.
#[test]
fn a_multiplier_orders_outputs_by_input_channel() {
    let shape = DepthwiseShape {
        input: layout(1, 1, 1, 2, 0),
        output: layout(1, 1, 1, 4, 0),
        window: Window::POINTWISE,
        multiplier: 2,
    };
    let weights = [1.0_f32, 10.0, 100.0, 1000.0].iter().flat_map(|x| x.to_le_bytes());
    let case = Case {
        shape,
        input: vec![2.0, 3.0],
        weights: std::iter::once(0).chain(weights).collect(),
        scale: None,
        bias: Some(vec![0.0, 0.0, 0.0, 0.5]),
        clamp: Clamp::NONE,
    };
    let chosen = lorgnette_kernels::choose_depthwise(&shape, lorgnette_kernels::Level::best());
    assert_eq!(case.run(chosen, &ThreadPool::new(1)), [2.0, 20.0, 300.0, 3000.5]);
}
