//! Metrics of an epoch.

/// Metrics after an epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Epoch {
    /// Number of the epoch, from 1.
    pub epoch: usize,
    /// Duration of the epoch and its evaluation, in seconds.
    pub seconds: f64,
    /// Accuracy on training photos, from 0 to 1.
    pub training_accuracy: f64,
    /// Mean cross entropy of training photos, in nats, with regularisation.
    pub training_loss: f64,
    /// Accuracy on validation photos, from 0 to 1.
    pub validation_accuracy: f64,
    /// Mean cross entropy of validation photos, in nats, without regularisation.
    pub validation_loss: f64,
}
