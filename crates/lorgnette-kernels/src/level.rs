//! CPU levels: the instruction sets a kernel is compiled for.

use std::fmt;
use std::str::FromStr;

/// An instruction set that kernels are compiled for; [`Level::isa`] describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Level {
    /// The instructions that every CPU of the architecture has.
    Portable,
    /// x86-64 with AVX2, FMA and F16C (Intel since 2013, AMD since 2015).
    Avx2,
    /// x86-64 with AVX-512 F, VL, DQ and BW.
    Avx512,
    /// AVX-512 with AVX-512 BF16 and AMX's products of bf16 tiles (Intel servers since 2023), which
    /// the operating system must permit.
    Amx,
    /// 64-bit Arm with NEON, as all of them have it. bf16 are multiplied as matrices where the CPU
    /// has the instructions.
    Neon,
    /// WebAssembly with fixed-width SIMD (browsers since 2021 to 2023).
    Simd128,
}

impl Level {
    /// All levels, those of one architecture narrowest first.
    pub const ALL: [Self; 6] =
        [Self::Portable, Self::Avx2, Self::Avx512, Self::Amx, Self::Neon, Self::Simd128];

    /// Returns the widest level of this CPU.
    pub fn best() -> Self {
        Self::available().pop().unwrap_or(Self::Portable)
    }

    /// Returns the levels of this CPU, narrowest first.
    pub fn available() -> Vec<Self> {
        Self::ALL.into_iter().filter(|level| level.is_available()).collect()
    }

    /// Returns the level whose vectors this one computes with, and whose kernels it also runs.
    pub const fn base_isa(self) -> Self {
        self.isa().base
    }

    /// Returns the name that options, `lorgnette explain` and the environment use.
    pub const fn name(self) -> &'static str {
        self.isa().name
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The error for an unknown name of a [`Level`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownLevel(String);

impl fmt::Display for UnknownLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [names @ .., last] = Level::ALL.map(Level::name);
        let names = names.join(", ");
        write!(f, "unknown CPU level '{}': expected {names} or {last}", self.0)
    }
}

impl std::error::Error for UnknownLevel {}

impl FromStr for Level {
    type Err = UnknownLevel;

    fn from_str(name: &str) -> Result<Self, UnknownLevel> {
        Self::ALL
            .into_iter()
            .find(|level| level.name() == name)
            .ok_or_else(|| UnknownLevel(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for level in Level::ALL {
            assert_eq!(level.to_string().parse(), Ok(level));
        }
        assert!("sse9".parse::<Level>().unwrap_err().to_string().contains("sse9"));
    }

    #[test]
    fn the_best_level_is_available() {
        assert!(Level::best().is_available());
    }
}
