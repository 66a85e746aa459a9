use std::collections::BTreeMap;

use super::levels::levels;
use bytemuck::cast_slice;
use lorgnette_kernels::integer::{
    IntegerConvShape, IntegerFilter, Multiplier, OutputRange, PackedConv, Rescaling,
};
use lorgnette_kernels::{
    Buffer, CONV_KERNELS, ConvShape, DEPTHWISE_KERNELS, DepthwiseShape, Filter, ImageLayout, Level,
    PACKED_LAYOUTS, Window,
};

/// Returns a checksum of the same few weights as each kernel packs them, by level and layout.
fn layouts() -> BTreeMap<String, u64> {
    let (inputs, outputs) = (3, 70);
    let window = |kernel| Window { kernel, ..Window::POINTWISE };
    let conv = |[height, width]: [usize; 2]| {
        let output = ImageLayout::dense(1, 10 - height, 10 - width, outputs);
        ConvShape {
            input: ImageLayout::dense(1, 9, 9, inputs),
            output,
            window: window([height, width]),
        }
    };
    // The first of these windows that a kernel can compute.
    let windows = [[2, 1], [3, 3], [5, 5], [1, 3], [3, 1], [1, 7], [7, 1], [7, 7], [9, 9]];
    let depthwise = DepthwiseShape {
        input: ImageLayout::dense(1, 9, 9, 70),
        output: ImageLayout::dense(1, 8, 9, 70),
        window: window([2, 1]),
        multiplier: 1,
    };
    let weights =
        |count: usize| -> Vec<u8> { (0..count).flat_map(|i| (i as f32).to_le_bytes()).collect() };
    let depthwise_weights = weights(2 * 70);
    let conv_layouts = CONV_KERNELS.iter().map(|kernel| {
        let shape = windows
            .into_iter()
            .map(conv)
            .find(|shape| (kernel.fits)(shape))
            .expect("a window for the kernel");
        let mut packed = vec![0.0; (kernel.packed_len)(&shape)];
        kernel.pack(&shape, &filter(&weights(shape.depth() * outputs)), &mut packed);
        (format!("conv {} {}", kernel.level, kernel.layout), checksum(cast_slice(&packed)))
    });
    let depthwise_layouts = DEPTHWISE_KERNELS.iter().map(|kernel| {
        let mut packed = vec![0.0; (kernel.packed_len)(&depthwise)];
        kernel.pack(&depthwise, &filter(&depthwise_weights), &mut packed);
        (format!("depthwise {} {}", kernel.level, kernel.layout), checksum(cast_slice(&packed)))
    });
    // Where AMX is emulated, it has a layout of its own from then on.
    levels();
    let integer_layouts = Level::ALL.into_iter().filter_map(|level| {
        let packed = integer_filter(level)?;
        Some((format!("integers {level} {}", PackedConv::layout(level)), checksum(&packed)))
    });
    conv_layouts.chain(depthwise_layouts).chain(integer_layouts).collect()
}

/// A filter of integers as a level packs it; `None` if it packs none.
fn integer_filter(level: Level) -> Option<Buffer> {
    let window = Window { kernel: [2, 1], ..Window::POINTWISE };
    let shape = IntegerConvShape {
        input_shape: [1, 9, 9, 3],
        input_zero_point: 7,
        window,
        range: OutputRange::new::<i8>(-5),
        output_shape: [1, 8, 9, 70],
    };
    let values: Vec<i8> = (0..2 * 3 * 70).map(|i| i as i8).collect();
    let factors = [Multiplier::for_tensor(0.5, 0.25, 1.0); 70];
    let rescale = Rescaling::Fixed(&factors);
    let filter = IntegerFilter { values: &values, zero_point: 3, bias: &[], rescale };
    let mut packed = Buffer::zeroed(PackedConv::packed_len(level, &shape)?).unwrap();
    PackedConv::pack(level, &shape, &filter, &mut packed)?;
    Some(packed)
}

/// A filter in a file's order.
fn filter(bytes: &[u8]) -> Filter<'_> {
    Filter { bytes, scale: None, transposed: false }
}

/// FNV-1a.
fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum, &byte| {
        (sum ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    })
}

#[test]
fn a_layout_that_changes_is_counted() {
    // Files store packed weights. If this fails, a layout has changed: raise PACKED_LAYOUTS, then
    // note the new sums.
    let noted = (5, include_str!("layouts.txt"));
    let found: Vec<String> =
        layouts().iter().map(|(layout, sum)| format!("{layout}: {sum:016x}")).collect();
    assert_eq!(PACKED_LAYOUTS, noted.0);
    for line in &found {
        assert!(noted.1.lines().any(|noted| noted == line), "not noted: {line}");
    }
}
