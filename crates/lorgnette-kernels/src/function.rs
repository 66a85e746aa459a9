//! Functions of one and two numbers, with TensorFlow's names and conventions.

/// A function applied to each element.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Unary {
    /// `|x|`
    Abs,
    /// `⌈x⌉`
    Ceil,
    /// `x` for `x > 0`, else `eˣ − 1`
    Elu,
    /// `erf(x)`
    Erf,
    /// `eˣ`
    Exp,
    /// `⌊x⌋`
    Floor,
    /// `x` for `x > 0`, else the slope times `x`
    LeakyRelu(f32),
    /// `ln x`
    Log,
    /// `ln(1 + x)`
    Log1p,
    /// `−x`
    Neg,
    /// `1/x`
    Reciprocal,
    /// The nearest integer, halves to even, as TensorFlow's `Round` and `Rint`
    Round,
    /// `1/√x`
    Rsqrt,
    /// Scaled exponential linear unit (Klambauer et al. 2017)
    Selu,
    /// `1/(1 + e⁻ˣ)`
    Sigmoid,
    /// −1, 0 or 1
    Sign,
    /// `ln(1 + eˣ)`
    Softplus,
    /// `x/(1 + |x|)`
    Softsign,
    /// `√x`
    Sqrt,
    /// `x²`
    Square,
    /// `tanh x`
    Tanh,
    /// `x · min(max(x + 3, 0), 6) / 6` (MobileNet V3)
    HardSwish,
    /// `x / (1 + e⁻ˣ)`
    Swish,
}

impl Unary {
    // Klambauer et al. 2017, "Self-Normalizing Neural Networks", section 2.
    pub(crate) const SELU_ALPHA: f32 = 1.673_263_2;
    pub(crate) const SELU_SCALE: f32 = 1.050_701;

    /// Returns the function's value.
    #[inline(always)]
    pub fn apply(self, x: f32) -> f32 {
        match self {
            Self::Abs => x.abs(),
            Self::Ceil => x.ceil(),
            Self::Elu => {
                if x > 0.0 {
                    x
                } else {
                    x.exp_m1()
                }
            }
            Self::Erf => erf(f64::from(x)) as f32,
            Self::Exp => x.exp(),
            Self::Floor => x.floor(),
            Self::LeakyRelu(slope) => {
                if x > 0.0 {
                    x
                } else {
                    slope * x
                }
            }
            Self::Log => x.ln(),
            Self::Log1p => x.ln_1p(),
            Self::Neg => -x,
            Self::Reciprocal => 1.0 / x,
            Self::Round => x.round_ties_even(),
            Self::Rsqrt => 1.0 / x.sqrt(),
            Self::Selu => {
                Self::SELU_SCALE * if x > 0.0 { x } else { Self::SELU_ALPHA * x.exp_m1() }
            }
            Self::Sigmoid => 1.0 / (1.0 + (-x).exp()),
            Self::Sign => {
                if x > 0.0 {
                    1.0
                } else if x < 0.0 {
                    -1.0
                } else {
                    x
                }
            }
            Self::Softplus => x.max(0.0) + (-x.abs()).exp().ln_1p(),
            Self::Softsign => x / (1.0 + x.abs()),
            Self::Sqrt => x.sqrt(),
            Self::Square => x * x,
            Self::Tanh => x.tanh(),
            Self::Swish => x / (1.0 + (-x).exp()),
            Self::HardSwish => x * super::Clamp::RELU6.apply(x + 3.0) * (1.0 / 6.0),
        }
    }
}

/// Computes the error function by its Maclaurin series for small arguments and a continued fraction
/// for large ones (Abramowitz and Stegun 7.1.6 and 7.1.14), to float64 precision.
fn erf(x: f64) -> f64 {
    let magnitude = x.abs();
    let value = if magnitude.is_nan() {
        return x;
    } else if magnitude < 3.0 {
        let (mut term, mut sum, mut n) = (magnitude, magnitude, 0.0);
        while term > sum * 1e-17 {
            n += 1.0;
            term *= 2.0 * magnitude * magnitude / (2.0 * n + 1.0);
            sum += term;
        }
        2.0 / std::f64::consts::PI.sqrt() * (-magnitude * magnitude).exp() * sum
    } else {
        let tail = (1..=60).rev().fold(0.0, |tail, k| f64::from(k) / 2.0 / (magnitude + tail));
        1.0 - (-magnitude * magnitude).exp() / (std::f64::consts::PI.sqrt() * (magnitude + tail))
    };
    value.copysign(x)
}

/// A function of two elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binary {
    /// `a + b`
    Add,
    /// `a − b`
    Sub,
    /// `a · b`
    Mul,
    /// `a / b`
    Div,
    /// `a / b`, but 0 where `b` is 0
    DivNoNan,
    /// `⌊a / b⌋`
    FloorDiv,
    /// `a − b · ⌊a / b⌋`
    FloorMod,
    /// The larger one
    Maximum,
    /// The smaller one
    Minimum,
    /// `aᵇ`
    Pow,
    /// `(a − b)²`
    SquaredDifference,
    /// 1 if `a > b`, else 0
    Greater,
    /// 1 if `a ≥ b`, else 0
    GreaterEqual,
    /// 1 if `a < b`, else 0
    Less,
    /// 1 if `a ≤ b`, else 0
    LessEqual,
    /// 1 if `a = b`, else 0
    Equal,
    /// 1 if `a ≠ b`, else 0
    NotEqual,
    /// 1 if both are true (not 0)
    LogicalAnd,
    /// 1 if either is true (not 0)
    LogicalOr,
}

impl Binary {
    /// Returns the function's value.
    #[inline(always)]
    pub fn apply(self, a: f32, b: f32) -> f32 {
        let from_bool = |condition: bool| f32::from(u8::from(condition));
        match self {
            Self::Add => a + b,
            Self::Sub => a - b,
            Self::Mul => a * b,
            Self::Div => a / b,
            Self::DivNoNan => {
                if b == 0.0 {
                    0.0
                } else {
                    a / b
                }
            }
            Self::FloorDiv => (a / b).floor(),
            Self::FloorMod => a - b * (a / b).floor(),
            // A NaN operand is the result.
            Self::Maximum => {
                if a > b || a.is_nan() {
                    a
                } else {
                    b
                }
            }
            Self::Minimum => {
                if a < b || a.is_nan() {
                    a
                } else {
                    b
                }
            }
            Self::Pow => a.powf(b),
            Self::SquaredDifference => (a - b) * (a - b),
            Self::Greater => from_bool(a > b),
            Self::GreaterEqual => from_bool(a >= b),
            Self::Less => from_bool(a < b),
            Self::LessEqual => from_bool(a <= b),
            Self::Equal => from_bool(a == b),
            Self::NotEqual => from_bool(a != b),
            Self::LogicalAnd => from_bool(a != 0.0 && b != 0.0),
            Self::LogicalOr => from_bool(a != 0.0 || b != 0.0),
        }
    }
}
