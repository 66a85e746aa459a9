//! The arithmetic of quantised networks, byte for byte beside what LiteRT computed
//! (`oracle/tflite_integers.py` writes the cases).

#[path = "reference/levels.rs"]
mod levels;

use std::collections::BTreeMap;
use std::sync::Arc;

use lorgnette_kernels::integer::{
    Byte, ByteTable, IntegerAdd, IntegerConv, IntegerConvShape, IntegerFilter, IntegerMean,
    IntegerMul, IntegerOperand, IntegerPool, IntegerSoftmax, MeanSources, Multiplier, OutputRange,
    PackedConv, PackedDepthwise, Rescaling, Scale, XnnpackAdd, XnnpackMul, average_pool, convolve,
    convolve_depthwise, integer_binary, max_pool,
};
use lorgnette_kernels::{Buffer, Level, Padding, ThreadPool, Window};

/// One operator: the words behind each name.
struct Case {
    name: &'static str,
    /// Whether the answers are those that LiteRT computes by default.
    is_xnnpack: bool,
    values: BTreeMap<&'static str, Vec<&'static str>>,
}

impl Case {
    fn word(&self, name: &str) -> &'static str {
        self.values[name][0]
    }

    fn floats(&self, name: &str) -> Vec<f32> {
        self.values[name].iter().map(|word| word.parse().unwrap()).collect()
    }

    fn float(&self, name: &str) -> f32 {
        self.floats(name)[0]
    }

    fn integers(&self, name: &str) -> Vec<i32> {
        self.values[name].iter().map(|word| word.parse().unwrap()).collect()
    }

    fn integer(&self, name: &str) -> i32 {
        self.integers(name)[0]
    }

    fn bytes<T: Byte>(&self, name: &str) -> Vec<T> {
        self.integers(name).into_iter().map(T::narrow).collect()
    }

    fn shape(&self, name: &str) -> [usize; 4] {
        let lengths: Vec<usize> = self.integers(name).iter().map(|&n| n as usize).collect();
        match lengths[..] {
            [rows, columns] => [rows, 1, 1, columns],
            _ => lengths.try_into().unwrap(),
        }
    }

    fn pair(&self, name: &str) -> [usize; 2] {
        let numbers = self.integers(name);
        [numbers[0] as usize, numbers[1] as usize]
    }

    fn window(&self) -> Window {
        let [top, bottom, left, right] = self.shape("padding");
        Window {
            kernel: self.pair("window"),
            stride: self.pair("stride"),
            dilation: self.pair("dilation"),
            padding: Padding { top, bottom, left, right },
        }
    }

    fn range<T: Byte>(&self) -> OutputRange {
        let range = OutputRange::new::<T>(self.integer("output_zero"));
        let scale = self.float("output_scale");
        match self.word("activation") {
            "0" => range,
            "1" => range.with_activation(scale, 0.0, f32::INFINITY),
            "3" => range.with_activation(scale, 0.0, 6.0),
            other => panic!("activation {other}"),
        }
    }

    /// The factor of each output channel.
    fn rescale(&self, outputs: usize) -> Vec<Multiplier> {
        let scales = self.floats("filter_scales");
        let (input, output) = (self.float("input_scale"), self.float("output_scale"));
        let multiplier = |channel: usize| match scales[..] {
            [one] => Multiplier::for_tensor(input, one, output),
            _ => Multiplier::for_channel(input, scales[channel], output),
        };
        (0..outputs).map(multiplier).collect()
    }

    fn float_factors(&self, outputs: usize) -> Vec<f32> {
        let scales = self.floats("filter_scales");
        let (input, output) = (self.float("input_scale"), self.float("output_scale"));
        let scales = scales.iter().cycle().take(outputs);
        scales.map(|scale| input * scale / output).collect()
    }

    fn contraction<T: Byte>(&self, level: Level, pool: &ThreadPool) -> Vec<T> {
        let output_shape = self.shape("output_shape");
        let (values, bias) = (self.bytes::<T>("filter"), self.integers("bias"));
        let rescale = self.rescale(output_shape[3]);
        let floats = self.float_factors(output_shape[3]);
        let filter = IntegerFilter {
            values: &values,
            zero_point: self.integer("filter_zero"),
            bias: &bias,
            rescale: match self.is_xnnpack {
                true => Rescaling::Float(&floats),
                false => Rescaling::Fixed(&rescale),
            },
        };
        let shape = IntegerConvShape {
            input_shape: self.shape("input_shape"),
            input_zero_point: self.integer("input_zero"),
            window: self.window(),
            range: self.range::<T>(),
            output_shape,
        };
        let is_depthwise = self.word("operator") == "depthwise";
        let input = self.bytes::<T>("input");
        let reference = by_reference(level, &shape, &filter, &input, is_depthwise, pool);
        if let Some(packed) = by_packing(level, &shape, &filter, &input, is_depthwise, pool) {
            assert!(same(&packed, &reference), "{} ({level}): packed", self.name);
        }
        reference
    }

    fn pool<T: Byte>(&self, pool: impl Fn(&IntegerPool, &[T], &mut [T])) -> Vec<T> {
        let shape = IntegerPool {
            input_shape: self.shape("input_shape"),
            output_shape: self.shape("output_shape"),
            window: self.window(),
            range: self.range::<T>(),
        };
        self.map(|input, output| pool(&shape, input, output))
    }

    fn map<T: Byte>(&self, apply: impl FnOnce(&[T], &mut [T])) -> Vec<T> {
        let mut output = vec![T::narrow(0); self.values["output"].len()];
        apply(&self.bytes("input"), &mut output);
        output
    }

    fn two<T: Byte>(&self, level: Level, pool: &ThreadPool) -> Vec<T> {
        let (scales, zeros) = (self.floats("scales"), self.integers("zeros"));
        let (scales, zeros) = ([scales[0], scales[1]], [zeros[0], zeros[1]]);
        let (scale, range) = (self.float("output_scale"), self.range::<T>());
        let other = self.bytes::<T>("other");
        self.map(|input, output| {
            let a = IntegerOperand { values: input, sources: None };
            let b = IntegerOperand { values: &other, sources: None };
            let add = IntegerAdd::new(scales, zeros, scale, range);
            if self.is_xnnpack {
                let signed = [scales[0], scales[1] * self.sign()];
                let add = XnnpackAdd::new(signed, zeros, scale, range).unwrap();
                let multiply = XnnpackMul::new(scales, zeros, scale, range).unwrap();
                match self.word("operator") {
                    "mul" => integer_binary(level, &multiply, [a, b], output, pool),
                    _ => integer_binary(level, &add, [a, b], output, pool),
                }
                return;
            }
            match self.word("operator") {
                "add" => integer_binary(level, &add, [a, b], output, pool),
                "sub" => integer_binary(level, &add.subtracting(), [a, b], output, pool),
                _ => {
                    let multiply = IntegerMul::new(scales, zeros, scale, range);
                    integer_binary(level, &multiply, [a, b], output, pool);
                }
            }
        })
    }

    /// −1 for a subtraction.
    fn sign(&self) -> f32 {
        if self.word("operator") == "sub" { -1.0 } else { 1.0 }
    }

    fn input_scale(&self) -> Scale {
        Scale { scale: self.float("input_scale"), zero_point: self.integer("input_zero") }
    }

    fn output_scale(&self) -> Scale {
        Scale { scale: self.float("output_scale"), zero_point: self.integer("output_zero") }
    }

    /// Looks up the input in a table.
    fn looked_up<T: Byte, U: Byte>(&self, table: &ByteTable, pool: &ThreadPool) -> Vec<i32> {
        let input: Vec<u8> = self.bytes::<T>("input").iter().map(|x| x.widen() as u8).collect();
        let mut output = vec![0; input.len()];
        table.run(&input, &mut output, pool);
        output.into_iter().map(|bits| U::narrow(i32::from(bits)).widen()).collect()
    }

    fn requantized<T: Byte, U: Byte>(&self, pool: &ThreadPool) -> Vec<i32> {
        let (scale, range) = (self.float("output_scale"), self.range::<U>());
        if self.is_xnnpack && T::MIN == U::MIN {
            let factors = [self.float("input_scale") / scale; 2];
            let table = ByteTable::xnnpack_scale::<T>(self.input_scale(), factors, range);
            return self.looked_up::<T, U>(&table.unwrap(), pool);
        }
        let table = ByteTable::requantize::<T, U>(self.input_scale(), scale, range);
        self.looked_up::<T, U>(&table, pool)
    }

    fn function<T: Byte>(&self, function: impl Fn(f32) -> f32, pool: &ThreadPool) -> Vec<i32> {
        let table = ByteTable::function::<T>(function, self.input_scale(), self.output_scale());
        self.looked_up::<T, T>(&table, pool)
    }

    fn mean<T: Byte>(&self, level: Level, pool: &ThreadPool) -> Vec<T> {
        let [_, rows, columns, channels] = self.shape("input_shape");
        let range = self.range::<T>();
        let scale = self.float("output_scale");
        let mean = IntegerMean::new(rows * columns, self.input_scale(), scale, range);
        let mean = match self.is_xnnpack {
            true => mean.with_xnnpack_rounding(self.float("input_scale"), scale),
            false => mean,
        };
        let sources: Vec<u32> = (0..channels)
            .flat_map(|channel| (0..rows * columns).map(move |i| (i * channels + channel) as u32))
            .collect();
        let sources = MeanSources::new(sources, rows * columns);
        self.map(|input, output| mean.run(level, &sources, input, output, pool))
    }

    fn run<T: Byte>(&self, level: Level, pool: &ThreadPool) -> Vec<i32> {
        let output: Vec<T> = match self.word("operator") {
            "conv" | "depthwise" | "dense" => self.contraction(level, pool),
            "average_pool_2d" => {
                self.pool(|shape, input, output| average_pool(level, shape, input, output, pool))
            }
            "max_pool_2d" => {
                self.pool(|shape, input, output| max_pool(level, shape, input, output, pool))
            }
            "add" | "sub" | "mul" => self.two(level, pool),
            "mean" => self.mean(level, pool),
            "logistic" => return self.function::<T>(|x| 1.0 / (1.0 + (-x).exp()), pool),
            "tanh" => return self.function::<T>(f32::tanh, pool),
            "hard_swish" => {
                let table = ByteTable::hard_swish::<T>(self.input_scale(), self.output_scale());
                return self.looked_up::<T, T>(&table, pool);
            }
            "concatenation" => {
                let table = ByteTable::join::<T>(self.input_scale(), self.output_scale());
                return self.looked_up::<T, T>(&table, pool);
            }
            "softmax" => {
                let softmax = IntegerSoftmax::new(self.float("input_scale"), self.float("beta"));
                let columns = self.shape("input_shape")[3];
                self.map(|input, output| softmax.run(columns, input, output, pool))
            }
            "requantize" if self.word("target") == "int8" => {
                return self.requantized::<T, i8>(pool);
            }
            "requantize" => return self.requantized::<T, u8>(pool),
            other => panic!("operator {other}"),
        };
        output.into_iter().map(T::widen).collect()
    }
}

