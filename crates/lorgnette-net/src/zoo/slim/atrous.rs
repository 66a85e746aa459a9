//! Networks with a smaller output stride than in their table.

use super::super::Setting;
use crate::error::{Error, Result};

/// Applies strides until the requested output stride is reached, and dilations after that.
#[derive(Clone, Copy, Debug)]
pub(in crate::zoo) struct Atrous {
    wanted: Option<usize>,
    reached: usize,
    rate: usize,
}

impl Atrous {
    pub(in crate::zoo) fn new(wanted: Option<usize>) -> Self {
        Self { wanted, reached: 1, rate: 1 }
    }

    /// Returns the stride and rate of a layer whose stride in the table is `stride`.
    pub(in crate::zoo) fn step(&mut self, stride: usize) -> (usize, usize) {
        if self.wanted == Some(self.reached) {
            let rate = self.rate;
            self.rate *= stride;
            return (1, rate);
        }
        self.reached *= stride;
        (stride, 1)
    }

    /// Checks that the output stride was reached exactly.
    ///
    /// # Errors
    /// [`Error::Input`] if it was not.
    pub(in crate::zoo) fn finish(&self, scale: usize) -> Result<()> {
        match self.wanted {
            Some(wanted) if wanted != self.reached => {
                let what =
                    format!("{} {} cannot be reached", Setting::OutputStride, wanted * scale);
                Err(Error::Input(format!(
                    "{what}: the strides multiply to {}",
                    self.reached * scale
                )))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strides_become_rates_where_the_output_stride_is_reached() {
        let mut atrous = Atrous::new(Some(4));
        let steps = [2, 1, 2, 1, 2, 2, 1].map(|stride| atrous.step(stride));
        assert_eq!(steps, [(2, 1), (1, 1), (2, 1), (1, 1), (1, 1), (1, 2), (1, 4)]);
        assert!(atrous.finish(1).is_ok());
        assert!(Atrous::new(Some(3)).finish(1).is_err());
    }
}
