//! Signals: the first one stops a command in an orderly way, the second one ends the process.

use std::{io, process, thread};

use tokio::runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// A signal that stops a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// `SIGINT`, that of Ctrl-C.
    Interrupt,
    /// `SIGTERM`.
    Terminate,
}

/// Receives signals for a command.
#[derive(Clone, Debug)]
pub(crate) struct Signals {
    first: watch::Receiver<Option<Signal>>,
}

impl Signal {
    /// Returns the exit code that shells give to a command ended by this signal.
    pub(crate) fn exit_code(self) -> u8 {
        match self {
            Self::Interrupt => 130,
            Self::Terminate => 143,
        }
    }
}

impl Signals {
    /// Starts to receive signals, on a thread of its own, so that they take effect even while the command waits for the
    /// disk.
    pub(crate) fn watch() -> io::Result<Self> {
        let runtime = runtime::Builder::new_current_thread().enable_io().build()?;
        let (mut interrupts, mut terminations) = {
            let _inside = runtime.enter();
            (
                signal(SignalKind::interrupt())?,
                signal(SignalKind::terminate())?,
            )
        };
        let (sender, first) = watch::channel(None);
        let work = async move {
            let mut is_second = false;
            loop {
                let signal = tokio::select! {
                    _ = interrupts.recv() => Signal::Interrupt,
                    _ = terminations.recv() => Signal::Terminate,
                };
                if std::mem::replace(&mut is_second, true) {
                    exit_now(signal);
                }
                sender.send_replace(Some(signal));
            }
        };
        thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || runtime.block_on(work))?;
        Ok(Self { first })
    }

    /// Waits for the first signal.
    pub(crate) async fn first(&self) -> Signal {
        let mut first = self.first.clone();
        let signal = first.wait_for(Option::is_some).await;
        // The sending thread runs as long as the process, so the channel stays open.
        signal
            .ok()
            .and_then(|signal| *signal)
            .unwrap_or(Signal::Terminate)
    }

    /// Waits for `future`, or returns the signal that arrives first.
    pub(crate) async fn interruptible<T>(
        &self,
        future: impl Future<Output = T>,
    ) -> Result<T, Signal> {
        tokio::select! {
            biased;
            signal = self.first() => Err(signal),
            output = future => Ok(output),
        }
    }

    /// Returns the first signal, if one was received.
    pub(crate) fn received(&self) -> Option<Signal> {
        *self.first.borrow()
    }
}

/// The store stays consistent when a process is killed at any time.
#[expect(
    clippy::exit,
    reason = "a second signal ends a command that does not stop"
)]
fn exit_now(signal: Signal) -> ! {
    process::exit(signal.exit_code().into())
}
