//! One round of training, as it is written down.

/// What was measured after an epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Epoch {
    /// Counted from 1.
    pub epoch: usize,
    /// What the epoch took, its measurements included.
    pub seconds: f64,
    /// The share of training photos whose most probable class is right, from 0 to 1.
    pub training_accuracy: f64,
    /// The mean cross entropy of the training photos, in nats, with whatever regularisation the
    /// training adds to it.
    pub training_loss: f64,
    /// As the training's, for the validation photos.
    pub validation_accuracy: f64,
    /// The mean cross entropy of the validation photos, in nats, without regularisation.
    pub validation_loss: f64,
}