/// The bytes of two slices are equal.
fn same<T: Byte>(a: &[T], b: &[T]) -> bool {
    a.iter().map(|x| x.widen()).eq(b.iter().map(|x| x.widen()))
}

fn by_reference<T: Byte>(
    level: Level,
    shape: &IntegerConvShape,
    filter: &IntegerFilter<'_, T>,
    input: &[T],
    is_depthwise: bool,
    pool: &ThreadPool,
) -> Vec<T> {
    let mut output = vec![T::narrow(0); shape.output_shape.iter().product()];
    let conv = IntegerConv { shape, input, output: &mut output };
    match is_depthwise {
        true => convolve_depthwise(level, conv, filter, pool),
        false => convolve(level, conv, filter, pool),
    }
    output
}

/// The result of the level's packed kernel; `None` if it has none for the shape.
fn by_packing<T: Byte>(
    level: Level,
    shape: &IntegerConvShape,
    filter: &IntegerFilter<'_, T>,
    input: &[T],
    is_depthwise: bool,
    pool: &ThreadPool,
) -> Option<Vec<T>> {
    let mut output = vec![T::narrow(0); shape.output_shape.iter().product()];
    if is_depthwise {
        PackedDepthwise::new(level, shape, filter)?.run(input, &mut output, pool);
    } else {
        let mut packed = Buffer::zeroed(PackedConv::packed_len(level, shape)?).unwrap();
        PackedConv::pack(level, shape, filter, &mut packed)?;
        // Packed weights need no others.
        let filter = IntegerFilter { values: &[], ..*filter };
        let conv = PackedConv::with_panels::<T>(level, shape, &filter, Arc::new(packed))?;
        let mut scratch = Buffer::zeroed(conv.scratch_len(pool.threads())).unwrap();
        scratch.fill(0xA5);
        conv.run(input, &mut output, &mut scratch, pool);
    }
    Some(output)
}

