//! The arithmetic of quantised networks, byte for byte beside what LiteRT computed
//! (`oracle/tflite_integers.py` writes the cases).

use std::collections::BTreeMap;

use lorgnette_kernels::integer::{
    Byte, ByteTable, IntegerAdd, IntegerConv, IntegerFilter, IntegerMean, IntegerMul,
    IntegerOperand, IntegerPool, IntegerSoftmax, Multiplier, OutputRange, Scale, average_pool,
    convolve, convolve_depthwise, integer_binary, max_pool,
};
use lorgnette_kernels::{Level, Padding, ThreadPool, Window};

/// One operator: the words behind each name.
struct Case {
    name: &'static str,
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

    fn contraction<T: Byte>(&self, level: Level, pool: &ThreadPool) -> Vec<T> {
        let output_shape = self.shape("output_shape");
        let mut output = vec![T::narrow(0); output_shape.iter().product()];
        let (values, bias) = (self.bytes::<T>("filter"), self.integers("bias"));
        let rescale = self.rescale(output_shape[3]);
        let filter = IntegerFilter {
            values: &values,
            zero_point: self.integer("filter_zero"),
            bias: &bias,
            rescale: &rescale,
        };
        let conv = IntegerConv {
            input: &self.bytes::<T>("input"),
            input_shape: self.shape("input_shape"),
            input_zero_point: self.integer("input_zero"),
            window: self.window(),
            range: self.range::<T>(),
            output: &mut output,
            output_shape,
        };
        match self.word("operator") {
            "depthwise" => convolve_depthwise(level, conv, &filter, pool),
            _ => convolve(level, conv, &filter, pool),
        }
        output
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

    fn two<T: Byte>(&self, pool: &ThreadPool) -> Vec<T> {
        let (scales, zeros) = (self.floats("scales"), self.integers("zeros"));
        let (scales, zeros) = ([scales[0], scales[1]], [zeros[0], zeros[1]]);
        let (scale, range) = (self.float("output_scale"), self.range::<T>());
        let other = self.bytes::<T>("other");
        self.map(|input, output| {
            let a = IntegerOperand { values: input, sources: None };
            let b = IntegerOperand { values: &other, sources: None };
            let add = IntegerAdd::new(scales, zeros, scale, range);
            match self.word("operator") {
                "add" => integer_binary(&add, a, b, output, pool),
                "sub" => integer_binary(&add.subtracting(), a, b, output, pool),
                _ => {
                    let multiply = IntegerMul::new(scales, zeros, scale, range);
                    integer_binary(&multiply, a, b, output, pool);
                }
            }
        })
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
        let table = ByteTable::requantize::<T, U>(self.input_scale(), scale, range);
        self.looked_up::<T, U>(&table, pool)
    }

    fn function<T: Byte>(&self, function: impl Fn(f32) -> f32, pool: &ThreadPool) -> Vec<i32> {
        let table = ByteTable::function::<T>(function, self.input_scale(), self.output_scale());
        self.looked_up::<T, T>(&table, pool)
    }

    fn mean<T: Byte>(&self, pool: &ThreadPool) -> Vec<T> {
        let [_, rows, columns, channels] = self.shape("input_shape");
        let range = self.range::<T>();
        let scale = self.float("output_scale");
        let mean = IntegerMean::new(rows * columns, self.input_scale(), scale, range);
        let sources: Vec<u32> = (0..channels)
            .flat_map(|channel| (0..rows * columns).map(move |i| (i * channels + channel) as u32))
            .collect();
        self.map(|input, output| mean.run(&sources, input, output, pool))
    }

    fn run<T: Byte>(&self, level: Level, pool: &ThreadPool) -> Vec<i32> {
        let output: Vec<T> = match self.word("operator") {
            "conv" | "depthwise" | "dense" => self.contraction(level, pool),
            "average_pool_2d" => {
                self.pool(|shape, input, output| average_pool(shape, input, output, pool))
            }
            "max_pool_2d" => self.pool(|shape, input, output| max_pool(shape, input, output, pool)),
            "add" | "sub" | "mul" => self.two(pool),
            "mean" => self.mean(pool),
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

fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for line in include_str!("integer.txt").lines() {
        let mut words = line.split(' ');
        let name = words.next().unwrap();
        match name {
            "case" => cases.push(Case { name: words.next().unwrap(), values: BTreeMap::new() }),
            _ => drop(cases.last_mut().unwrap().values.insert(name, words.collect())),
        }
    }
    cases
}

#[test]
fn every_operator_gives_litert_s_bytes() {
    let cases = cases();
    assert!(cases.len() > 40, "the fixture is whole");
    let mut failures = Vec::new();
    let pool = ThreadPool::new(2);
    let levels = Level::available();
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
            failures.push(format!("{} ({level}): {apart} of {}", case.name, wanted.len()));
        }
    }
    assert!(failures.is_empty(), "bytes differ:\n{}", failures.join("\n"));
}
