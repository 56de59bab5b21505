//! Mount and process namespaces, so that mounts and processes of a program end with it.

use std::ffi::OsStr;
use std::process::{Command, exit};
use std::{io, thread};

use tokio::runtime;
use tokio::signal;

use super::{command, run};

/// Options of `unshare` for the namespaces; all processes in them are killed with the first one.
const UNSHARE: [&str; 6] = [
    "--mount",
    "--propagation=private",
    "--pid",
    "--fork",
    "--kill-child",
    "--mount-proc",
];

/// Returns a command that runs `program` as the first process of new namespaces.
pub fn in_namespaces(program: impl AsRef<OsStr>) -> Command {
    let mut unshare = command("unshare");
    unshare.args(UNSHARE).arg("--").arg(program);
    unshare
}

/// Returns whether this process may create namespaces, which usually needs root.
pub fn can_make_namespaces() -> bool {
    run(&mut in_namespaces("true")).is_ok()
}

/// Returns whether this process is the first of its namespace, as with [`in_namespaces`].
pub fn is_first_process() -> bool {
    std::process::id() == 1
}

/// Makes ^C end this process; the first process of a namespace ignores it by default.
///
/// # Errors
/// If signals cannot be received.
pub fn end_on_interrupt() -> io::Result<()> {
    let runtime = runtime::Builder::new_current_thread().enable_io().build()?;
    thread::spawn(move || {
        if runtime.block_on(signal::ctrl_c()).is_ok() {
            #[expect(clippy::exit, reason = "ends all processes of the namespace")]
            exit(130);
        }
    });
    Ok(())
}
