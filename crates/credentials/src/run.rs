//! Runs a program with a limit on its time and on what it prints, and ends it with its children.
//!
//! Invariants:
//! - The program leads a process group of its own. If it is not let go of as a success, the group is killed
//!   before its leader is reaped: until then the group's number cannot belong to anybody else.
//! - Nothing waits for anybody but the leader: a child that was left behind with the pipes open keeps nobody
//!   waiting. What the leader printed before its end is in the pipe by then.
//! - The leader is reaped, unless it outlives being killed: one that became another user may not be killed,
//!   one that waits for a disk cannot be.
//! - No read or write blocks; the only wait is [`poll`], which has a limit.

use std::io::{self, ErrorKind, Read, Write as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

/// How often it is looked whether anybody still wants the answer.
const TICK: Duration = Duration::from_millis(100);
/// How long a program that was killed is waited for.
const GRACE: Timespec = Timespec {
    tv_sec: 2,
    tv_nsec: 0,
};
/// What is read from one stream before the other things are looked at again, in bytes.
const PORTION: usize = 1 << 20;

/// What a program may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) time: Duration,
    /// More than this is an error, in bytes.
    pub(crate) stdout: usize,
    /// What is more than this is dropped, in bytes.
    pub(crate) stderr: usize,
}

/// What a program that ended by itself left.
pub(crate) struct Output {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
}

/// Why a program did not come to its end.
#[derive(Debug)]
pub(crate) enum RunError {
    Start(io::Error),
    Io(io::Error),
    TimedOut,
    TooMuch,
    /// The caller does not want to know any more.
    Abandoned,
}

/// Runs `command` with `input` as its standard input until it ends, or `is_abandoned` says so.
///
/// It is no error that the program does not read its input.
pub(crate) fn run(
    command: &mut Command,
    input: &[u8],
    limits: Limits,
    is_abandoned: &dyn Fn() -> bool,
) -> Result<Output, RunError> {
    if is_abandoned() {
        return Err(RunError::Abandoned);
    }
    let start = Instant::now();
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    let mut running = Running::start(command)?;
    let child = &mut running.child;
    let mut stdin = Feed::new(child.stdin.take(), input)?;
    let mut stdout = Stream::new(child.stdout.take(), limits.stdout)?;
    let mut stderr = Stream::new(child.stderr.take(), limits.stderr)?;
    loop {
        if is_abandoned() {
            return Err(RunError::Abandoned);
        }
        let left = limits.time.saturating_sub(start.elapsed());
        if left.is_zero() {
            return Err(RunError::TimedOut);
        }
        let has_exited = wait(&running.exit, &stdin, &stdout, &stderr, left.min(TICK))?;
        stdin.feed()?;
        let is_drained = stdout.fill()?;
        stderr.fill()?;
        if stdout.is_over {
            return Err(RunError::TooMuch);
        }
        if has_exited && is_drained {
            break;
        }
    }
    let status = running.let_go().map_err(RunError::Io)?;
    Ok(Output {
        status,
        stdout: stdout.kept,
        stderr: stderr.kept,
    })
}

/// Waits for something to happen, and tells whether the program has ended.
fn wait(
    exit: &impl AsFd,
    stdin: &Feed<'_>,
    stdout: &Stream<impl AsFd>,
    stderr: &Stream<impl AsFd>,
    timeout: Duration,
) -> Result<bool, RunError> {
    let mut fds = vec![PollFd::new(exit, PollFlags::IN)];
    let reads = [stdout.fd(), stderr.fd()].into_iter().flatten();
    fds.extend(reads.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)));
    let writes = stdin.pipe.as_ref().map(AsFd::as_fd);
    fds.extend(writes.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::OUT)));
    let timeout = Timespec::try_from(timeout).expect("it is no longer than a tick");
    match poll(&mut fds, Some(&timeout)) {
        Ok(_) => Ok(!fds[0].revents().is_empty()),
        Err(Errno::INTR) => Ok(false),
        Err(error) => Err(RunError::Io(error.into())),
    }
}

/// A program that has not been reaped. Dropping it ends it and its process group.
struct Running {
    child: Child,
    /// Readable once it has ended.
    exit: OwnedFd,
    is_let_go: bool,
}

impl Running {
    fn start(command: &mut Command) -> Result<Self, RunError> {
        let mut child = command.spawn().map_err(RunError::Start)?;
        match pidfd_open(Pid::from_child(&child), PidfdFlags::empty()) {
            Ok(exit) => Ok(Self {
                child,
                exit,
                is_let_go: false,
            }),
            Err(error) => {
                kill(&child);
                child.try_wait().ok();
                Err(RunError::Io(error.into()))
            }
        }
    }

    /// Reaps a program that has ended. Children that it left behind are left alone.
    fn let_go(mut self) -> io::Result<ExitStatus> {
        self.is_let_go = true;
        self.child.wait()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.is_let_go {
            return;
        }
        kill(&self.child);
        let mut exit = [PollFd::new(&self.exit, PollFlags::IN)];
        poll(&mut exit, Some(&GRACE)).ok();
        self.child.try_wait().ok();
    }
}

/// Ends a program that was not reaped, and its process group.
fn kill(child: &Child) {
    kill_process_group(Pid::from_child(child), Signal::KILL).ok();
}

/// What is written to the program, until it has all or does not want more.
struct Feed<'a> {
    pipe: Option<ChildStdin>,
    rest: &'a [u8],
}

impl<'a> Feed<'a> {
    fn new(pipe: Option<ChildStdin>, input: &'a [u8]) -> Result<Self, RunError> {
        let mut feed = Self { pipe, rest: input };
        feed.pipe.as_ref().map_or(Ok(()), never_block)?;
        feed.feed()?;
        Ok(feed)
    }

    fn feed(&mut self) -> Result<(), RunError> {
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
                Err(error) => return Err(RunError::Io(error)),
            }
        }
        Ok(())
    }
}

/// What the program writes, as far as it is kept.
struct Stream<P> {
    pipe: Option<P>,
    kept: Vec<u8>,
    limit: usize,
    is_over: bool,
}

impl<P: Read + AsFd> Stream<P> {
    fn new(pipe: Option<P>, limit: usize) -> Result<Self, RunError> {
        pipe.as_ref().map_or(Ok(()), never_block)?;
        Ok(Self {
            pipe,
            kept: Vec::new(),
            limit,
            is_over: false,
        })
    }

    /// Reads what is there, and tells whether that was all for now.
    fn fill(&mut self) -> Result<bool, RunError> {
        let mut buffer = [0; 8 << 10];
        let mut portion = 0;
        while let Some(pipe) = &mut self.pipe {
            if portion >= PORTION {
                return Ok(false);
            }
            match pipe.read(&mut buffer) {
                Ok(0) => self.pipe = None,
                Ok(read) => {
                    let room = self.limit - self.kept.len();
                    self.kept.extend_from_slice(&buffer[..read.min(room)]);
                    self.is_over |= read > room;
                    portion += read;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(RunError::Io(error)),
            }
        }
        Ok(true)
    }
}

impl<P: AsFd> Stream<P> {
    fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.pipe.as_ref().map(AsFd::as_fd)
    }
}

fn never_block(fd: &impl AsFd) -> Result<(), RunError> {
    // These ends of the pipes have no other flags that could be set.
    fcntl_setfl(fd, OFlags::NONBLOCK).map_err(|error| RunError::Io(error.into()))
}