/// The cases of LiteRT's reference kernels, and those of what it computes by default.
fn cases() -> Vec<Case> {
    let mut cases = read(include_str!("integer.txt"), false);
    cases.extend(read(include_str!("integer_xnnpack.txt"), true));
    // These have two filters a channel, which XNNPACK does not take.
    cases.retain(|case| !case.is_xnnpack || case.word("operator") != "depthwise");
    cases
}

fn read(text: &'static str, is_xnnpack: bool) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for line in text.lines() {
        let mut words = line.split(' ');
        let name = words.next().unwrap();
        match name {
            "case" => cases.push(Case {
                name: words.next().unwrap(),
                is_xnnpack,
                values: BTreeMap::new(),
            }),
            _ => drop(cases.last_mut().unwrap().values.insert(name, words.collect())),
        }
    }
    cases
}

#[test]
fn every_operator_gives_litert_s_bytes() {
    let cases = cases();
    assert!(cases.len() > 80, "the fixtures are whole");
    let mut failures = Vec::new();
    let pool = ThreadPool::new(2);
    let levels = levels::levels();
    for (case, &level) in
        cases.iter().flat_map(|case| levels.iter().map(move |level| (case, level)))
    {
        let found = match case.word("type") {
            "int8" => case.run::<i8>(level, &pool),
            _ => case.run::<u8>(level, &pool),
        };
        let wanted = case.integers("output");
        assert_eq!(found.len(), wanted.len(), "{}", case.name);
        let apart = found.iter().zip(&wanted).filter(|(found, wanted)| found != wanted).count();
        if apart > 0 {
            let epilogue = if case.is_xnnpack { "xnnpack" } else { "tflite" };
            failures.push(format!("{} ({level}, {epilogue}): {apart}", case.name));
        }
    }
    assert!(failures.is_empty(), "bytes differ:\n{}", failures.join("\n"));
}

