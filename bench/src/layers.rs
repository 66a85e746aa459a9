//! The convolutions of four networks, as their papers' tables (and TensorFlow-Slim) have them.

use lorgnette_kernels::{ConvShape, DepthwiseShape, Map, Padding, Window};

/// A convolution that occurs in a network.
#[derive(Clone, Copy, Debug)]
pub struct Layer {
    /// The network, as TensorFlow-Slim calls it.
    pub network: &'static str,
    /// What is computed.
    pub work: Work,
    /// How often it occurs.
    pub count: usize,
}

/// A convolution of one of two kinds.
#[derive(Clone, Copy, Debug)]
pub enum Work {
    /// Every output channel sees every input channel.
    Conv(ConvShape),
    /// Every channel sees itself.
    Depthwise(DepthwiseShape),
}

impl Layer {
    /// Floating-point operations of one occurrence.
    pub fn flops(&self) -> u64 {
        match &self.work {
            Work::Conv(shape) => shape.flops(),
            Work::Depthwise(shape) => shape.flops(),
        }
    }
}

impl std::fmt::Display for Layer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (kind, input, output, window) = match &self.work {
            Work::Conv(shape) => ("conv", shape.input, shape.output, shape.window),
            Work::Depthwise(shape) => ("depthwise", shape.input, shape.output, shape.window),
        };
        let [kh, kw] = window.kernel;
        let (size, stride) = (format!("{}x{}", input.height, input.width), window.stride[0]);
        write!(f, "{kind} {kh}x{kw}/{stride} {size}x{}->{}", input.channels, output.channels)
    }
}

use Edge::{Same, Valid};

/// TensorFlow's two paddings.
#[derive(Clone, Copy)]
enum Edge {
    Same,
    Valid,
}

/// (times, input rows and columns, window rows and columns, stride, edge, input channels, output channels)
type Row = (usize, usize, [usize; 2], usize, Edge, usize, usize);

const VGG_16: &[Row] = &[
    (1, 224, [3, 3], 1, Same, 3, 64),
    (1, 224, [3, 3], 1, Same, 64, 64),
    (1, 112, [3, 3], 1, Same, 64, 128),
    (1, 112, [3, 3], 1, Same, 128, 128),
    (1, 56, [3, 3], 1, Same, 128, 256),
    (2, 56, [3, 3], 1, Same, 256, 256),
    (1, 28, [3, 3], 1, Same, 256, 512),
    (2, 28, [3, 3], 1, Same, 512, 512),
    (3, 14, [3, 3], 1, Same, 512, 512),
    (1, 7, [7, 7], 1, Valid, 512, 4096),
    (1, 1, [1, 1], 1, Same, 4096, 4096),
    (1, 1, [1, 1], 1, Same, 4096, 1000),
];

const RESNET_V1_50: &[Row] = &[
    (1, 224, [7, 7], 2, Same, 3, 64),
    (1, 56, [1, 1], 1, Same, 64, 64),
    (3, 56, [3, 3], 1, Same, 64, 64),
    (4, 56, [1, 1], 1, Same, 64, 256),
    (2, 56, [1, 1], 1, Same, 256, 64),
    (1, 56, [1, 1], 1, Same, 256, 128),
    (1, 56, [3, 3], 2, Same, 128, 128),
    (1, 56, [1, 1], 2, Same, 256, 512),
    (4, 28, [1, 1], 1, Same, 128, 512),
    (3, 28, [1, 1], 1, Same, 512, 128),
    (3, 28, [3, 3], 1, Same, 128, 128),
    (1, 28, [1, 1], 1, Same, 512, 256),
    (1, 28, [3, 3], 2, Same, 256, 256),
    (1, 28, [1, 1], 2, Same, 512, 1024),
    (6, 14, [1, 1], 1, Same, 256, 1024),
    (5, 14, [1, 1], 1, Same, 1024, 256),
    (5, 14, [3, 3], 1, Same, 256, 256),
    (1, 14, [1, 1], 1, Same, 1024, 512),
    (1, 14, [3, 3], 2, Same, 512, 512),
    (1, 14, [1, 1], 2, Same, 1024, 2048),
    (3, 7, [1, 1], 1, Same, 512, 2048),
    (2, 7, [1, 1], 1, Same, 2048, 512),
    (2, 7, [3, 3], 1, Same, 512, 512),
    (1, 1, [1, 1], 1, Same, 2048, 1000),
];

