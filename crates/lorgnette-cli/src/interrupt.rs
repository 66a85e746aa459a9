//! Ctrl-C: pressed once, work stops where it can be resumed; pressed twice, at once.

use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Exit code that shells expect of a program ended by Ctrl-C: 128 + SIGINT.
pub(crate) const EXIT_CODE: u8 = 130;

/// A flag that Ctrl-C sets.
#[derive(Clone, Debug, Default)]
pub(crate) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Installs the handler. Where the system refuses it, Ctrl-C ends the program as usual.
    pub(crate) fn install() -> Self {
        let interrupt = Self::default();
        let pressed = interrupt.0.clone();
        let _ = ctrlc::set_handler(move || {
            if pressed.swap(true, Ordering::SeqCst) {
                process::exit(EXIT_CODE.into());
            }
        });
        interrupt
    }

    /// True after Ctrl-C.
    pub(crate) fn is_pressed(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}