/// A sequence of numbers that depends on nothing else.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    fn below(&mut self, limit: usize) -> usize {
        self.next() as usize % limit
    }

    /// Bytes of the type's whole range; now and then only its ends, whose products are largest.
    fn bytes<T: Byte>(&mut self, len: usize) -> Vec<T> {
        let extremes = self.below(3) == 0;
        let byte = |bits: u64| match (extremes, bits.is_multiple_of(2)) {
            (false, _) => (bits >> 3) as i32,
            (true, true) => T::MIN,
            (true, false) => T::MAX,
        };
        (0..len).map(|_| T::narrow(byte(self.next()))).collect()
    }

    fn zero_point<T: Byte>(&mut self) -> i32 {
        [T::MIN, T::MAX, T::MIN + 128, T::MIN + self.below(256) as i32][self.below(4)]
    }

    fn shape<T: Byte>(&mut self, is_depthwise: bool) -> IntegerConvShape {
        let kernel = [1 + self.below(5), 1 + self.below(5)];
        let kernel = if self.below(3) == 0 { [1, 1] } else { kernel };
        let stride = [1 + self.below(2), 1 + self.below(2)];
        let dilation = [1 + self.below(2), 1 + self.below(2)];
        let [top, bottom, left, right] = [0; 4].map(|_: usize| self.below(3));
        let size: [usize; 2] =
            std::array::from_fn(|d| (kernel[d] - 1) * dilation[d] + 1 + self.below(14));
        let padding = Padding { top, bottom, left, right };
        let channels = [1 + self.below(200), 3, 4, 32, 64, 128][self.below(6)];
        let outputs = if is_depthwise { channels } else { 1 + self.below(90) };
        let batch = 1 + self.below(2);
        let length = |d: usize, around: usize| {
            (size[d] + around - (kernel[d] - 1) * dilation[d] - 1) / stride[d] + 1
        };
        let zero_point = self.zero_point::<T>();
        IntegerConvShape {
            input_shape: [batch, size[0], size[1], channels],
            input_zero_point: self.zero_point::<T>(),
            window: Window { kernel, stride, dilation, padding },
            range: OutputRange::new::<T>(zero_point).with_activation(
                0.1,
                if self.below(2) == 0 { 0.0 } else { f32::NEG_INFINITY },
                if self.below(2) == 0 { 6.0 } else { f32::INFINITY },
            ),
            output_shape: [batch, length(0, top + bottom), length(1, left + right), outputs],
        }
    }
}

