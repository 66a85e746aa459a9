//! Runs one convolution, for tools that count its instructions (`bench/arm/instructions.py`).
//!
//! ```text
//! layer LEVEL PRECISION RUNS HEIGHT WIDTH INPUTS OUTPUTS KERNEL STRIDE
//! ```
//! The window's padding keeps the size, as TensorFlow's SAME. The precision `int8` is a quantised
//! convolution. It prints the kernel that was chosen.

use std::error::Error;

use lorgnette_kernels::integer::{
    IntegerConvShape, IntegerFilter, Multiplier, OutputRange, PackedConv, Rescaling,
};
use lorgnette_kernels::{
    Buffer, Clamp, Conv, ConvKernel, ConvShape, Filter, ImageLayout, Level, NumericOptions,
    Padding, Precision, ThreadPool, Window, choose_conv,
};

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [level, precision, numbers @ ..] = &words[..] else {
        return Err("a level, a precision and seven numbers are missing".into());
    };
    let level: Level = level.parse()?;
    let numbers: Vec<usize> = numbers.iter().map(|word| word.parse()).collect::<Result<_, _>>()?;
    let [runs, height, width, inputs, outputs, kernel, stride] = numbers[..] else {
        return Err("runs, height, width, inputs, outputs, kernel and stride are needed".into());
    };
    let shape = same_padding(ImageLayout::dense(1, height, width, inputs), outputs, kernel, stride);
    if precision == "int8" {
        return run_integers(level, &shape, runs);
    }
    let compute: Precision = precision.parse()?;
    let numerics = NumericOptions { compute, ..NumericOptions::default() };
    let chosen = choose_conv(&shape, level, numerics);
    println!("{} {}", chosen.name.replace(' ', "_"), shape.products());
    run(chosen, &shape, runs)
}

/// Returns the convolution whose output is the input's size divided by the stride.
fn same_padding(input: ImageLayout, outputs: usize, kernel: usize, stride: usize) -> ConvShape {
    let side = |size: usize| {
        let output = size.div_ceil(stride);
        let padding = ((output - 1) * stride + kernel).saturating_sub(size);
        (output, padding / 2, padding - padding / 2)
    };
    let ((height, top, bottom), (width, left, right)) = (side(input.height), side(input.width));
    ConvShape {
        input,
        output: ImageLayout::dense(1, height, width, outputs),
        window: Window {
            kernel: [kernel, kernel],
            stride: [stride, stride],
            dilation: [1, 1],
            padding: Padding { top, bottom, left, right },
        },
    }
}

fn run(kernel: &ConvKernel, shape: &ConvShape, runs: usize) -> Result<(), Box<dyn Error>> {
    let pool = ThreadPool::new(1);
    let weights = vec![0; shape.depth() * shape.output.channels * size_of::<f32>()];
    let filter = Filter { bytes: &weights, scale: None, transposed: false };
    let mut packed = Buffer::zeroed((kernel.packed_len)(shape) * size_of::<f32>())?;
    let packed = bytemuck::cast_slice_mut(&mut packed[..]);
    kernel.pack(shape, &filter, packed);
    let input = vec![0.0; shape.input.len()];
    let mut output = vec![0.0; shape.output.len()];
    let mut scratch = vec![0.0; (kernel.scratch_len)(shape, 1)];
    let bias = vec![0.0; shape.output.channels];
    for _ in 0..runs {
        let conv = Conv {
            shape,
            input: &input,
            packed,
            bias: Some(&bias),
            residual: None,
            clamp: Clamp::RELU,
            output: &mut output,
            scratch: &mut scratch,
        };
        (kernel.run)(conv, &pool);
    }
    Ok(())
}

fn run_integers(level: Level, shape: &ConvShape, runs: usize) -> Result<(), Box<dyn Error>> {
    let image = |layout: &ImageLayout| [layout.batch, layout.height, layout.width, layout.channels];
    let outputs = shape.output.channels;
    let integers = IntegerConvShape {
        input_shape: image(&shape.input),
        input_zero_point: -128,
        window: shape.window,
        range: OutputRange::new::<i8>(-128),
        output_shape: image(&shape.output),
    };
    let factors = vec![Multiplier::from_real(0.001); outputs];
    let filter = IntegerFilter {
        values: &vec![1i8; shape.depth() * outputs],
        zero_point: 0,
        bias: &[],
        rescale: Rescaling::Fixed(&factors),
    };
    let conv = PackedConv::new(level, &integers, &filter)
        .ok_or("this CPU has no kernel for 8-bit integers at this level")?;
    println!("{} {}", conv.name().replace(' ', "_"), shape.products());
    let input = vec![0i8; shape.input.len()];
    let mut output = vec![0i8; shape.output.len()];
    let mut scratch = Buffer::zeroed(conv.scratch_len(1))?;
    for _ in 0..runs {
        conv.run(&input, &mut output, &mut scratch, &ThreadPool::new(1));
    }
    Ok(())
}
