//! Questions to whoever sits at the terminal.

use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::thread;

use rustix::termios::{self, LocalModes, OptionalActions, Termios};
use tokio::sync::oneshot;

use crate::signals::{Signal, Signals};

/// How a question ended.
pub(crate) enum Answer {
    /// With this text, without its end of line.
    Text(String),
    /// A signal came first.
    Stopped(Signal),
}

/// Keeps what is typed from being shown, until it is dropped.
struct Silence(Termios);

/// Tells whether there is anybody to ask.
pub(crate) fn is_possible() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks for a line, which is shown while it is typed.
pub(crate) async fn line(question: &str, signals: &Signals) -> io::Result<Answer> {
    ask(question, signals).await
}

/// Asks for a line that nobody else is to see.
pub(crate) async fn secret(question: &str, signals: &Signals) -> io::Result<Answer> {
    let _silence = Silence::begin()?;
    ask(question, signals).await
}

/// A signal ends the waiting, and the terminal is put right again; the thread that reads is left behind,
/// for the process is about to end.
async fn ask(question: &str, signals: &Signals) -> io::Result<Answer> {
    let mut stderr = io::stderr();
    write!(stderr, "{question}")?;
    stderr.flush()?;
    let answer = read(signals, || {
        let mut line = String::new();
        io::stdin().read_line(&mut line).map(|_| line)
    });
    let answer = answer.await?;
    if let Answer::Stopped(_) = answer {
        writeln!(stderr)?;
    }
    Ok(answer)
}

/// Reads standard input to its end, which `limit` bytes must hold.
pub(crate) async fn standard_input(limit: u64, signals: &Signals) -> io::Result<Answer> {
    let all = move || {
        let mut text = String::new();
        io::stdin().take(limit + 1).read_to_string(&mut text)?;
        match text.len() as u64 > limit {
            true => Err(io::Error::other(format!("it is longer than {limit} bytes"))),
            false => Ok(text),
        }
    };
    read(signals, all).await
}

/// Waits for what `work` reads, on a thread of its own.
async fn read(
    signals: &Signals,
    work: impl FnOnce() -> io::Result<String> + Send + 'static,
) -> io::Result<Answer> {
    let (sender, answer) = oneshot::channel();
    thread::Builder::new()
        .name("prompt".to_owned())
        // If a signal came meanwhile, nobody waits for it any more.
        .spawn(move || drop(sender.send(work())))?;
    tokio::select! {
        biased;
        signal = signals.first() => Ok(Answer::Stopped(signal)),
        text = answer => {
            let text = text.map_err(io::Error::other)??;
            Ok(Answer::Text(without_end(&text).to_owned()))
        }
    }
}

/// Returns `text` without the one end of line that it may have.
fn without_end(text: &str) -> &str {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.strip_suffix('\r').unwrap_or(text)
}

impl Silence {
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

impl Drop for Silence {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing any more.
        termios::tcsetattr(io::stdin(), OptionalActions::Now, &self.0).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_end_of_line_goes_and_everything_else_stays() {
        let texts = ["a b ", "a\n", "a\r\n", "a\n\n", "\n", ""];
        assert_eq!(texts.map(without_end), ["a b ", "a", "a", "a\n", "", ""]);
    }
}