/// Compares packed kernels with the reference on convolutions of one type.
fn packed_is_reference<T: Byte>(seed: u64) -> usize {
    let mut numbers = Numbers(seed);
    let mut compared = 0;
    for round in 0..150 {
        let is_depthwise = numbers.below(2) == 0;
        let shape = numbers.shape::<T>(is_depthwise);
        let [.., channels] = shape.input_shape;
        let outputs = shape.output_shape[3];
        let depth = shape.window.taps() * if is_depthwise { 1 } else { channels };
        let values = numbers.bytes::<T>(depth * outputs);
        let bias: Vec<i32> =
            (0..outputs).map(|_| numbers.next() as i32 % (1 << 20) - (1 << 19)).collect();
        let any_factor = numbers.below(2) == 0;
        let factors: Vec<f64> = (0..outputs)
            .map(|_| {
                let exponents =
                    if any_factor { [-9, -3, -14, 2, -31] } else { [-9, -3, -14, -1, -7] };
                let exponent = exponents[numbers.below(5)];
                (0.5 + numbers.next() as f64 / 2f64.powi(32)) * 2f64.powi(exponent)
            })
            .collect();
        let rescale: Vec<Multiplier> =
            factors.iter().map(|&factor| Multiplier::from_real(factor)).collect();
        let floats: Vec<f32> = factors.iter().map(|&factor| factor as f32).collect();
        let filter = IntegerFilter {
            values: &values,
            zero_point: if numbers.below(2) == 0 {
                T::MIN + 128
            } else {
                numbers.zero_point::<T>()
            },
            bias: if numbers.below(4) == 0 { &[] } else { &bias },
            rescale: if numbers.below(4) == 0 {
                Rescaling::Float(&floats)
            } else {
                Rescaling::Fixed(&rescale)
            },
        };
        let input = numbers.bytes::<T>(shape.input_shape.iter().product());
        let pool = ThreadPool::new(1);
        let wanted = by_reference(Level::Portable, &shape, &filter, &input, is_depthwise, &pool);
        for level in levels::levels() {
            // Emulated instructions take long.
            let counts = if level == Level::Amx { &[2][..] } else { &[1, 2, 3] };
            for &threads in counts {
                let pool = ThreadPool::new(threads);
                let found = by_packing(level, &shape, &filter, &input, is_depthwise, &pool);
                let Some(found) = found else { continue };
                compared += 1;
                assert!(
                    same(&found, &wanted),
                    "round {round}, {level}, {threads} threads, {is_depthwise}, {shape:?}"
                );
            }
        }
    }
    compared
}

