//! Prompts on the terminal.

use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::thread;

use rustix::termios::{self, LocalModes, OptionalActions, Termios};
use tokio::sync::oneshot;

use crate::signals::{Signal, Signals};

/// The outcome of a prompt.
pub(crate) enum PromptOutcome {
    /// The input, without its line break.
    Text(String),
    /// A signal was received before the input was complete.
    Interrupted(Signal),
}

/// Turns off the echo of the terminal until it is dropped.
struct EchoOff(Termios);

/// Returns whether standard input and standard error are a terminal.
pub(crate) fn is_interactive() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Reads a line from the terminal.
pub(crate) async fn line(question: &str, signals: &Signals) -> io::Result<PromptOutcome> {
    read_line(question, signals).await
}

/// Reads a line from the terminal without echo.
pub(crate) async fn secret(question: &str, signals: &Signals) -> io::Result<PromptOutcome> {
    let _echo_off = EchoOff::begin()?;
    read_line(question, signals).await
}

/// Reads a line. A signal ends the wait; the reading thread then remains until the process ends.
async fn read_line(question: &str, signals: &Signals) -> io::Result<PromptOutcome> {
    let mut stderr = io::stderr();
    write!(stderr, "{question}")?;
    stderr.flush()?;
    let outcome = read(signals, || {
        let mut line = String::new();
        io::stdin().read_line(&mut line).map(|_| line)
    });
    let outcome = outcome.await?;
    if let PromptOutcome::Interrupted(_) = outcome {
        writeln!(stderr)?;
    }
    Ok(outcome)
}

/// Reads standard input to its end. More than `limit` bytes are an error.
pub(crate) async fn standard_input(limit: u64, signals: &Signals) -> io::Result<PromptOutcome> {
    let all = move || {
        let mut text = String::new();
        io::stdin().take(limit + 1).read_to_string(&mut text)?;
        match text.len() as u64 > limit {
            true => Err(io::Error::other(format!("it exceeds {limit} bytes"))),
            false => Ok(text),
        }
    };
    read(signals, all).await
}

/// Runs `work`, which reads, on a thread of its own.
async fn read(
    signals: &Signals,
    work: impl FnOnce() -> io::Result<String> + Send + 'static,
) -> io::Result<PromptOutcome> {
    let (sender, receiver) = oneshot::channel();
    thread::Builder::new()
        .name("prompt".to_owned())
        // After a signal the receiver no longer exists.
        .spawn(move || drop(sender.send(work())))?;
    tokio::select! {
        biased;
        signal = signals.first() => Ok(PromptOutcome::Interrupted(signal)),
        text = receiver => {
            let text = text.map_err(io::Error::other)??;
            Ok(PromptOutcome::Text(without_line_break(&text).to_owned()))
        }
    }
}

/// Returns `text` without its final line break.
fn without_line_break(text: &str) -> &str {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.strip_suffix('\r').unwrap_or(text)
}

impl EchoOff {
    fn begin() -> io::Result<Self> {
        let stdin = io::stdin();
        let before = termios::tcgetattr(&stdin)?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        silent.local_modes.insert(LocalModes::ECHONL);
        termios::tcsetattr(&stdin, OptionalActions::Flush, &silent)?;
        Ok(Self(before))
    }
}

impl Drop for EchoOff {
    fn drop(&mut self) {
        // If the terminal no longer exists, there is nothing to restore.
        termios::tcsetattr(io::stdin(), OptionalActions::Now, &self.0).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_break_is_removed() {
        let texts = ["a b ", "a\n", "a\r\n", "a\n\n", "\n", ""];
        assert_eq!(
            texts.map(without_line_break),
            ["a b ", "a", "a", "a\n", "", ""]
        );
    }
}
