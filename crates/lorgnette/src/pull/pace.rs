//! A minimum rate of what a server sends.
//!
//! A server that sends a byte now and then never stalls, and never ends: not the body, nor the
//! sizes of chunks in it, nor records of TLS. So bytes are counted where they leave the socket.

use std::io;
use std::time::{Duration, Instant};

use ureq::Error;
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, NextTimeout, Transport};

/// Minimum rate in bytes a second: a fourteenth of a modem's.
pub(super) const MIN_RATE: f64 = 500.0;

/// Makes transports [`Paced`].
#[derive(Clone, Copy, Debug)]
pub(super) struct PacedConnector {
    /// The time over which the rate is measured.
    pub(super) window: Duration,
}

impl<In: Transport> Connector<In> for PacedConnector {
    type Out = Paced<In>;

    fn connect(
        &self,
        _: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Paced<In>>, Error> {
        let window = self.window;
        Ok(chained.map(|transport| Paced { transport, window, started: None, bytes: 0 }))
    }
}

/// A transport whose input has to come at a minimum rate once it has begun to come.
#[derive(Debug)]
pub(super) struct Paced<T> {
    transport: T,
    window: Duration,
    /// Begin of the window; `None` until an answer begins.
    started: Option<Instant>,
    bytes: usize,
}

impl<T: Transport> Transport for Paced<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.transport.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        (self.started, self.bytes) = (None, 0);
        self.transport.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let before = self.transport.buffers().input().len();
        let made_progress = self.transport.await_input(timeout)?;
        self.bytes += self.transport.buffers().input().len().saturating_sub(before);
        let started = *self.started.get_or_insert_with(Instant::now);
        let elapsed = started.elapsed();
        if elapsed >= self.window {
            if (self.bytes as f64) < MIN_RATE * elapsed.as_secs_f64() {
                let what = "the server sends less than 500 bytes a second";
                return Err(Error::Io(io::Error::new(io::ErrorKind::TimedOut, what)));
            }
            (self.started, self.bytes) = (Some(Instant::now()), 0);
        }
        Ok(made_progress)
    }

    fn is_open(&mut self) -> bool {
        self.transport.is_open()
    }

    fn is_tls(&self) -> bool {
        self.transport.is_tls()
    }
}