#[test]
fn packed_kernels_have_the_reference_s_bytes() {
    let compared = packed_is_reference::<u8>(1) + packed_is_reference::<i8>(2);
    // Arm's CPUs have packed kernels where they have dot products; elsewhere the compiler's vectors
    // are best.
    #[cfg(target_arch = "aarch64")]
    let has_packed = std::arch::is_aarch64_feature_detected!("dotprod");
    #[cfg(not(target_arch = "aarch64"))]
    let has_packed = cfg!(target_arch = "x86_64") && Level::best() != Level::Portable;
    assert_eq!(compared > 300, has_packed, "{compared} comparisons");
}

#[test]
fn a_large_layer_has_the_reference_s_bytes() {
    // Several blocks and groups of tasks, and rows whose length is a conflict stride.
    let mut numbers = Numbers(3);
    for (channels, outputs, size) in [(2048, 70, 9), (512, 300, 14), (25, 40, 40)] {
        let window = Window {
            kernel: [3, 3],
            padding: Padding { top: 1, bottom: 1, left: 1, right: 1 },
            ..Window::POINTWISE
        };
        for window in [window, Window::POINTWISE] {
            let shape = IntegerConvShape {
                input_shape: [1, size, size, channels],
                input_zero_point: 3,
                window,
                range: OutputRange::new::<u8>(100),
                output_shape: [1, size, size, outputs],
            };
            let values = numbers.bytes::<u8>(outputs * channels * window.taps());
            let rescale = vec![Multiplier::from_real(0.0003); outputs];
            let filter = IntegerFilter {
                values: &values,
                zero_point: 131,
                bias: &[],
                rescale: Rescaling::Fixed(&rescale),
            };
            let input = numbers.bytes::<u8>(size * size * channels);
            let pool = ThreadPool::new(2);
            let wanted = by_reference(Level::best(), &shape, &filter, &input, false, &pool);
            for level in levels::levels() {
                if let Some(found) = by_packing(level, &shape, &filter, &input, false, &pool) {
                    assert!(same(&found, &wanted), "{level}, {channels} channels");
                }
            }
        }
    }
}

/// A packed filter comes from a file, which may hold anything.
#[test]
fn a_packed_filter_of_another_shape_is_refused() {
    let shape = IntegerConvShape {
        input_shape: [1, 1, 1, 9],
        input_zero_point: 3,
        window: Window::POINTWISE,
        range: OutputRange::new::<u8>(100),
        output_shape: [1, 1, 1, 40],
    };
    let factors = vec![Multiplier::for_tensor(0.1, 0.1, 1.0); 40];
    let values: Vec<u8> = (0..9 * 40).map(|i| (i * 7 % 256) as u8).collect();
    let rescale = Rescaling::Fixed(&factors);
    let filter = IntegerFilter { values: &values, zero_point: 17, bias: &[], rescale };
    for level in levels::levels() {
        let Some(len) = PackedConv::packed_len(level, &shape) else { continue };
        let mut packed = Buffer::zeroed(len).unwrap();
        assert!(PackedConv::pack(level, &shape, &filter, &mut packed[1..]).is_none(), "{level}");
        PackedConv::pack(level, &shape, &filter, &mut packed).unwrap();
        let open = |packed: Vec<u8>| {
            PackedConv::with_panels::<u8>(level, &shape, &filter, Arc::new(packed)).is_some()
        };
        let bytes = packed.to_vec();
        assert!(open(bytes.clone()), "{level}");
        assert!(!open(bytes[..bytes.len() - 64].to_vec()) && !open(Vec::new()), "{level}");
        // What was subtracted from the weights is behind the sums of 64 channels.
        let mut other = bytes.clone();
        let offset = bytes.len() - 64;
        assert_eq!(other[offset..offset + 4], 128i32.to_le_bytes(), "{level}");
        other[offset] = 5;
        assert!(!open(other), "{level}");
    }
}

#[test]
fn a_softmax_of_many_equal_values_is_nothing() {
    let softmax = IntegerSoftmax::new(0.01, 1.0);
    for (columns, share) in [(100, 3), (400, 1), (600, 0), (5000, 0)] {
        let mut output = vec![7u8; columns];
        softmax.run(columns, &vec![9u8; columns], &mut output, &ThreadPool::new(1));
        assert!(output.iter().all(|&x| x == share), "{columns}: {}", output[0]);
    }
}
