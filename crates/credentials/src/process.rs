//! Runs a program with limits on its time and output, and kills it together with its children.
//!
//! Invariants:
//! - The program is the leader of a process group of its own. Unless it succeeds, the group is killed before the
//!   leader is reaped. Until then the group ID cannot be reused.
//! - Only the exit of the leader is awaited. A child that keeps the pipes open does not delay the result. The output of
//!   the leader is complete in the pipe when it exits.
//! - The leader is reaped unless it survives being killed: a process of another user may not be killed, and a process
//!   that waits for a disk cannot be.
//! - Reads and writes do not block. The only wait is [`poll`], with a timeout.

use std::io::{self, ErrorKind, Read, Write as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

/// How often the caller is polled for cancellation.
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// How long to wait for a killed program to exit.
const KILL_TIMEOUT: Timespec = Timespec {
    tv_sec: 2,
    tv_nsec: 0,
};
/// The number of bytes that are read from one pipe before the other pipes and limits are checked again.
const MAX_READ_BYTES: usize = 1 << 20;

/// Limits on a program.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ProcessLimits {
    pub(crate) time: Duration,
    /// Bytes of the standard output. More is an error.
    pub(crate) stdout: usize,
    /// Bytes of the standard error that are kept. More is discarded.
    pub(crate) stderr: usize,
}

/// The result of a program that has exited.
pub(crate) struct ProcessOutput {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
}

/// The reason why a program was not started or was killed.
#[derive(Debug)]
pub(crate) enum ProcessError {
    Start(io::Error),
    Io(io::Error),
    TimedOut,
    OutputTooLarge,
    /// The caller has cancelled the run.
    Abandoned,
}

/// Runs `command` with `input` as its standard input until it exits, or until `is_abandoned` returns `true`.
///
/// It is not an error if the program does not read its input.
pub(crate) fn run(
    command: &mut Command,
    input: &[u8],
    limits: ProcessLimits,
    is_abandoned: &dyn Fn() -> bool,
) -> Result<ProcessOutput, ProcessError> {
    if is_abandoned() {
        return Err(ProcessError::Abandoned);
    }
    let start = Instant::now();
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    let mut running = ChildProcess::start(command)?;
    let child = &mut running.child;
    let mut stdin = StdinWriter::new(child.stdin.take(), input)?;
    let mut stdout = OutputReader::new(child.stdout.take(), limits.stdout)?;
    let mut stderr = OutputReader::new(child.stderr.take(), limits.stderr)?;
    loop {
        if is_abandoned() {
            return Err(ProcessError::Abandoned);
        }
        let left = limits.time.saturating_sub(start.elapsed());
        if left.is_zero() {
            return Err(ProcessError::TimedOut);
        }
        let has_exited = wait(
            &running.exit,
            &stdin,
            &stdout,
            &stderr,
            left.min(POLL_INTERVAL),
        )?;
        stdin.write_available()?;
        let is_drained = stdout.read_available()?;
        stderr.read_available()?;
        if stdout.is_over_limit {
            return Err(ProcessError::OutputTooLarge);
        }
        if has_exited && is_drained {
            break;
        }
    }
    let status = running.reap().map_err(ProcessError::Io)?;
    Ok(ProcessOutput {
        status,
        stdout: stdout.kept,
        stderr: stderr.kept,
    })
}

/// Waits for input, output or the exit of the program. Returns whether it has exited.
fn wait(
    exit: &impl AsFd,
    stdin: &StdinWriter<'_>,
    stdout: &OutputReader<impl AsFd>,
    stderr: &OutputReader<impl AsFd>,
    timeout: Duration,
) -> Result<bool, ProcessError> {
    let mut fds = vec![PollFd::new(exit, PollFlags::IN)];
    let reads = [stdout.fd(), stderr.fd()].into_iter().flatten();
    fds.extend(reads.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)));
    let writes = stdin.pipe.as_ref().map(AsFd::as_fd);
    fds.extend(writes.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::OUT)));
    let timeout = Timespec::try_from(timeout).expect("bounded by the poll interval");
    match poll(&mut fds, Some(&timeout)) {
        Ok(_) => Ok(!fds[0].revents().is_empty()),
        Err(Errno::INTR) => Ok(false),
        Err(error) => Err(ProcessError::Io(error.into())),
    }
}

