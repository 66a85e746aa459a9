//! The arithmetic of quantised networks, byte for byte beside what LiteRT computed
//! (`oracle/tflite_integers.py` writes the cases).

use std::collections::BTreeMap;

use lorgnette_kernels::integer::{
    Byte, IntegerAdd, IntegerConv, IntegerFilter, IntegerMul, IntegerPool, IntegerSoftmax,
    Multiplier, OutputRange, add, average_pool, convolve, convolve_depthwise, max_pool, multiply,
    requantize, table, table_of,
};
use lorgnette_kernels::{Padding, Window};

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

    fn contraction<T: Byte>(&self) -> Vec<T> {
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
            "depthwise" => convolve_depthwise(conv, &filter),
            _ => convolve(conv, &filter),
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

    fn two<T: Byte>(&self) -> Vec<T> {
        let (scales, zeros) = (self.floats("scales"), self.integers("zeros"));
        let (scales, zeros) = ([scales[0], scales[1]], [zeros[0], zeros[1]]);
        let (scale, other) = (self.float("output_scale"), self.bytes::<T>("other"));
        self.map(|input, output| match self.word("operator") {
            "add" => {
                add(
                    &IntegerAdd::new(scales, zeros, scale, self.range::<T>()),
                    input,
                    &other,
                    output,
                );
            }
            _ => {
                let how = IntegerMul::new(scales, zeros, scale, self.range::<T>());
                multiply(&how, input, &other, output);
            }
        })
    }

    fn function<T: Byte>(&self, function: impl Fn(f32) -> f32) -> Vec<T> {
        let input = (self.float("input_scale"), self.integer("input_zero"));
        let output = (self.float("output_scale"), self.integer("output_zero"));
        let values = table_of(function, input, output);
        self.map(|input, output| table(&values, input, output))
    }

    fn requantized<T: Byte, U: Byte>(&self) -> Vec<i32> {
        let mut output = vec![U::narrow(0); self.values["output"].len()];
        let factor = f64::from(self.float("input_scale")) / f64::from(self.float("output_scale"));
        let (input, zero) = (self.bytes::<T>("input"), self.integer("input_zero"));
        requantize(Multiplier::from_real(factor), zero, self.range::<U>(), &input, &mut output);
        output.into_iter().map(U::widen).collect()
    }

    fn run<T: Byte>(&self) -> Vec<i32> {
        let output: Vec<T> = match self.word("operator") {
            "conv" | "depthwise" | "dense" => self.contraction(),
            "average_pool_2d" => self.pool(average_pool),
            "max_pool_2d" => self.pool(max_pool),
            "add" | "mul" => self.two(),
            "logistic" => self.function(|x| 1.0 / (1.0 + (-x).exp())),
            "tanh" => self.function(f32::tanh),
            "softmax" => {
                let softmax = IntegerSoftmax::new(self.float("input_scale"), self.float("beta"));
                let columns = self.shape("input_shape")[3];
                self.map(|input, output| softmax.run(columns, input, output))
            }
            "requantize" if self.word("target") == "int8" => return self.requantized::<T, i8>(),
            "requantize" => return self.requantized::<T, u8>(),
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
    assert!(cases.len() > 30, "the fixture is whole");
    let mut failures = Vec::new();
    for case in &cases {
        let found = if case.word("type") == "int8" { case.run::<i8>() } else { case.run::<u8>() };
        let wanted = case.integers("output");
        assert_eq!(found.len(), wanted.len(), "{}", case.name);
        let apart = found.iter().zip(&wanted).filter(|(found, wanted)| found != wanted).count();
        if apart > 0 {
            failures.push(format!("{}: {apart} of {}", case.name, wanted.len()));
        }
    }
    assert!(failures.is_empty(), "bytes differ:\n{}", failures.join("\n"));
}