const INCEPTION_V3: &[Row] = &[
    (1, 299, [3, 3], 2, Valid, 3, 32),
    (1, 149, [3, 3], 1, Valid, 32, 32),
    (1, 147, [3, 3], 1, Same, 32, 64),
    (1, 73, [1, 1], 1, Valid, 64, 80),
    (1, 73, [3, 3], 1, Valid, 80, 192),
    (2, 35, [1, 1], 1, Same, 192, 64),
    (1, 35, [1, 1], 1, Same, 192, 48),
    (1, 35, [1, 1], 1, Same, 192, 32),
    (3, 35, [5, 5], 1, Same, 48, 64),
    (4, 35, [3, 3], 1, Same, 64, 96),
    (3, 35, [3, 3], 1, Same, 96, 96),
    (3, 35, [1, 1], 1, Same, 256, 64),
    (1, 35, [1, 1], 1, Same, 256, 48),
    (4, 35, [1, 1], 1, Same, 288, 64),
    (1, 35, [1, 1], 1, Same, 288, 48),
    (1, 35, [3, 3], 2, Valid, 288, 384),
    (1, 35, [3, 3], 2, Valid, 96, 96),
    (12, 17, [1, 1], 1, Same, 768, 192),
    (2, 17, [1, 1], 1, Same, 768, 128),
    (2, 17, [1, 7], 1, Same, 128, 128),
    (2, 17, [7, 1], 1, Same, 128, 128),
    (1, 17, [7, 1], 1, Same, 128, 192),
    (1, 17, [1, 7], 1, Same, 128, 192),
    (4, 17, [1, 1], 1, Same, 768, 160),
    (4, 17, [1, 7], 1, Same, 160, 160),
    (4, 17, [7, 1], 1, Same, 160, 160),
    (2, 17, [7, 1], 1, Same, 160, 192),
    (2, 17, [1, 7], 1, Same, 160, 192),
    (4, 17, [1, 7], 1, Same, 192, 192),
    (4, 17, [7, 1], 1, Same, 192, 192),
    (1, 17, [3, 3], 2, Valid, 192, 320),
    (1, 17, [3, 3], 2, Valid, 192, 192),
    (1, 8, [1, 1], 1, Same, 1280, 320),
    (1, 8, [1, 1], 1, Same, 1280, 384),
    (1, 8, [1, 1], 1, Same, 1280, 448),
    (1, 8, [1, 1], 1, Same, 1280, 192),
    (4, 8, [1, 3], 1, Same, 384, 384),
    (4, 8, [3, 1], 1, Same, 384, 384),
    (2, 8, [3, 3], 1, Same, 448, 384),
    (1, 8, [1, 1], 1, Same, 2048, 320),
    (1, 8, [1, 1], 1, Same, 2048, 384),
    (1, 8, [1, 1], 1, Same, 2048, 448),
    (1, 8, [1, 1], 1, Same, 2048, 192),
    (1, 1, [1, 1], 1, Same, 2048, 1001),
];

/// MobileNet V1's depthwise separable pairs: (times, input size, stride, input channels, output channels).
const MOBILENET_V1_PAIRS: &[(usize, usize, usize, usize, usize)] = &[
    (1, 112, 1, 32, 64),
    (1, 112, 2, 64, 128),
    (1, 56, 1, 128, 128),
    (1, 56, 2, 128, 256),
    (1, 28, 1, 256, 256),
    (1, 28, 2, 256, 512),
    (5, 14, 1, 512, 512),
    (1, 14, 2, 512, 1024),
    (1, 7, 1, 1024, 1024),
];

/// Every layer of every network.
pub fn all() -> Vec<Layer> {
    let mut layers: Vec<Layer> = VGG_16.iter().map(|row| conv("vgg_16", row)).collect();
    layers.extend(RESNET_V1_50.iter().map(|row| conv("resnet_v1_50", row)));
    layers.extend(INCEPTION_V3.iter().map(|row| conv("inception_v3", row)));
    layers.push(conv("mobilenet_v1", &(1, 224, [3, 3], 2, Same, 3, 32)));
    for &(count, size, stride, input, output) in MOBILENET_V1_PAIRS {
        layers.push(depthwise(count, size, stride, input));
        layers.push(conv("mobilenet_v1", &(count, size.div_ceil(stride), [1, 1], 1, Same, input, output)));
    }
    layers.push(conv("mobilenet_v1", &(1, 1, [1, 1], 1, Same, 1024, 1001)));
    layers
}

fn conv(network: &'static str, &(count, size, kernel, stride, edge, input, output): &Row) -> Layer {
    let window = window([size; 2], kernel, stride, edge);
    let [height, width] = output_size(&window, [size; 2]);
    let (input, output) = (Map::dense(1, size, size, input), Map::dense(1, height, width, output));
    Layer { network, work: Work::Conv(ConvShape { input, output, window }), count }
}

fn depthwise(count: usize, size: usize, stride: usize, channels: usize) -> Layer {
    let window = window([size; 2], [3, 3], stride, Same);
    let [height, width] = output_size(&window, [size; 2]);
    let (input, output) = (Map::dense(1, size, size, channels), Map::dense(1, height, width, channels));
    let shape = DepthwiseShape { input, output, window, multiplier: 1 };
    Layer { network: "mobilenet_v1", work: Work::Depthwise(shape), count }
}

fn window(size: [usize; 2], kernel: [usize; 2], stride: usize, edge: Edge) -> Window {
    let total = |axis: usize| match edge {
        Same => ((size[axis].div_ceil(stride) - 1) * stride + kernel[axis]).saturating_sub(size[axis]),
        Valid => 0,
    };
    let (rows, columns) = (total(0), total(1));
    let padding = Padding { top: rows / 2, bottom: rows - rows / 2, left: columns / 2, right: columns - columns / 2 };
    Window { kernel, stride: [stride; 2], dilation: [1, 1], padding }
}

fn output_size(window: &Window, size: [usize; 2]) -> [usize; 2] {
    let padding = &window.padding;
    let padded = [size[0] + padding.top + padding.bottom, size[1] + padding.left + padding.right];
    [0, 1].map(|axis| (padded[axis] - window.kernel[axis]) / window.stride[axis] + 1)
}