/// A program that has not been reaped. Dropping it kills its process group.
struct ChildProcess {
    child: Child,
    /// A pidfd, which is readable once the program has exited.
    exit: OwnedFd,
    is_reaped: bool,
}

impl ChildProcess {
    fn start(command: &mut Command) -> Result<Self, ProcessError> {
        let mut child = command.spawn().map_err(ProcessError::Start)?;
        match pidfd_open(Pid::from_child(&child), PidfdFlags::empty()) {
            Ok(exit) => Ok(Self {
                child,
                exit,
                is_reaped: false,
            }),
            Err(error) => {
                kill(&child);
                child.try_wait().ok();
                Err(ProcessError::Io(error.into()))
            }
        }
    }

    /// Reaps a program that has exited. Its children are not killed.
    fn reap(mut self) -> io::Result<ExitStatus> {
        self.is_reaped = true;
        self.child.wait()
    }
}

impl Drop for ChildProcess {
    fn drop(&mut self) {
        if self.is_reaped {
            return;
        }
        kill(&self.child);
        let mut exit = [PollFd::new(&self.exit, PollFlags::IN)];
        poll(&mut exit, Some(&KILL_TIMEOUT)).ok();
        self.child.try_wait().ok();
    }
}

/// Kills the process group of a program that has not been reaped.
fn kill(child: &Child) {
    kill_process_group(Pid::from_child(child), Signal::KILL).ok();
}

/// Writes the standard input of a program until everything is written or the program closes the pipe.
struct StdinWriter<'a> {
    pipe: Option<ChildStdin>,
    rest: &'a [u8],
}

impl<'a> StdinWriter<'a> {
    fn new(pipe: Option<ChildStdin>, input: &'a [u8]) -> Result<Self, ProcessError> {
        let mut writer = Self { pipe, rest: input };
        writer.pipe.as_ref().map_or(Ok(()), set_nonblocking)?;
        writer.write_available()?;
        Ok(writer)
    }

    /// Writes as much as the pipe accepts.
    fn write_available(&mut self) -> Result<(), ProcessError> {
        while let Some(pipe) = &mut self.pipe {
            if self.rest.is_empty() {
                self.pipe = None;
                break;
            }
            match pipe.write(self.rest) {
                Ok(written) => self.rest = &self.rest[written..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::BrokenPipe => self.pipe = None,
                Err(error) => return Err(ProcessError::Io(error)),
            }
        }
        Ok(())
    }
}

/// Reads an output of a program and keeps the bytes up to a limit.
struct OutputReader<P> {
    pipe: Option<P>,
    kept: Vec<u8>,
    limit: usize,
    is_over_limit: bool,
}

impl<P: Read + AsFd> OutputReader<P> {
    fn new(pipe: Option<P>, limit: usize) -> Result<Self, ProcessError> {
        pipe.as_ref().map_or(Ok(()), set_nonblocking)?;
        Ok(Self {
            pipe,
            kept: Vec::new(),
            limit,
            is_over_limit: false,
        })
    }

    /// Reads the available bytes. Returns `false` if there may be more.
    fn read_available(&mut self) -> Result<bool, ProcessError> {
        let mut buffer = [0; 8 << 10];
        let mut total = 0;
        while let Some(pipe) = &mut self.pipe {
            if total >= MAX_READ_BYTES {
                return Ok(false);
            }
            match pipe.read(&mut buffer) {
                Ok(0) => self.pipe = None,
                Ok(read) => {
                    let remaining = self.limit - self.kept.len();
                    self.kept.extend_from_slice(&buffer[..read.min(remaining)]);
                    self.is_over_limit |= read > remaining;
                    total += read;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(ProcessError::Io(error)),
            }
        }
        Ok(true)
    }
}

impl<P: AsFd> OutputReader<P> {
    fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.pipe.as_ref().map(AsFd::as_fd)
    }
}

fn set_nonblocking(fd: &impl AsFd) -> Result<(), ProcessError> {
    // These ends of the pipes have no other status flags that this could clear.
    fcntl_setfl(fd, OFlags::NONBLOCK).map_err(|error| ProcessError::Io(error.into()))
}
