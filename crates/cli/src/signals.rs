//! Signals: the first asks a command to stop, the second ends it at once.

use std::io;
use std::process;
use std::thread;

use tokio::runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// A signal that asks a command to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// `SIGINT`: ^C.
    Interrupt,
    /// `SIGTERM`.
    Terminate,
}

/// Tells commands that they are to stop.
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
    /// Takes the signals over from here on, on a thread of its own: it answers even while the command is
    /// busy with the disk.
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
                    end_at_once(signal);
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
        // The thread that sends never ends before the process does.
        signal
            .ok()
            .and_then(|signal| *signal)
            .unwrap_or(Signal::Terminate)
    }

    /// Returns the signal that came, if one did.
    pub(crate) fn came(&self) -> Option<Signal> {
        *self.first.borrow()
    }
}

/// The store is safe against a kill at any moment, so against this one, too.
#[expect(
    clippy::exit,
    reason = "the user asked a second time, and whatever is still busy will not stop"
)]
fn end_at_once(signal: Signal) -> ! {
    process::exit(signal.exit_code().into())
}
